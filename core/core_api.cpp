// SPDX-License-Identifier: GPL-2.0-or-later
// The door of the core: the C functions of core_api.h, and the choice between the vendors. Kernel
// context only.
#include "core_api.h"

#include <cstddef>

#include "base/memory.hpp"
#include "session/session.hpp"
#include "svm/svm_vendor.hpp"
#include "vmx/vmx_vendor.hpp"
#include "x86/cpuid.hpp"

namespace {

constinit ringside::Session session;
constinit ringside::svm::SvmVendor svm_vendor;
constinit ringside::vmx::VmxVendor vmx_vendor;

/// Whom this processor belongs to; nullptr if it cannot be virtualized.
ringside::vcpu::Vendor* find_vendor(__u32& id) {
    if (ringside::x86::has_vmx()) {
        id = RS_VENDOR_VMX;
        return &vmx_vendor;
    }
    if (ringside::x86::has_svm()) {
        id = RS_VENDOR_SVM;
        return &svm_vendor;
    }
    id = RS_VENDOR_NONE;
    return nullptr;
}

using ringside::u32;
using ringside::u64;
using ringside::u8;

/// The size that a request with data behind it gives its header (API-2): whole quadwords, at least
/// `minimum`, within the request.
u32 check_header(const void* image, u64 bytes, u64 minimum, u64& size) {
    u32 given = 0;
    if (bytes < sizeof given)
        return RS_ERR_BAD_IMAGE;
    ringside::copy_bytes(&given, image, sizeof given);
    size = given;
    return given < minimum || given % 8 != 0 || given > bytes ? u32{RS_ERR_BAD_IMAGE} : u32{RS_OK};
}

/// Fields of a later version: all 0, or nobody here understands them.
u32 check_unknown(const void* image, u64 known, u64 size) {
    for (u64 i = known; i < size; ++i)
        if (static_cast<const u8*>(image)[i] != 0)
            return RS_ERR_UNKNOWN_FIELDS;
    return RS_OK;
}

/// Fills in a field of the caller's header, if it has it.
template <class T>
void answer(void* image, u64 header_bytes, u64 offset, const T& value) {
    if (offset + sizeof value <= header_bytes)
        ringside::copy_bytes(static_cast<u8*>(image) + offset, &value, sizeof value);
}

}  // namespace

extern "C" {

__u32 rs_core_probe(__u32* vendor) {
    auto* found = find_vendor(*vendor);
    if (!found)
        return RS_ERR_NO_SVM;
    if (session.is_loaded)
        return RS_OK;
    const auto probed = found->probe();
    return probed ? u32{RS_OK} : u32{probed.error().code};
}

__u32 rs_core_load(const struct rs_platform* platform, const struct rs_kernel_facts* facts,
                   struct rs_load* request) {
    u32 vendor = 0;
    if (const u32 error = rs_core_probe(&vendor); error != RS_OK)
        return error;
    return session.load(*find_vendor(vendor), *platform, *facts, *request);
}

__u32 rs_core_may_unload(const struct rs_load* request) {
    for (const u32 word : request->reserved)
        if (word != 0)
            return RS_ERR_BAD_IMAGE;
    return session.may_unload();
}

__u32 rs_core_unload(void) {
    return session.unload();
}

int rs_core_is_loaded(void) {
    return session.is_loaded;
}

__u32 rs_core_cpu_online(__u32 cpu) {
    return session.is_loaded ? session.cpu_online(cpu) : u32{RS_OK};
}

__u32 rs_core_cpu_offline(__u32 cpu) {
    const bool ours = session.is_loaded && session.hypervisor.is_virtualized(cpu);
    return ours ? session.cpu_offline(cpu) : u32{RS_OK};
}

void rs_core_emergency_leave(void) {
    if (session.is_loaded)
        session.hypervisor.leave_here_now();
}

__u32 rs_core_take_wakeup(__u32 cpu) {
    static_assert(RS_WAKEUP_READERS == ringside::vcpu::kWakeReaders);
    static_assert(RS_WAKEUP_WATCHDOGS == ringside::vcpu::kTellWatchdogs);
    static_assert(RS_WAKEUP_STRAY == ringside::vcpu::kStrayNmi);
    return session.is_loaded ? session.hypervisor.take_wakeup(cpu) : 0;
}

__u32 rs_core_add_client(__u32 client) {
    return session.add_client(client);
}

void rs_core_remove_client(__u32 client) {
    session.remove_client(client);
}

__s64 rs_core_read_messages(__u32 client, void* buffer, __u64 bytes) {
    auto* reader = session.find_client(client);
    if (!session.is_loaded || !reader)
        return 0;
    return session.read_messages(*reader, static_cast<u8*>(buffer), bytes);
}

int rs_core_poll_messages(__u32 client) {
    auto* reader = session.find_client(client);
    return session.is_loaded && reader && session.has_messages(*reader);
}

int rs_core_waiting_messages(void) {
    return session.is_loaded && session.has_news();
}

int rs_core_hand_over_old(void) {
    return session.is_loaded && session.hand_over_old();
}

__u32 rs_core_register_event(__u32 client, void* image, __u64 bytes) {
    u64 header = 0;
    if (const u32 error = check_header(image, bytes, offsetof(rs_event_detail, event_type), header);
        error != RS_OK)
        return error;
    u64 tag = 0;
    const u32 error = session.is_loaded ? session.register_event(client, image, bytes, tag)
                                        : u32{RS_ERR_NOT_LOADED};
    if (error == RS_OK) {
        answer(image, header, offsetof(rs_event_detail, tag), tag);
        answer(image, header, offsetof(rs_event_detail, event_id), u32(tag - RS_TAG_BASE));
    }
    answer(image, header, offsetof(rs_event_detail, error), error);
    return error;
}

__u32 rs_core_add_action(__u32, void* image, __u64 bytes) {
    u64 header = 0;
    if (const u32 error = check_header(image, bytes, offsetof(rs_action, script_pointer), header);
        error != RS_OK)
        return error;
    const u32 error = session.is_loaded ? session.add_action(image, bytes) : u32{RS_ERR_NOT_LOADED};
    answer(image, header, offsetof(rs_action, error), error);
    return error;
}

__u32 rs_core_modify_event(__u32, struct rs_modify_event* request) {
    return session.is_loaded ? session.modify_event(*request) : u32{RS_ERR_NOT_LOADED};
}

__u32 rs_core_list_events(void* image, __u64 bytes) {
    u64 size = 0;
    if (const u32 error = check_header(image, bytes, sizeof(rs_event_list), size); error != RS_OK)
        return error;
    auto& header = *static_cast<rs_event_list*>(image);
    if (const u32 error = check_unknown(image, sizeof header, size); error != RS_OK)
        return header.error = error;
    if (!session.is_loaded)
        return header.error = RS_ERR_NOT_LOADED;
    const auto listed =
        session.registry().list(header, {static_cast<u8*>(image) + size, bytes - size});
    if (listed)
        header.used_len += size - sizeof header;
    header.error = listed ? u32{RS_OK} : u32{listed.error().code};
    return header.error;
}

__u32 rs_core_event_stat(struct rs_event_stat* request) {
    if (!session.is_loaded)
        return RS_ERR_NOT_LOADED;
    const auto filled = session.registry().stat(*request);
    return filled ? u32{RS_OK} : u32{filled.error().code};
}

__u32 rs_core_ring(__u32 client, struct rs_ring* request) {
    auto* reader = session.find_client(client);
    return reader ? session.ring(*reader, *request) : u32{RS_ERR_INTERNAL};
}

__u32 rs_core_ring_memory(__u32 core, const void** head, const void** data, __u64* bytes) {
    if (!session.is_loaded)
        return RS_ERR_NOT_LOADED;
    if (core >= session.engine().core_count())
        return RS_ERR_BAD_CORE;
    const auto memory = session.engine().ring_memory(core);
    *head = memory.indices;
    *data = memory.data;
    *bytes = memory.bytes;
    return RS_OK;
}

__u32 rs_core_flush(struct rs_flush* request) {
    if (request->reserved || request->flags & ~RS_FLUSHF_HAND_OVER)
        return RS_ERR_BAD_IMAGE;
    if (!session.is_loaded)
        return RS_ERR_NOT_LOADED;
    if (const u32 error = session.hand_over_all(); error != RS_OK)
        return error;
    request->count =
        request->flags & RS_FLUSHF_HAND_OVER ? 0 : session.engine().rings().discard_all();
    return RS_OK;
}

__u32 rs_core_settings(struct rs_settings* request) {
    return session.is_loaded ? session.change_settings(*request) : u32{RS_ERR_NOT_LOADED};
}

__u32 rs_core_prepare(struct rs_prepare* request, const struct rs_link_device* device,
                      const struct rs_version* version) {
    return session.is_loaded ? session.prepare(*request, *device, *version)
                             : u32{RS_ERR_NOT_LOADED};
}

int rs_core_tend_link(int* is_polled) {
    if (!session.is_loaded || !session.preparation.is_debuggee())
        return 0;
    session.preparation.tend();
    *is_polled = session.preparation.is_polled();
    return 1;
}

__u32 rs_core_eval(__u32, void* image, __u64 bytes) {
    u64 size = 0;
    if (const u32 error = check_header(image, bytes, sizeof(rs_eval), size); error != RS_OK)
        return error;
    auto& request = *static_cast<rs_eval*>(image);
    if (const u32 error = check_unknown(image, sizeof request, size); error != RS_OK)
        return request.error = error;
    request.error = session.is_loaded
                        ? session.evaluate(request, {static_cast<u8*>(image) + size, bytes - size})
                        : u32{RS_ERR_NOT_LOADED};
    return request.error;
}

__u32 rs_core_look(__u32 number, void* image, __u64 bytes) {
    auto* words = static_cast<u32*>(image);
    if (bytes < 2 * sizeof(u32))
        return RS_ERR_BAD_IMAGE;
    if (!session.is_loaded)
        return words[1] = RS_ERR_NOT_LOADED;
    u32 core = RS_ANY;
    if (number == RS_NR_MSR && bytes >= sizeof(rs_msr))
        core = static_cast<const rs_msr*>(image)->core;
    if (number == RS_NR_CPUID && bytes >= sizeof(rs_cpuid))
        core = static_cast<const rs_cpuid*>(image)->core;
    if (core != RS_ANY && !session.core_exists(core))
        return words[1] = RS_ERR_BAD_CORE;
    return words[1] = session.inspect(number, core, {static_cast<u8*>(image), bytes});
}

__u32 rs_core_symbols_begin(void) {
    return session.is_loaded ? session.begin_symbols() : u32{RS_ERR_NOT_LOADED};
}

__u32 rs_core_symbols_add(__u64 address, char type, const char* module, const char* name) {
    return session.add_symbol(address, type, module, name);
}

__u32 rs_core_symbols_add_end(__u64 address) {
    return session.add_symbol_end(address);
}

__u32 rs_core_symbols_end(void) {
    return session.end_symbols();
}

void rs_core_symbols_drop(void) {
    session.drop_symbols();
}

}  // extern "C"
