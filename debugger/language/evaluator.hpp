// SPDX-License-Identifier: GPL-3.0-or-later
// Runs a script inside the debugger: nothing attached, tests, `ringside script run`. Script
// language sections 1 and 20.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "language/compiler.hpp"
#include "language/executable.hpp"
#include "script/globals.hpp"
#include "script/guest_access.hpp"
#include "script/vm.hpp"

namespace ringside::language {

/// A guest that is not there: registers are 0 and keep what is written, no memory is mapped.
class ScratchGuest : public script::GuestAccess {
public:
    virtual ~ScratchGuest() = default;
    u64 read_register(script::FullRegister which) override { return registers_[which]; }
    bool write_register(script::FullRegister which, u64 value) override {
        registers_[which] = value;
        return true;
    }
    bool read_memory(Gva, void*, usize) override { return false; }
    bool write_memory(Gva, const void*, usize) override { return false; }
    bool read_physical(Gpa, void*, usize) override { return false; }
    bool write_physical(Gpa, const void*, usize) override { return false; }
    bool compare_exchange(Gva, u32, u64&, u64) override { return false; }
    bool translate(Gva, Gpa&) override { return false; }
    u64 physical_to_virtual(Gpa) override { return 0; }
    bool inject(const script::Injection&) override { return false; }
    u64 task_value(script::TaskValue) override { return 0; }
    u64 tsc() override;
    u32 core() override { return 0; }

private:
    u64 registers_[RS_FULL_REGISTER_COUNT] = {};
};

struct EvaluateOptions {
    std::string file_name;
    const SymbolResolver* symbols = nullptr;
    bool machine_code = true;  ///< else the interpreter runs it
    bool in_event = false;     ///< as an event's script
    u64 budget = RS_SCRIPT_EVALUATE_BUDGET;
    const volatile u32* stop = nullptr;  ///< not 0: end the run (Ctrl+C)
};

struct EvaluateOutput {
    bool ok = false;  ///< compiled, and ran to its end
    CompileOutput compiled;
    script::RunResult result;
    std::string text;   ///< printed
    std::string error;  ///< why not ok: messages of the compiler, or the run-time error

    bool has_value() const { return ok && result.has_value; }
    u64 value() const { return result.last_value; }
};

/// Holds the global variables of a session that has no hypervisor behind it.
class Evaluator {
public:
    Evaluator();
    ~Evaluator();
    Evaluator(const Evaluator&) = delete;
    Evaluator& operator=(const Evaluator&) = delete;

    /// Compiles `text`, runs it once over `guest`.
    EvaluateOutput evaluate(std::string_view text, script::GuestAccess& guest,
                            const EvaluateOptions& options = {});
    /// Runs what evaluate() compiled last once more, under the same limits, and drops what it
    /// prints.
    script::RunResult run_again(script::GuestAccess& guest);
    const std::vector<KnownGlobal>& known_globals() const { return known_globals_; }
    /// Their values stay.
    void forget_globals() { known_globals_.clear(); }

private:
    struct Memory;
    script::RunResult run(script::GuestAccess& guest, script::EventHooks& hooks);
    std::unique_ptr<Memory> memory_;
    std::vector<u8> image_;       ///< the last one
    Executable executable_;       ///< made of it
    script::RunContext context_;  ///< it runs with
    std::vector<KnownGlobal> known_globals_;
};

}  // namespace ringside::language
