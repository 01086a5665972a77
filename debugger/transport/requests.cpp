// SPDX-License-Identifier: GPL-3.0-or-later
#include "transport/requests.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ringside::transport {
namespace {

constexpr RequestSpec kRequests[] = {
    {RS_IOC_VERSION, "version", sizeof(rs_version), false},
    {RS_IOC_LOAD, "load", sizeof(rs_load), false},
    {RS_IOC_UNLOAD, "unload", sizeof(rs_load), false},
    {RS_IOC_REGISTER_EVENT, "register event", sizeof(rs_event_detail), true},
    {RS_IOC_ADD_ACTION, "add action", sizeof(rs_action), true},
    {RS_IOC_MODIFY_EVENT, "modify event", sizeof(rs_modify_event), false},
    {RS_IOC_LIST_EVENTS, "list events", sizeof(rs_event_list), true},
    {RS_IOC_EVENT_STAT, "event stat", sizeof(rs_event_stat), false},
    {RS_IOC_FLUSH, "flush", sizeof(rs_flush), false},
    {RS_IOC_SETTINGS, "settings", sizeof(rs_settings), false},
    {RS_IOC_IDT, "idt", sizeof(rs_idt), false},
    {RS_IOC_PROCESS, "process", sizeof(rs_process), false},
    {RS_IOC_SYMBOL, "symbol", sizeof(rs_symbol), false},
    {RS_IOC_EVAL, "eval", sizeof(rs_eval), true},
    {RS_IOC_MEM, "mem", sizeof(rs_mem), true},
    {RS_IOC_REGISTERS, "registers", sizeof(rs_registers), false},
    {RS_IOC_MSR, "msr", sizeof(rs_msr), false},
    {RS_IOC_CPUID, "cpuid", sizeof(rs_cpuid), false},
    {RS_IOC_LAPIC, "lapic", sizeof(rs_lapic), false},
    {RS_IOC_IO_APIC, "io-apic", sizeof(rs_io_apic), false},
    {RS_IOC_PAGE_WALK, "page walk", sizeof(rs_page_walk), false},
    {RS_IOC_TASKS, "tasks", sizeof(rs_tasks), true},
    {RS_IOC_MAPPINGS, "mappings", sizeof(rs_mappings), true},
    {RS_IOC_SYMBOL_LIST, "symbol list", sizeof(rs_symbol_list), true},
    {RS_IOC_SHORT_CIRCUIT, "short circuit", sizeof(rs_event_sc), false},
    {RS_IOC_PREALLOC, "prealloc", sizeof(rs_prealloc), false},
    {RS_IOC_PREPARE, "prepare", sizeof(rs_prepare), false},
    {RS_IOC_RUN, "run", sizeof(rs_run), false},
    {RS_IOC_PAUSE, "pause", sizeof(rs_pause), false},
    {RS_IOC_SWITCH_CORE, "switch core", sizeof(rs_switch_core), false},
    {RS_IOC_BREAKPOINT, "breakpoint", sizeof(rs_breakpoint), false},
    {RS_IOC_HALT_STATE, "halt state", sizeof(rs_halt_state), false},
};

// Images hold their whole length at the same place, all but an action.
constexpr std::size_t kTotalLengthOffset = 8;
static_assert(offsetof(rs_event_detail, total_len) == kTotalLengthOffset);
static_assert(offsetof(rs_event_list, total_len) == kTotalLengthOffset);
static_assert(offsetof(rs_eval, total_len) == kTotalLengthOffset);
static_assert(offsetof(rs_mem, total_len) == kTotalLengthOffset);
static_assert(offsetof(rs_tasks, total_len) == kTotalLengthOffset);
static_assert(offsetof(rs_mappings, total_len) == kTotalLengthOffset);
static_assert(offsetof(rs_symbol_list, total_len) == kTotalLengthOffset);

/// Bytes of a request and the data behind its header, as the module will take them.
std::uint64_t total_length(std::uint32_t request, std::span<const std::byte> argument) {
    if (request == RS_IOC_ADD_ACTION) {
        rs_action action;
        std::memcpy(&action, argument.data(), sizeof(action));
        return std::uint64_t{action.size} + (std::uint64_t{action.payload_len} + 7) / 8 * 8;
    }
    std::uint64_t length = 0;
    std::memcpy(&length, argument.data() + kTotalLengthOffset, sizeof(length));
    return length;
}

}  // namespace

const RequestSpec* find_request(std::uint32_t request) {
    for (const RequestSpec& spec : kRequests) {
        if (spec.request == request)
            return &spec;
    }
    return nullptr;
}

int check_request(std::uint32_t request, std::span<const std::byte> argument) {
    const RequestSpec* spec = find_request(request);
    if (!spec)
        return ENOTTY;
    if (argument.size() > RS_MAX_REQUEST_BYTES)
        return E2BIG;
    if (!spec->is_image)
        return argument.size() == spec->size ? 0 : EINVAL;
    if (argument.size() < spec->size)
        return EINVAL;
    return total_length(request, argument) <= argument.size() ? 0 : EINVAL;
}

std::size_t length_without_zeroes(std::span<const std::byte> argument) {
    const auto last = std::find_if(argument.rbegin(), argument.rend(),
                                   [](std::byte byte) { return byte != std::byte{0}; });
    return static_cast<std::size_t>(argument.rend() - last);
}

ByteRange changed_range(std::span<const std::byte> before, std::span<const std::byte> after) {
    const auto first = std::mismatch(before.begin(), before.end(), after.begin()).first;
    const auto offset = static_cast<std::size_t>(first - before.begin());
    if (offset == before.size())
        return {};
    const auto last = std::mismatch(before.rbegin(), before.rend(), after.rbegin()).first;
    return {offset, static_cast<std::size_t>(before.rend() - last) - offset};
}

}  // namespace ringside::transport
