// SPDX-License-Identifier: GPL-2.0-or-later
// The user's machine code, as conditions and actions, and the seam to what runs it in containment.
// Specification section 4 "Context and code conventions".
#pragma once

#include "base/root_pointer.hpp"
#include "base/types.hpp"
#include "x86/code_traits.hpp"

namespace ringside::event {

/// One piece of code, with a RET (0xc3) behind its last byte and zeroes up to the end of its last
/// page. Pages of its own, physically contiguous, page-aligned; empty: none.
struct Code {
    RootPointer<const u8> bytes;
    u32 length = 0;  ///< as the user gave it, without the appended RET
    x86::CodeTraits traits;
    u16 reserved = 0;

    bool is_empty() const { return length == 0; }
};

/// One call (CTX-2 to CTX-4). A condition gets rcx = registers, rdx = context; an action rcx =
/// buffer, rdx = registers, r8 = context; rax = 1 for both.
struct CodeCall {
    Code code;
    bool is_condition = false;
    u64 buffer = 0;  ///< guest virtual address of the safe buffer, 0 if there is none
    u64 context = 0;
    u64 deadline_tsc = ~u64{0};  ///< what goes on beyond it is ended (CTX-10)
};

enum class CodeEnd : u8 {
    kReturned,  ///< the registers were written back
    kFault,     ///< an exception ended it; nothing was written back
    kTimeout,   ///< its time ended it; nothing was written back
};

struct CodeResult {
    CodeEnd end = CodeEnd::kReturned;
    u8 vector = 0;  ///< kFault: of the exception
    u32 error_code = 0;
    u64 value = 0;    ///< kReturned: rax
    u64 offset = 0;   ///< of the instruction that did not end, from the code's first byte; outside
                      ///< of the code it wraps
    u64 address = 0;  ///< kFault by #PF: CR2
};

/// Runs user code against one guest context. Root mode, own core, interrupts off.
class CodeRunner {
public:
    virtual CodeResult run(const CodeCall& call) = 0;

protected:
    ~CodeRunner() = default;
};

}  // namespace ringside::event
