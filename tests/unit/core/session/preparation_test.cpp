// SPDX-License-Identifier: GPL-3.0-or-later
// A machine becomes a debuggee, or stays what it was (MOD-3): memory that runs out at any moment,
// and a root mode that says no.
#include "session/preparation.hpp"

#include "support/fake_kernel.hpp"

namespace ringside {
namespace {

using debug::LinkOperation;
using test::FakeKernel;

struct Prepared : testing::Test {
    Prepared() {
        EXPECT_EQ(kernel->load(), u32{RS_OK});
        before = sizes();
    }
    void add_symbols() {
        EXPECT_EQ(session().begin_symbols(), u32{RS_OK});
        EXPECT_EQ(session().add_symbol(0x1000, 'T', nullptr, "start"), u32{RS_OK});
        EXPECT_EQ(session().end_symbols(), u32{RS_OK});
    }
    /// Nothing is taken, and nothing refers to what was.
    void expect_as_before() {
        EXPECT_EQ(sizes(), before);
        EXPECT_FALSE(session().preparation.is_debuggee());
        EXPECT_FALSE(session().preparation.is_polled());
        EXPECT_EQ(kernel->prepare(0), u32{RS_ERR_NO_DEBUGGER});
        session().preparation.tend();
        session().preparation.end();
        Preparation::EventWork work{session().preparation};
    }
    Session& session() { return *kernel->session; }
    /// Of the pieces that are taken; where they are changes with each publication.
    std::vector<u64> sizes() const {
        std::vector<u64> result;
        for (const auto& [at, bytes] : kernel->live)
            result.push_back(bytes);
        std::sort(result.begin(), result.end());
        return result;
    }

    std::unique_ptr<FakeKernel> kernel = std::make_unique<FakeKernel>();
    std::vector<u64> before;
};

TEST_F(Prepared, TakesAllThatRootModeIsGoingToNeed) {
    debug::Debugger* seen = nullptr;
    kernel->link = [&](LinkOperation operation, debug::Debugger& debugger) {
        if (operation == LinkOperation::kOpen) {
            seen = &debugger;
            const debug::Setup& setup = debugger.setup;
            EXPECT_EQ(setup.kind, u32{RS_LINK_SERIAL});
            EXPECT_EQ(setup.port, 0x3f8);
            EXPECT_EQ(setup.irq, 4u);
            EXPECT_EQ(setup.baud, 115200u);
            EXPECT_EQ(setup.receive.size(), debug::Debugger::kReceiveBytes);
            EXPECT_EQ(setup.request.size(), 2 * debug::Debugger::kRequestBytes);
            EXPECT_EQ(setup.engine, &session().engine());
            EXPECT_EQ(setup.registry, &session().registry());
            EXPECT_EQ(setup.reserve->free_bytes(), 8 * event::Reserve::kChunkBytes);
            EXPECT_NE(setup.consumers, nullptr);
            EXPECT_FALSE(setup.symbols);
        }
        return u64{RS_OK};
    };
    EXPECT_EQ(kernel->prepare(), u32{RS_OK});
    EXPECT_TRUE(session().preparation.is_debuggee());
    EXPECT_TRUE(session().preparation.is_polled());  // that root mode took the interrupt over
    ASSERT_NE(seen, nullptr);
    EXPECT_EQ(kernel->prepare(), u32{RS_ERR_DEBUGGER_MODE});
    EXPECT_TRUE(session().preparation.is_debuggee());
    EXPECT_EQ(kernel->prepare(0), u32{RS_OK});
    expect_as_before();
}

TEST_F(Prepared, IsUndoneWhereverMemoryRunsOut) {
    u32 failures = 0;
    for (int count = 0;; ++count) {
        kernel->allocations = count;
        const u32 error = kernel->prepare();
        kernel->allocations = -1;
        if (error == RS_OK)
            break;
        EXPECT_EQ(error, u32{RS_ERR_CANNOT_CREATE}) << count;
        expect_as_before();
        ++failures;
        ASSERT_LT(count, 100);
    }
    // 7 pieces, two of each core's ring, and as much reserve as a halted machine cannot do without.
    EXPECT_EQ(failures, 7u + 2 * FakeKernel::kCores + 4);
    EXPECT_EQ(kernel->prepare(0), u32{RS_OK});
    expect_as_before();
}

TEST_F(Prepared, IsUndoneWhenRootModeSaysNo) {
    for (const u32 error : {RS_ERR_NO_PORT, RS_ERR_PORT_IN_USE, RS_ERR_NO_SHARED_MEMORY}) {
        kernel->link = [&](LinkOperation operation, debug::Debugger&) {
            EXPECT_EQ(operation, LinkOperation::kOpen);
            return u64{error};
        };
        EXPECT_EQ(kernel->prepare(), error);
        expect_as_before();
    }
    // The same machine can be one the next time.
    kernel->link = [](LinkOperation, debug::Debugger&) { return u64{RS_OK}; };
    EXPECT_EQ(kernel->prepare(), u32{RS_OK});
    EXPECT_EQ(kernel->prepare(0), u32{RS_OK});
    expect_as_before();
}

TEST_F(Prepared, IsUndoneOnACoreThatRootModeDoesNotHave) {
    EXPECT_TRUE(session().cpu_offline(0) == RS_OK);
    EXPECT_EQ(kernel->prepare(), u32{RS_ERR_BAD_CORE});
    expect_as_before();
}

TEST_F(Prepared, RefusesWhatItCannotBe) {
    rs_prepare request = {};
    request.kind = RS_LINK_SHARED_MEMORY;
    EXPECT_EQ(session().prepare(request, {}, {}), u32{RS_ERR_NO_SHARED_MEMORY});
    const auto refused = [&](auto change) {
        rs_prepare bad = {};
        bad.kind = RS_LINK_SERIAL;
        bad.port = 0x3f8;
        bad.baud = 9600;
        change(bad);
        return session().prepare(bad, {}, {});
    };
    EXPECT_EQ(refused([](rs_prepare& bad) { bad.kind = RS_LINK_SHARED_MEMORY + 1; }),
              u32{RS_ERR_BAD_IMAGE});
    EXPECT_EQ(refused([](rs_prepare& bad) { bad.port = 0; }), u32{RS_ERR_BAD_IMAGE});
    EXPECT_EQ(refused([](rs_prepare& bad) { bad.port = 0xfff9; }), u32{RS_ERR_BAD_IMAGE});
    EXPECT_EQ(refused([](rs_prepare& bad) { bad.irq = 16; }), u32{RS_ERR_BAD_IMAGE});
    EXPECT_EQ(refused([](rs_prepare& bad) { bad.baud = 1; }), u32{RS_ERR_BAD_IMAGE});
    EXPECT_EQ(refused([](rs_prepare& bad) { bad.reserved[1] = 1; }), u32{RS_ERR_BAD_IMAGE});
    expect_as_before();
}

/// The tables that map the memory stay until the vmm is unloaded, and serve the next link.
TEST_F(Prepared, SharedMemoryIsMappedOnceALoad) {
    kernel->allocations = 7 + 2 * int{FakeKernel::kCores} + 8;  // the tables find no page
    EXPECT_EQ(kernel->prepare(RS_LINK_SHARED_MEMORY), u32{RS_ERR_CANNOT_CREATE});
    kernel->allocations = -1;
    EXPECT_FALSE(session().preparation.is_debuggee());
    EXPECT_EQ(kernel->prepare(RS_LINK_SHARED_MEMORY), u32{RS_OK});
    EXPECT_EQ(kernel->prepare(0), u32{RS_OK});
    const usize mapped = kernel->live.size();
    EXPECT_GE(mapped, before.size());
    EXPECT_EQ(kernel->prepare(RS_LINK_SHARED_MEMORY), u32{RS_OK});
    EXPECT_EQ(kernel->prepare(0), u32{RS_OK});
    EXPECT_EQ(kernel->live.size(), mapped);
}

/// Names belong to root mode for as long as there is a debuggee, and not after one that was none.
TEST_F(Prepared, NamesAreNotTakenByALinkThatDoesNotOpen) {
    add_symbols();
    kernel->link = [](LinkOperation, debug::Debugger& debugger) {
        EXPECT_TRUE(debugger.setup.symbols);
        return u64{RS_ERR_NO_PORT};
    };
    EXPECT_EQ(kernel->prepare(), u32{RS_ERR_NO_PORT});
    add_symbols();  // anew, as before each preparation
    kernel->link = [](LinkOperation, debug::Debugger&) { return u64{RS_OK}; };
    EXPECT_EQ(kernel->prepare(), u32{RS_OK});
    EXPECT_EQ(session().begin_symbols(), u32{RS_ERR_DEBUGGER_MODE});
    EXPECT_EQ(kernel->prepare(), u32{RS_ERR_DEBUGGER_MODE});
    EXPECT_EQ(session().begin_symbols(), u32{RS_ERR_DEBUGGER_MODE});
    EXPECT_EQ(kernel->prepare(0), u32{RS_OK});
    EXPECT_EQ(session().begin_symbols(), u32{RS_OK});
    session().drop_symbols();
    expect_as_before();
}

TEST_F(Prepared, TendingMakesUpForWhatWasTakenOfTheReserve) {
    event::Reserve* reserve = nullptr;
    u32 looks = 0;
    kernel->link = [&](LinkOperation operation, debug::Debugger& debugger) {
        reserve = debugger.setup.reserve;
        looks += operation == LinkOperation::kTend;
        return u64{RS_OK};
    };
    EXPECT_EQ(kernel->prepare(), u32{RS_OK});
    session().preparation.tend();
    EXPECT_EQ(looks, 1u);
    EXPECT_EQ(reserve->chunk_count(), 8u);
    std::vector<void*> taken;
    for (u32 i = 0; i < 7; ++i)
        taken.push_back(reserve->allocate(event::Reserve::kChunkBytes));
    session().preparation.tend();
    EXPECT_EQ(reserve->chunk_count(), 9u);
    kernel->allocations = 0;  // or not
    session().preparation.tend();
    kernel->allocations = -1;
    EXPECT_EQ(reserve->chunk_count(), 9u);
    for (void* piece : taken)
        reserve->release(piece, event::Reserve::kChunkBytes);
    EXPECT_EQ(kernel->prepare(0), u32{RS_OK});
    expect_as_before();
}

/// Blocks of guest context's that root mode let go of while the machine was halted.
TEST_F(Prepared, TendingGivesBackWhatRootModeLetGoOf) {
    debug::Debugger* debugger = nullptr;
    kernel->link = [&](LinkOperation, debug::Debugger& given) {
        debugger = &given;
        return u64{RS_OK};
    };
    EXPECT_EQ(kernel->prepare(), u32{RS_OK});
    const auto prepared = kernel->live;
    RootMemory& memory = session().hypervisor.memory();
    void* const mine = memory.allocate(3 * kPageSize);
    void* const user = memory.allocate_for_user(kPageSize);
    auto* const last =
        ::new (user) debug::Leftover{.next = nullptr, .bytes = kPageSize, .is_for_user = true};
    debugger->leftovers() =
        ::new (mine) debug::Leftover{.next = last, .bytes = 3 * kPageSize, .is_for_user = false};
    session().preparation.tend();
    EXPECT_EQ(debugger->leftovers(), nullptr);
    EXPECT_EQ(kernel->live, prepared);
    EXPECT_EQ(kernel->prepare(0), u32{RS_OK});
    expect_as_before();
}

TEST_F(Prepared, EventsAreLeftToGuestContextWhileItIsAtThem) {
    debug::Debugger* debugger = nullptr;
    kernel->link = [&](LinkOperation, debug::Debugger& given) {
        debugger = &given;
        return u64{RS_OK};
    };
    EXPECT_EQ(kernel->prepare(), u32{RS_OK});
    EXPECT_EQ(debugger->guest_works(), 0u);
    {
        Preparation::EventWork work{session().preparation};
        EXPECT_EQ(debugger->guest_works(), 1u);
    }
    EXPECT_EQ(debugger->guest_works(), 0u);
    EXPECT_EQ(kernel->prepare(0), u32{RS_OK});
}

/// Root mode lets go of the link wherever it still runs, before its memory goes.
TEST_F(Prepared, TheLinkIsLetGoFromAnotherCoreIfItMustBe) {
    std::vector<LinkOperation> asked;
    kernel->link = [&](LinkOperation operation, debug::Debugger&) {
        asked.push_back(operation);
        return u64{RS_OK};
    };
    EXPECT_EQ(kernel->prepare(), u32{RS_OK});
    EXPECT_EQ(session().cpu_offline(0), u32{RS_OK});
    session().preparation.end();
    EXPECT_EQ(asked, (std::vector{LinkOperation::kOpen, LinkOperation::kClose}));
    expect_as_before();
}

TEST_F(Prepared, UnloadingEndsIt) {
    std::vector<LinkOperation> asked;
    kernel->link = [&](LinkOperation operation, debug::Debugger&) {
        asked.push_back(operation);
        return u64{RS_OK};
    };
    add_symbols();
    EXPECT_EQ(kernel->prepare(RS_LINK_SHARED_MEMORY), u32{RS_OK});
    EXPECT_EQ(session().unload(), u32{RS_OK});
    EXPECT_EQ(asked, (std::vector{LinkOperation::kOpen, LinkOperation::kClose}));
    EXPECT_TRUE(kernel->live.empty());
    EXPECT_FALSE(session().preparation.is_debuggee());
    // What was mapped is mapped anew.
    EXPECT_EQ(kernel->load(), u32{RS_OK});
    before = sizes();
    EXPECT_EQ(kernel->prepare(RS_LINK_SHARED_MEMORY), u32{RS_OK});
    EXPECT_GT(sizes().size(), before.size());
    EXPECT_EQ(session().unload(), u32{RS_OK});
    EXPECT_TRUE(kernel->live.empty());
}

/// The whole load, memory running out anywhere.
TEST(Load, IsUndoneWhereverMemoryRunsOut) {
    for (int count = 0;; count += count < 20 ? 1 : 7) {
        FakeKernel kernel;
        kernel.allocations = count;
        const u32 error = kernel.load();
        if (error == RS_OK) {
            EXPECT_EQ(kernel.session->unload(), u32{RS_OK});
            EXPECT_TRUE(kernel.live.empty());
            EXPECT_GT(count, 20);
            break;
        }
        EXPECT_TRUE(kernel.live.empty()) << count;
        ASSERT_LT(count, 1000);
    }
}

}  // namespace
}  // namespace ringside
