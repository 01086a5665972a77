// SPDX-License-Identifier: GPL-2.0-or-later
// The door of the core: the C functions of core_api.h, and the choice between the vendors. Kernel
// context only.
#include "core_api.h"

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
using ringside::u8;

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

__u32 rs_core_may_unload(void) {
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

int rs_core_take_wakeup(__u32 cpu) {
    return session.is_loaded && session.hypervisor.take_wakeup(cpu);
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
    if (bytes < sizeof(rs_event_detail))
        return RS_ERR_BAD_IMAGE;
    auto& detail = *static_cast<rs_event_detail*>(image);
    detail.error =
        session.is_loaded ? session.register_event(client, image, bytes) : u32{RS_ERR_NOT_LOADED};
    return detail.error;
}

__u32 rs_core_add_action(__u32, void* image, __u64 bytes) {
    if (bytes < sizeof(rs_action))
        return RS_ERR_BAD_IMAGE;
    auto& header = *static_cast<rs_action*>(image);
    header.error = session.is_loaded ? session.add_action(image, bytes) : u32{RS_ERR_NOT_LOADED};
    return header.error;
}

__u32 rs_core_modify_event(__u32, struct rs_modify_event* request) {
    return session.is_loaded ? session.modify_event(*request) : u32{RS_ERR_NOT_LOADED};
}

__u32 rs_core_list_events(void* image, __u64 bytes) {
    if (bytes < sizeof(rs_event_list))
        return RS_ERR_BAD_IMAGE;
    auto& header = *static_cast<rs_event_list*>(image);
    if (!session.is_loaded)
        return header.error = RS_ERR_NOT_LOADED;
    auto* entries = static_cast<u8*>(image) + sizeof header;
    const auto listed = session.registry.list(header, {entries, bytes - sizeof header});
    header.error = listed ? u32{RS_OK} : u32{listed.error().code};
    return header.error;
}

__u32 rs_core_event_stat(struct rs_event_stat* request) {
    if (!session.is_loaded)
        return RS_ERR_NOT_LOADED;
    const auto filled = session.registry.stat(*request);
    return filled ? u32{RS_OK} : u32{filled.error().code};
}

__u32 rs_core_ring(__u32 client, struct rs_ring* request) {
    auto* reader = session.find_client(client);
    return reader ? session.ring(*reader, *request) : u32{RS_ERR_INTERNAL};
}

__u32 rs_core_ring_memory(__u32 core, const void** head, const void** data, __u64* bytes) {
    if (!session.is_loaded)
        return RS_ERR_NOT_LOADED;
    if (core >= session.engine.core_count())
        return RS_ERR_BAD_CORE;
    const auto memory = session.engine.ring_memory(core);
    *head = memory.indices;
    *data = memory.data;
    *bytes = memory.bytes;
    return RS_OK;
}

__u32 rs_core_flush(struct rs_flush* request) {
    if (request->reserved)
        return RS_ERR_BAD_IMAGE;
    if (!session.is_loaded)
        return RS_ERR_NOT_LOADED;
    request->count = session.engine.rings().discard_all();
    return RS_OK;
}

__u32 rs_core_eval(__u32, void* image, __u64 bytes) {
    if (bytes < sizeof(rs_eval))
        return RS_ERR_BAD_IMAGE;
    auto& request = *static_cast<rs_eval*>(image);
    request.error = session.is_loaded ? session.evaluate(request, bytes) : u32{RS_ERR_NOT_LOADED};
    return request.error;
}

}  // extern "C"
