// SPDX-License-Identifier: GPL-3.0-or-later
// The kernel that loads the core, without a processor below it: memory that counts what is taken of
// it and can run out, and a vendor whose root mode answers what the test says.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "session/session.hpp"
#include "support/fake_processor.hpp"
#include "x86/msr.hpp"

namespace ringside::test {

/// One at a time: the platform's functions have no context.
class FakeKernel final : public vcpu::Vendor {
public:
    static constexpr u64 kRamBytes = u64{1} << 27;
    static constexpr u64 kRamStart = 0x20'0000;
    static constexpr u32 kCores = 2;

    FakeKernel() {
        current_ = this;
        memory_ = static_cast<u8*>(mmap(nullptr, kRamBytes + kAlignment, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
        EXPECT_NE(memory_, MAP_FAILED);
        ram_ = reinterpret_cast<u8*>(align_up(reinterpret_cast<u64>(memory_), kAlignment));
        next_ = ram_;
        processor.msrs[x86::IA32_APIC_BASE] = 0xfee0'0900;
        platform.allocate = [](__u64 bytes) { return current_->allocate(bytes); };
        platform.release = [](void* at, __u64 bytes) { current_->release(at, bytes); };
        platform.log = [](int, const char* text) { current_->log += text; };
        platform.run_on = [](__u32 core, void (*function)(void*), void* argument) {
            current_->cpu = core;
            function(argument);
            current_->cpu = 0;
            return 0;
        };
        platform.run_here = [](void (*function)(void*), void* argument) { function(argument); };
        platform.this_cpu = [] { return current_->cpu; };
        platform.core_online = [](__u32) { return 1; };
        platform.pid_exists = [](__u32) { return 1; };
        platform.realtime_ns = [] { return __u64{0}; };
        platform.relax = [] {};
        platform.wait_for_nmi_handlers = [] {};
        processor.cr[3] = kRamStart + static_cast<u64>(take(kPageSize) - ram_);
        facts->direct_map = reinterpret_cast<u64>(ram_) - kRamStart;
        facts->tsc_khz = 1'000'000;
        facts->core_count = kCores;
        facts->current_slot = slots_;
        facts->kernel_gs = slots_;
        facts->ram_count = 1;
        facts->ram[0] = {kRamStart, kRamStart + kRamBytes};
    }
    ~FakeKernel() {
        munmap(memory_, kRamBytes + kAlignment);
        current_ = nullptr;
    }
    FakeKernel(const FakeKernel&) = delete;
    FakeKernel& operator=(const FakeKernel&) = delete;

    u32 load() {
        rs_load request = {};
        request.size = sizeof request;
        request.abi = RS_ABI_VERSION;
        request.msg_ring_kb = 64;
        return session->load(*this, platform, *facts, request);
    }
    u32 prepare(u32 kind = RS_LINK_SERIAL) {
        rs_prepare request = {};
        request.size = sizeof request;
        request.kind = kind;
        request.port = kind == 0 || kind == RS_LINK_SHARED_MEMORY ? 0 : 0x3f8;
        request.baud = 115200;
        request.irq = 4;
        return session->prepare(request, {.address = u64{1} << 33, .bytes = 0x10'0000}, {});
    }

    /// Pieces taken by now and not given back: address, bytes.
    std::map<void*, u64> live;
    /// Allocations fail once so many more have succeeded; negative: never.
    int allocations = -1;
    u32 cpu = 0;
    std::string log;
    /// What root mode says to a request about the link.
    std::function<u64(debug::LinkOperation, debug::Debugger&)> link =
        [](debug::LinkOperation, debug::Debugger&) { return u64{RS_OK}; };

    FakeProcessor processor;
    rs_platform platform = {};
    std::unique_ptr<rs_kernel_facts> facts = std::make_unique<rs_kernel_facts>();
    std::unique_ptr<Session> session = std::make_unique<Session>();

    // vcpu::Vendor
    Result<void> probe() override { return {}; }
    Result<void> prepare_machine(vcpu::LaunchContext&) override { return {}; }
    Result<void> hide(vcpu::LaunchContext&, Hpa) override { return {}; }
    Result<void> prepare_core(vcpu::LaunchContext&, vcpu::VcpuBlock&) override { return {}; }
    bool launch(vcpu::LaunchContext&, vcpu::VcpuBlock&) override { return true; }
    u64 hypercall(vcpu::Hypercall operation, u64 a, u64 b) override {
        switch (operation) {
            case vcpu::Hypercall::kPing:
                return vcpu::kPingAnswer + cpu;
            case vcpu::Hypercall::kDevirtualize:
                return vcpu::kLeft;
            case vcpu::Hypercall::kLink:
                return link(debug::LinkOperation(a), *reinterpret_cast<debug::Debugger*>(b));
            case vcpu::Hypercall::kAdopt:
                for (u32 core = 0; core < kCores; ++core)
                    adopt(core);
                return 0;
            default:
                ADD_FAILURE() << "hypercall " << u64(operation);
                return 0;
        }
    }

    void left() override {}
    void release_machine(vcpu::LaunchContext&) override {}

private:
    static constexpr u64 kAlignment = 0x20'0000;

    /// As if root mode had taken over what was published.
    void adopt(u32 core) {
        event::Engine& engine = session->engine();
        const s64 delta = session->hypervisor.memory().root_delta();
        auto* const slot = engine.core(core).in_guest(delta)->slot;
        RootPointer<event::CoreSlot>::from_root(slot).in_guest(delta)->adopted =
            engine.generation();
    }
    u8* take(u64 bytes) {
        u64 alignment = kPageSize;
        while (alignment < bytes)
            alignment *= 2;
        u8* const at = ram_ + align_up(static_cast<u64>(next_ - ram_), alignment);
        if (at + bytes > ram_ + kRamBytes)
            return nullptr;
        next_ = at + bytes;
        return at;
    }
    void* allocate(u64 bytes) {
        if (allocations == 0)
            return nullptr;
        allocations -= allocations > 0;
        void* const at = take(bytes);
        EXPECT_NE(at, nullptr) << "this kernel has too little RAM";
        if (at != nullptr)
            live[at] = bytes;
        return at;
    }
    void release(void* at, u64 bytes) {
        const auto found = live.find(at);
        ASSERT_NE(found, live.end()) << "given back twice, or never taken";
        EXPECT_EQ(found->second, bytes);
        live.erase(found);
        madvise(at, bytes, MADV_DONTNEED);
    }

    static inline FakeKernel* current_ = nullptr;
    u8* memory_ = nullptr;
    u8* ram_ = nullptr;
    u8* next_ = nullptr;
    __u64 slots_[kCores] = {kRamStart, kRamStart};
};

}  // namespace ringside::test
