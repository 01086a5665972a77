// SPDX-License-Identifier: GPL-3.0-or-later
// Stands in for the processor that runs user code: the first byte of the code says what becomes of
// the call.
#pragma once

#include <vector>

#include "event/code.hpp"

namespace ringside::test {

class FakeCode final : public event::CodeRunner {
public:
    // First bytes and their ends; any other returns the rax of the entry, 1 (CTX-4).
    static constexpr u8 kZero = 0x31;        ///< returns 0
    static constexpr u8 kBuffer = 0x48;      ///< returns the buffer's address
    static constexpr u8 kBreakpoint = 0xcc;  ///< faults with #BP
    static constexpr u8 kBadAddress = 0xa1;  ///< faults with #PF at 0x1234, offset 2
    static constexpr u8 kLoop = 0xeb;        ///< never ends

    struct Call {
        std::vector<u8> bytes;  ///< with the byte appended by the registry
        bool is_condition;
        u64 buffer;
        u64 context;
    };
    std::vector<Call> calls;
    bool returns_zero = false;  ///< instead of 1

    event::CodeResult run(const event::CodeCall& call) override {
        const u8* const bytes = call.code.bytes.in_root();
        calls.push_back(
            {{bytes, bytes + call.code.length + 1}, call.is_condition, call.buffer, call.context});
        switch (bytes[0]) {
            case kZero:
                return {.value = 0};
            case kBuffer:
                return {.value = call.buffer};
            case kBreakpoint:
                return {.end = event::CodeEnd::kFault, .vector = 3};
            case kBadAddress:
                return {
                    .end = event::CodeEnd::kFault, .vector = 14, .offset = 2, .address = 0x1234};
            case kLoop:
                return {.end = event::CodeEnd::kTimeout};
            default:
                return {.value = returns_zero ? u64{0} : u64{1}};
        }
    }
};

}  // namespace ringside::test
