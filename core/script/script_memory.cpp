// SPDX-License-Identifier: GPL-2.0-or-later
#include "script/script_memory.hpp"

#include "base/memory.hpp"

namespace ringside::script {

namespace {

bool is_window(u64 address) {
    return address >> RS_SCRIPT_WINDOW_SHIFT == RS_SCRIPT_WINDOW;
}

template <class T>
void load_as(const u8* from, void* to) {
    *static_cast<T*>(to) = __atomic_load_n(reinterpret_cast<const T*>(from), __ATOMIC_SEQ_CST);
}

template <class T>
void store_as(u8* to, const void* from) {
    __atomic_store_n(reinterpret_cast<T*>(to), *static_cast<const T*>(from), __ATOMIC_SEQ_CST);
}

/// Other cores use the globals at the same time: a naturally aligned access is one access.
void load(const u8* from, void* to, usize count) {
    const u64 bits = reinterpret_cast<u64>(from) | reinterpret_cast<u64>(to);
    if (count == 8 && bits % 8 == 0)
        load_as<u64>(from, to);
    else if (count == 4 && bits % 4 == 0)
        load_as<u32>(from, to);
    else if (count == 2 && bits % 2 == 0)
        load_as<u16>(from, to);
    else
        for (usize i = 0; i < count; ++i)
            load_as<u8>(from + i, static_cast<u8*>(to) + i);
}

void store(u8* to, const void* from, usize count) {
    const u64 bits = reinterpret_cast<u64>(from) | reinterpret_cast<u64>(to);
    if (count == 8 && bits % 8 == 0)
        store_as<u64>(to, from);
    else if (count == 4 && bits % 4 == 0)
        store_as<u32>(to, from);
    else if (count == 2 && bits % 2 == 0)
        store_as<u16>(to, from);
    else
        for (usize i = 0; i < count; ++i)
            store_as<u8>(to + i, static_cast<const u8*>(from) + i);
}

template <class T>
void exchange_as(u8* at, u64& expected, u64 desired) {
    auto old = static_cast<T>(expected);
    __atomic_compare_exchange_n(reinterpret_cast<T*>(at), &old, static_cast<T>(desired), false,
                                __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    expected = old;
}

}  // namespace

u8* ScriptMemory::resolve(u64 address, usize count, bool to_write, rs_script_error& error,
                          u64& available) {
    const u64 kind = address >> RS_SCRIPT_WINDOW_KIND_SHIFT & 0xf;
    const u64 instance = address >> RS_SCRIPT_WINDOW_INSTANCE_SHIFT & 0xfff;
    const u64 offset = address & 0xffff'ffff;
    u8* base = nullptr;
    u64 size = 0;
    error = RS_SCRIPT_INVALID_ADDRESS;
    switch (kind) {
        case RS_WINDOW_GLOBAL:
            base = reinterpret_cast<u8*>(globals_.slots);
            size = u64{globals_.count} * 8;
            break;
        case RS_WINDOW_LOCAL:
            base = reinterpret_cast<u8*>(frame_.registers);
            size = u64{frame_.top} * 8;
            break;
        case RS_WINDOW_STRING:
            base = const_cast<u8*>(reinterpret_cast<const u8*>(program_.bytes()));
            size = to_write ? 0 : program_.byte_count();
            break;
        case RS_WINDOW_CLOCK:
            base = reinterpret_cast<u8*>(frame_.clock_text);
            size = to_write ? 0 : sizeof frame_.clock_text;
            break;
        case RS_WINDOW_DATA:
            base = const_cast<u8*>(program_.data());
            size = program_.data_bytes();
            break;
        default:
            return nullptr;
    }
    if (instance != (kind == RS_WINDOW_LOCAL ? frame_.run_number & 0xfff : 0)) {
        if (kind == RS_WINDOW_LOCAL)
            error = RS_SCRIPT_DEAD_VARIABLE;
        return nullptr;
    }
    if (offset > size || count > size - offset)
        return nullptr;
    available = size - offset;
    error = RS_SCRIPT_OK;
    return base + offset;
}

rs_script_error ScriptMemory::read(u64 address, void* to, usize count) {
    if (!is_window(address))
        return guest_.read_memory(Gva{address}, to, count) ? RS_SCRIPT_OK
                                                           : RS_SCRIPT_INVALID_ADDRESS;
    rs_script_error error;
    u64 available = 0;
    if (const u8* from = resolve(address, count, false, error, available))
        load(from, to, count);
    return error;
}

rs_script_error ScriptMemory::write(u64 address, const void* from, usize count) {
    if (!is_window(address))
        return guest_.write_memory(Gva{address}, from, count) ? RS_SCRIPT_OK
                                                              : RS_SCRIPT_INVALID_ADDRESS;
    rs_script_error error;
    u64 available = 0;
    if (u8* to = resolve(address, count, true, error, available))
        store(to, from, count);
    return error;
}

rs_script_error ScriptMemory::compare_exchange(u64 address, u32 size, u64& expected, u64 desired) {
    if (address % size != 0)
        return RS_SCRIPT_MISALIGNED;
    if (!is_window(address))
        return guest_.compare_exchange(Gva{address}, size, expected, desired)
                   ? RS_SCRIPT_OK
                   : RS_SCRIPT_INVALID_ADDRESS;
    rs_script_error error;
    u64 available = 0;
    u8* at = resolve(address, size, true, error, available);
    if (at == nullptr)
        return error;
    if (size == 8)
        exchange_as<u64>(at, expected, desired);
    else
        exchange_as<u32>(at, expected, desired);
    return RS_SCRIPT_OK;
}

u32 ScriptMemory::read_some(u64 address, void* to, u32 limit) {
    if (is_window(address)) {
        rs_script_error error;
        u64 available = 0;
        const u8* from = resolve(address, 1, false, error, available);
        if (from == nullptr)
            return 0;
        const u32 count = available < limit ? static_cast<u32>(available) : limit;
        load(from, to, count);
        return count;
    }
    const u64 to_page_end = kPageSize - (address & kPageMask);
    const u32 count = to_page_end < limit ? static_cast<u32>(to_page_end) : limit;
    return guest_.read_memory(Gva{address}, to, count) ? count : 0;
}

}  // namespace ringside::script
