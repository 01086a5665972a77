// SPDX-License-Identifier: GPL-3.0-or-later
// What root mode has in assembly, for tests of the code around it. There is no interrupt to take,
// without a FakeProcessor every MSR raises #GP, and a machine that stops ends the test with its
// last words (death tests work).
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "sandbox/sandbox.hpp"
#include "support/fake_processor.hpp"
#include "vcpu/emergency_log.hpp"

using ringside::test::FakeProcessor;

extern "C" {
ringside::s32 rs_take_interrupt();
ringside::s32 rs_halt(const ringside::u32* nmi_count, ringside::u32 nmi_seen);
void rs_wait_for_nmi(const ringside::u32* nmi_count, ringside::u32 nmi_seen);
int rs_safe_read_msr(ringside::u32 msr, ringside::u64* value);
int rs_safe_write_msr(ringside::u32 msr, ringside::u64 value);
int rs_safe_xsetbv(ringside::u32 index, ringside::u64 value);
void rs_open_nmis();
int rs_safe_read_counter(ringside::u32 counter, ringside::u64* value);
void rs_sandbox_enter(ringside::sandbox::Entry* entry);
extern const ringside::u8 rs_sandbox_left[];
const ringside::u8 rs_sandbox_left[1] = {};
extern const ringside::u8 rs_host_stubs[];
const ringside::u8 rs_host_stubs[1] = {};

int rs_safe_read_counter(ringside::u32, ringside::u64*) {
    return -1;
}
void rs_sandbox_enter(ringside::sandbox::Entry* entry) {
    FakeProcessor* const processor = FakeProcessor::current();
    ASSERT_TRUE(processor && processor->on_user_code) << "user code without a processor";
    processor->on_user_code(*entry);
}
ringside::s32 rs_take_interrupt() {
    return -1;
}
ringside::s32 rs_halt(const ringside::u32*, ringside::u32) {
    return -1;
}
void rs_wait_for_nmi(const ringside::u32* nmi_count, ringside::u32 nmi_seen) {
    FakeProcessor* const processor = FakeProcessor::current();
    if (processor && processor->on_wait_for_nmi)
        processor->on_wait_for_nmi(nmi_count, nmi_seen);
}
int rs_safe_read_msr(ringside::u32 msr, ringside::u64* value) {
    FakeProcessor* const processor = FakeProcessor::current();
    if (!processor || !processor->msrs.contains(msr))
        return -1;
    *value = processor->msrs[msr];
    return 0;
}
int rs_safe_write_msr(ringside::u32 msr, ringside::u64 value) {
    FakeProcessor* const processor = FakeProcessor::current();
    if (!processor || !processor->msrs.contains(msr))
        return -1;
    processor->msrs[msr] = value;
    return 0;
}
int rs_safe_xsetbv(ringside::u32 index, ringside::u64 value) {
    FakeProcessor* const processor = FakeProcessor::current();
    if (!processor || index != 0 || !(value & 1) || (value & ~processor->xcr0_allowed))
        return -1;
    processor->xcr0 = value;
    return 0;
}
void rs_open_nmis() {
    if (FakeProcessor* const processor = FakeProcessor::current())
        ++processor->nmi_openings;
}
}

namespace ringside::vcpu {

namespace {

[[noreturn]] void end(const char* how) {
    if (const FakeProcessor* const processor = FakeProcessor::current())
        std::fputs(processor->debug_port.c_str(), stderr);
    std::fprintf(stderr, "the machine was %s\n", how);
    std::abort();
}

}  // namespace

void stop_machine() {
    end("stopped");
}
void reset_machine() {
    end("reset");
}

}  // namespace ringside::vcpu
