// SPDX-License-Identifier: GPL-3.0-or-later
// A guest for scripts in tests: registers in an array, memory in areas placed anywhere, a clock
// that the test moves.
#pragma once

#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "base/bits.hpp"
#include "script/environment.hpp"
#include "script/guest_access.hpp"

namespace ringside::test {

class ScriptGuest : public script::GuestAccess {
public:
    virtual ~ScriptGuest() = default;

    /// Maps `bytes` at `address` and zeroes up to the end of the page; readable, and writable
    /// unless told otherwise.
    void map(u64 address, std::vector<u8> bytes, bool is_writable = true) {
        bytes.resize(align_up(address + bytes.size(), kPageSize) - address);
        areas_[address] = {std::move(bytes), is_writable};
    }
    void map(u64 address, const std::string& text) {
        map(address, std::vector<u8>{text.begin(), text.end()});
    }
    /// The bytes of an area, for what a script wrote.
    std::vector<u8>& area(u64 address) { return areas_.at(address).bytes; }
    void refuse_writes_of(script::FullRegister which) { refused_.push_back(which); }

    u64 registers[RS_FULL_REGISTER_COUNT] = {};
    std::map<script::TaskValue, u64> task;
    std::vector<script::Injection> injections;
    usize most_injections = 2;
    u64 clock = 0;
    u64 ticks_a_look = 1;
    u32 core_number = 0;
    u64 physical_offset = 0xffff'8880'0000'0000;  ///< virtual = physical + this

    u64 read_register(script::FullRegister which) override { return registers[which]; }
    bool write_register(script::FullRegister which, u64 value) override {
        for (const auto refused : refused_)
            if (refused == which)
                return false;
        registers[which] = value;
        return true;
    }
    bool read_memory(Gva from, void* to, usize count) override {
        return transfer(from.value(), count, false, [&](u8* at, usize offset, usize n) {
            std::memcpy(static_cast<u8*>(to) + offset, at, n);
        });
    }
    bool write_memory(Gva to, const void* from, usize count) override {
        return transfer(to.value(), count, true, [&](u8* at, usize offset, usize n) {
            std::memcpy(at, static_cast<const u8*>(from) + offset, n);
        });
    }
    bool read_physical(Gpa from, void* to, usize count) override {
        return read_memory(Gva{from.value() + physical_offset}, to, count);
    }
    bool write_physical(Gpa to, const void* from, usize count) override {
        return write_memory(Gva{to.value() + physical_offset}, from, count);
    }
    bool compare_exchange(Gva address, u32 size, u64& expected, u64 desired) override {
        u64 old = 0;
        if (!read_memory(address, &old, size) || !write_memory(address, &old, size))
            return false;
        if (old == expected)
            write_memory(address, &desired, size);
        expected = old;
        return true;
    }
    bool inject(const script::Injection& event) override {
        if (injections.size() == most_injections)
            return false;
        injections.push_back(event);
        return true;
    }
    bool translate(Gva address, Gpa& physical) override {
        u8 byte = 0;
        if (!read_memory(address, &byte, 1))
            return false;
        physical = Gpa{address.value() - physical_offset};
        return true;
    }
    u64 physical_to_virtual(Gpa address) override { return address.value() + physical_offset; }
    u64 task_value(script::TaskValue which) override { return task[which]; }
    u64 tsc() override { return clock += ticks_a_look; }
    u32 core() override { return core_number; }

private:
    struct Area {
        std::vector<u8> bytes;
        bool is_writable;
    };

    /// Calls `step` for each piece of the range, if all of it is there.
    template <class Step>
    bool transfer(u64 address, usize count, bool to_write, Step step) {
        for (const bool is_dry : {true, false}) {
            for (usize done = 0; done < count;) {
                const u64 at = address + done;
                auto next = areas_.upper_bound(at);
                if (next == areas_.begin())
                    return false;
                auto& [start, area] = *--next;
                if (at - start >= area.bytes.size() || (to_write && !area.is_writable))
                    return false;
                const usize n = std::min(count - done, area.bytes.size() - (at - start));
                if (!is_dry)
                    step(area.bytes.data() + (at - start), done, n);
                done += n;
            }
        }
        return true;
    }

    std::map<u64, Area> areas_;
    std::vector<script::FullRegister> refused_;
};

/// Records what a script does to the debugger.
class RecordingHooks : public script::EventHooks {
public:
    virtual ~RecordingHooks() = default;
    std::string text;
    std::vector<std::string> calls;  ///< "enable 3", "sc 1" ...

    void emit(const char* bytes, usize length) override { text.append(bytes, length); }
    bool event_enable(u64 id) override { return record("enable", id); }
    bool event_disable(u64 id) override { return record("disable", id); }
    bool event_clear(u64 id) override { return record("clear", id); }
    void event_sc(bool skip) override { record("sc", skip); }
    void flush() override { calls.emplace_back("flush"); }
    void pause() override { calls.emplace_back("pause"); }

private:
    bool record(const char* what, u64 id) {
        calls.push_back(std::string{what} + ' ' + std::to_string(id));
        return true;
    }
};

}  // namespace ringside::test
