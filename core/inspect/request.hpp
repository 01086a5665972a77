// SPDX-License-Identifier: GPL-2.0-or-later
// What the answers of this folder share: how a request's structure is taken from its image, and
// their functions.
#pragma once

#include "base/memory.hpp"
#include "inspect/inspect.hpp"

namespace ringside::inspect {

/// The structure at the beginning of an image, and the data behind it. Later versions' structures
/// are longer: their fields must be 0.
template <class T>
class Request {
public:
    /// Check error() first.
    Request(std::span<u8> image, bool has_data) : image_{image} {
        if (image.size() < sizeof(T))
            return;
        copy_bytes(&fields, image.data(), sizeof(T));
        if (fields.size < sizeof(T) || fields.size % 8 != 0 || fields.size > image.size())
            return;
        u64 end = fields.size;
        if constexpr (requires { fields.total_len; }) {
            if (has_data)
                end = fields.total_len;
        }
        if (end < fields.size)
            return;
        // More room than there is here stays as it is.
        if (end > image.size())
            end = image.size();
        error_ = RS_ERR_UNKNOWN_FIELDS;
        for (u64 i = sizeof(T); i < fields.size; ++i)
            if (image[i] != 0)
                return;
        data = image.subspan(fields.size, end - fields.size);
        error_ = RS_OK;
    }

    u32 error() const { return error_; }
    /// Puts the structure back.
    /// @return `error`, which becomes its 'error'
    u32 finish(u32 error) {
        fields.error = error;
        copy_bytes(image_.data(), &fields, sizeof(T));
        return error;
    }

    T fields = {};
    std::span<u8> data;  ///< behind the structure

private:
    std::span<u8> image_;
    u32 error_ = RS_ERR_BAD_IMAGE;
};

// One a request; `fields` is filled in, the result becomes its 'error'.
u32 answer_memory(vcpu::Vcpu& vcpu, rs_mem& fields, std::span<u8> data);
u32 answer_registers(vcpu::Vcpu& vcpu, rs_registers& fields);
u32 answer_msr(vcpu::Vcpu& vcpu, rs_msr& fields);
u32 answer_cpuid(vcpu::Vcpu& vcpu, rs_cpuid& fields);
u32 answer_local_apic(vcpu::Vcpu& vcpu, rs_lapic& fields);
u32 answer_io_apic(vcpu::Vcpu& vcpu, rs_io_apic& fields, Others others);
u32 answer_page_walk(vcpu::Vcpu& vcpu, rs_page_walk& fields);
u32 answer_tasks(vcpu::Vcpu& vcpu, rs_tasks& fields, std::span<u8> data);
u32 answer_mappings(vcpu::Vcpu& vcpu, rs_mappings& fields, std::span<u8> data);

}  // namespace ringside::inspect
