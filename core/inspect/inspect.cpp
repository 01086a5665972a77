// SPDX-License-Identifier: GPL-2.0-or-later
#include "inspect/inspect.hpp"

#include "inspect/request.hpp"
#include "vcpu/guest_view.hpp"

namespace ringside::inspect {
namespace {

/// A structure without data behind it.
template <class T, class Answer>
u32 answer_fields(std::span<u8> image, Answer answer) {
    Request<T> request{image, false};
    if (request.error() != RS_OK)
        return request.error();
    return request.finish(answer(request.fields));
}

template <class T, class Answer>
u32 answer_image(std::span<u8> image, Answer answer) {
    Request<T> request{image, true};
    if (request.error() != RS_OK)
        return request.error();
    return request.finish(answer(request.fields, request.data));
}

u32 answer_checked(vcpu::Vcpu& vcpu, u32 number, std::span<u8> image, Others others) {
    switch (number) {
        case RS_NR_MEM:
            return answer_image<rs_mem>(image, [&](rs_mem& fields, std::span<u8> data) {
                return answer_memory(vcpu, fields, data);
            });
        case RS_NR_REGISTERS:
            return answer_fields<rs_registers>(
                image, [&](rs_registers& fields) { return answer_registers(vcpu, fields); });
        case RS_NR_MSR:
            return answer_fields<rs_msr>(image,
                                         [&](rs_msr& fields) { return answer_msr(vcpu, fields); });
        case RS_NR_CPUID:
            return answer_fields<rs_cpuid>(
                image, [&](rs_cpuid& fields) { return answer_cpuid(vcpu, fields); });
        case RS_NR_LAPIC:
            return answer_fields<rs_lapic>(
                image, [&](rs_lapic& fields) { return answer_local_apic(vcpu, fields); });
        case RS_NR_IO_APIC:
            return answer_fields<rs_io_apic>(
                image, [&](rs_io_apic& fields) { return answer_io_apic(vcpu, fields, others); });
        case RS_NR_PAGE_WALK:
            return answer_fields<rs_page_walk>(
                image, [&](rs_page_walk& fields) { return answer_page_walk(vcpu, fields); });
        case RS_NR_TASKS:
            return answer_image<rs_tasks>(image, [&](rs_tasks& fields, std::span<u8> data) {
                return answer_tasks(vcpu, fields, data);
            });
        case RS_NR_MAPPINGS:
            return answer_image<rs_mappings>(image, [&](rs_mappings& fields, std::span<u8> data) {
                return answer_mappings(vcpu, fields, data);
            });
        default:
            return RS_ERR_BAD_IMAGE;
    }
}

}  // namespace

bool is_look(u32 number) {
    switch (number) {
        case RS_NR_MEM:
        case RS_NR_REGISTERS:
        case RS_NR_MSR:
        case RS_NR_CPUID:
        case RS_NR_LAPIC:
        case RS_NR_IO_APIC:
        case RS_NR_PAGE_WALK:
        case RS_NR_TASKS:
        case RS_NR_MAPPINGS:
            return true;
        default:
            return false;
    }
}

u32 answer(vcpu::Vcpu& vcpu, u32 number, std::span<u8> image, Others others) {
    const u32 error = answer_checked(vcpu, number, image, others);
    // All of them have their 'error' behind their size; a malformed one is told as well.
    if (image.size() >= sizeof(u32) * 2)
        copy_bytes(image.data() + sizeof(u32), &error, sizeof error);
    return error;
}

u32 answer_registers(vcpu::Vcpu& vcpu, rs_registers& fields) {
    vcpu::GuestView guest{vcpu};
    fields.core = vcpu.core;
    for (u32 i = 0; i < RS_FULL_REGISTER_COUNT; ++i)
        fields.value[i] = guest.read_register(vcpu::Register(i));
    fields.is_long_mode = vcpu.backend->runs_64bit_code();
    return RS_OK;
}

}  // namespace ringside::inspect
