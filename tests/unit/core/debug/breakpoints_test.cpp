// SPDX-License-Identifier: GPL-3.0-or-later
// Breakpoints over a guest with processes: the table, the bytes in its memory, and whose hit an
// INT3 is.
#include "debug/breakpoints.hpp"

#include "support/inspected_machine.hpp"

namespace ringside::debug {
namespace {

constexpr u8 kInt3 = 0xcc, kNop = 0x90, kCode = 0x55;

struct BreakpointTable : test::InspectedMachine {
    BreakpointTable() {
        guest.map(kFirst, test::kReadOnly);
        guest.map(kSecond, test::kReadOnly);
        std::memset(guest.at(kFirst), kCode, kPageSize);
        std::memset(guest.at(kSecond), kNop, kPageSize);
        registers.rcx = 0;
    }

    u32 set(rs_breakpoint& request) {
        request.operation = RS_BREAKPOINT_SET;
        return table->answer(vcpu, request);
    }
    /// @return its number
    u32 set(u64 address, u32 pid = RS_ANY, u32 tid = RS_ANY, u32 core = RS_ANY) {
        rs_breakpoint request{
            .address = address, .process_id = pid, .thread_id = tid, .core = core};
        EXPECT_EQ(set(request), u32{RS_OK});
        EXPECT_EQ(request.is_enabled, 1u);
        return request.id;
    }
    u32 error_of(u64 address, u32 pid = RS_ANY) {
        rs_breakpoint request{
            .address = address, .process_id = pid, .thread_id = RS_ANY, .core = RS_ANY};
        return set(request);
    }
    u32 change(u32 operation, u32 id) {
        rs_breakpoint request{.operation = operation, .id = id};
        return table->answer(vcpu, request);
    }
    /// As the list shows it.
    rs_breakpoint show(u32 id) {
        rs_breakpoint request{.operation = RS_BREAKPOINT_NEXT, .id = id};
        EXPECT_EQ(table->answer(vcpu, request), u32{RS_OK});
        return request;
    }
    BreakpointHit hit(u64 address, u32* id = nullptr) {
        u32 which = 0;
        const BreakpointHit hit = table->judge(vcpu, address, which);
        if (id != nullptr)
            *id = which;
        return hit;
    }
    u8 byte(Gva address) { return *guest.at(address); }

    /// A process whose page at kUser is `page`, and maybe the same one elsewhere.
    struct Process {
        u64 task;
        Hpa root;
    };
    Process add_user(u32 pid, Hpa page, u64 address = kUser.value()) {
        const Hpa root = guest.take_page();
        u64* table_of[4] = {reinterpret_cast<u64*>(guest.host(root))};
        for (u32 level = 4; level > 1; --level) {
            const Hpa next = guest.take_page();
            table_of[4 - level][address >> (12 + 9 * (level - 1)) & 511] =
                next.value() | x86::page::kPresent | test::kUserData;
            table_of[5 - level] = reinterpret_cast<u64*>(guest.host(next));
        }
        table_of[3][address >> 12 & 511] = page.value() | x86::page::kPresent | x86::page::kUser;
        // The kernel's half is every process's.
        std::memcpy(table_of[0] + 256, guest.host(Hpa{guest.paging().cr3}) + 256 * 8, 256 * 8);
        return {add_process(pid, "user", root), root};
    }
    void run(const Process& process) {
        current = process.task;
        backend.registers[RS_FULL_CR3] = process.root.value();
        vcpu.walks = {};
    }

    std::unique_ptr<Breakpoints> table = std::make_unique<Breakpoints>();
    const u64 first = kFirst.value();
};

// ---- the table ----

TEST_F(BreakpointTable, NumbersAreNeverUsedAgain) {
    EXPECT_EQ(set(first), 1u);
    EXPECT_EQ(set(first + 1), 2u);
    EXPECT_EQ(change(RS_BREAKPOINT_CLEAR, 2), u32{RS_OK});
    EXPECT_EQ(set(first + 1), 3u);
    EXPECT_EQ(table->count(), 2u);
}

TEST_F(BreakpointTable, ListsInTheOrderOfNumbers) {
    for (u32 i = 0; i < 3; ++i)
        set(first + i, RS_ANY, 7, 1);
    EXPECT_EQ(change(RS_BREAKPOINT_CLEAR, 1), u32{RS_OK});
    set(first + 9);  // in the first one's place
    const rs_breakpoint second = show(0);
    EXPECT_EQ(second.id, 2u);
    EXPECT_EQ(second.address, first + 1);
    EXPECT_EQ(second.process_id, RS_ANY);
    EXPECT_EQ(second.thread_id, 7u);
    EXPECT_EQ(second.core, 1u);
    EXPECT_EQ(second.is_enabled, 1u);
    EXPECT_EQ(second.hits, 0u);
    EXPECT_EQ(show(3).id, 3u);
    EXPECT_EQ(show(4).id, 4u);
    EXPECT_EQ(change(RS_BREAKPOINT_NEXT, 5), u32{RS_ERR_NO_BREAKPOINT});
}

TEST_F(BreakpointTable, IsDisabledEnabledAndCleared) {
    const u32 id = set(first);
    EXPECT_TRUE(table->is_live(id));
    EXPECT_EQ(change(RS_BREAKPOINT_DISABLE, id), u32{RS_OK});
    EXPECT_FALSE(table->is_live(id));
    EXPECT_EQ(show(id).is_enabled, 0u);
    EXPECT_EQ(table->count(), 0u);
    table->insert(vcpu);
    EXPECT_EQ(byte(kFirst), kCode);
    EXPECT_EQ(change(RS_BREAKPOINT_ENABLE, id), u32{RS_OK});
    table->insert(vcpu);
    EXPECT_EQ(byte(kFirst), kInt3);
    table->remove();
    EXPECT_EQ(change(RS_BREAKPOINT_CLEAR, id), u32{RS_OK});
    EXPECT_FALSE(table->is_live(id));
    EXPECT_FALSE(table->is_live(0));  // a free place is none
    for (const u32 operation : {RS_BREAKPOINT_CLEAR, RS_BREAKPOINT_ENABLE, RS_BREAKPOINT_DISABLE})
        EXPECT_EQ(change(operation, id), u32{RS_ERR_NO_BREAKPOINT});
    EXPECT_EQ(change(RS_BREAKPOINT_CLEAR, 0), u32{RS_ERR_NO_BREAKPOINT});
}

TEST_F(BreakpointTable, RefusesWhatItDoesNotKnow) {
    const u32 id = set(first);
    EXPECT_EQ(change(RS_BREAKPOINT_NEXT + 1, id), u32{RS_ERR_BAD_IMAGE});
    EXPECT_EQ(change(RS_BREAKPOINT_CLEAR, Breakpoints::kTemporary), u32{RS_ERR_NO_BREAKPOINT});
    EXPECT_EQ(error_of(0xffff'c900'dead'0000), u32{RS_ERR_BAD_ADDRESS});
    EXPECT_EQ(error_of(0x8000'0000'0000'0000), u32{RS_ERR_BAD_ADDRESS});  // not canonical
    EXPECT_EQ(error_of(kUser.value()), u32{RS_ERR_BAD_ADDRESS});
    EXPECT_EQ(error_of(kUser.value(), 77), u32{RS_ERR_BAD_PID});
    own(guest.physical(kSecond));
    EXPECT_EQ(error_of(kSecond.value()), u32{RS_ERR_BAD_ADDRESS});  // root mode's
    EXPECT_EQ(set(first + 1), id + 1);  // what was refused has used no number
}

TEST_F(BreakpointTable, TheSameOneTwiceIsRefused) {
    const u32 id = set(first);
    EXPECT_EQ(error_of(first), u32{RS_ERR_BREAKPOINT_EXISTS});
    EXPECT_EQ(change(RS_BREAKPOINT_DISABLE, id), u32{RS_OK});
    EXPECT_EQ(error_of(first), u32{RS_ERR_BREAKPOINT_EXISTS});
    set(first, RS_ANY, RS_ANY, 0);  // for one core: another one
    set(first, RS_ANY, RS_ANY, 1);
}

TEST_F(BreakpointTable, AFullTableStillEndsASteppedCall) {
    for (u32 i = 0; i < RS_MAX_BREAKPOINTS; ++i)
        set(first + i);
    EXPECT_EQ(error_of(first + 100), u32{RS_ERR_TOO_MANY_BREAKPOINTS});
    EXPECT_EQ(table->set_temporary(vcpu, {.address = first + 100, .task = current}), u32{RS_OK});
    EXPECT_EQ(change(RS_BREAKPOINT_CLEAR, 30), u32{RS_OK});
    EXPECT_EQ(set(first + 200), RS_MAX_BREAKPOINTS + 1);
}

// ---- bytes ----

TEST_F(BreakpointTable, TheCodeIsItselfWhileTheMachineStands) {
    set(first);
    set(kSecond.value() - 1);  // the page's last byte
    EXPECT_EQ(byte(kFirst), kCode);
    for (u32 round = 0; round < 2; ++round) {
        table->insert(vcpu);
        table->insert(vcpu);
        EXPECT_EQ(byte(kFirst), kInt3);
        EXPECT_EQ(byte(Gva{first + kPageSize - 1}), kInt3);
        EXPECT_EQ(byte(Gva{first + 1}), kCode);
        table->remove();
        EXPECT_EQ(byte(kFirst), kCode);
        EXPECT_EQ(byte(Gva{first + kPageSize - 1}), kCode);
    }
}

TEST_F(BreakpointTable, WhatTheGuestWroteMeanwhileStays) {
    set(first);
    table->insert(vcpu);
    *guest.at(kFirst) = kNop;
    table->remove();
    EXPECT_EQ(byte(kFirst), kNop);
    table->insert(vcpu);
    *guest.at(kFirst) = 0xe9;
    EXPECT_TRUE(table->lift(vcpu, first));
    EXPECT_EQ(byte(kFirst), 0xe9);
}

TEST_F(BreakpointTable, StaysOutOfAPageThatHasGone) {
    const u32 id = set(first);
    guest.unmap(kFirst);
    table->insert(vcpu);
    EXPECT_EQ(byte(kFirst), kCode);
    EXPECT_EQ(hit(first), BreakpointHit::kNone);
    EXPECT_TRUE(table->is_live(id));
    // Another page is there: it goes into that one.
    guest.map(kFirst, guest.physical(kSecond), test::kReadOnly);
    table->insert(vcpu);
    EXPECT_EQ(byte(kSecond), kInt3);
    table->remove();
    EXPECT_EQ(byte(kSecond), kNop);
}

TEST_F(BreakpointTable, IsLiftedAndPutBack) {
    set(first);
    table->insert(vcpu);
    EXPECT_FALSE(table->lift(vcpu, first + 1));
    EXPECT_TRUE(table->lift(vcpu, first));
    EXPECT_EQ(byte(kFirst), kCode);
    EXPECT_FALSE(table->lift(vcpu, first));
    table->put_back(vcpu);
    EXPECT_EQ(byte(kFirst), kInt3);
    table->clear_all();
    EXPECT_EQ(byte(kFirst), kCode);
    EXPECT_EQ(table->count(), 0u);
}

/// Two at one byte: whichever is taken out first, no INT3 may be left or taken for the code.
TEST_F(BreakpointTable, SeveralAtOneByteShareIt) {
    const u32 on_0 = set(first, RS_ANY, RS_ANY, 0);
    set(first, RS_ANY, RS_ANY, 1);
    table->insert(vcpu);
    EXPECT_EQ(byte(kFirst), kInt3);
    EXPECT_TRUE(table->lift(vcpu, first));
    EXPECT_EQ(byte(kFirst), kCode);
    table->put_back(vcpu);
    table->remove();
    EXPECT_EQ(byte(kFirst), kCode);
    EXPECT_EQ(table->set_temporary(vcpu, {.address = first, .task = current}), u32{RS_OK});
    table->insert(vcpu);
    table->forget_temporary();
    EXPECT_EQ(byte(kFirst), kInt3);
    table->remove();
    EXPECT_EQ(change(RS_BREAKPOINT_CLEAR, on_0), u32{RS_OK});
    table->insert(vcpu);
    table->remove();
    EXPECT_EQ(byte(kFirst), kCode);
}

// ---- hits ----

TEST_F(BreakpointTable, AnInt3OfTheGuestsIsNone) {
    set(first);
    EXPECT_EQ(hit(first), BreakpointHit::kNone);  // not inserted
    table->insert(vcpu);
    EXPECT_EQ(hit(kSecond.value()), BreakpointHit::kNone);
    EXPECT_EQ(hit(0xffff'c900'dead'0000), BreakpointHit::kNone);
}

TEST_F(BreakpointTable, HitsAreCounted) {
    set(first + 1);
    const u32 id = set(first);
    table->insert(vcpu);
    u32 which = 0;
    for (u64 count = 1; count <= 3; ++count) {
        EXPECT_EQ(hit(first, &which), BreakpointHit::kHit);
        EXPECT_EQ(which, id);
        EXPECT_EQ(show(id).hits, count);
    }
}

TEST_F(BreakpointTable, AHitIsOfTheCoreProcessAndThreadThatWasMeant) {
    const u64 process = add_process(100, "one");
    const u64 thread = add_thread(process, 101, "two");
    set(first, RS_ANY, RS_ANY, 2);  // this is core 1
    set(first + 1, RS_ANY, RS_ANY, 1);
    set(first + 2, 100);
    set(first + 3, RS_ANY, 101);
    table->insert(vcpu);
    const auto hits = [&] {
        std::vector<bool> result;
        for (u64 i = 0; i < 4; ++i) {
            const BreakpointHit found = hit(first + i);
            EXPECT_TRUE(found == BreakpointHit::kHit || found == BreakpointHit::kPassed);
            result.push_back(found == BreakpointHit::kHit);
        }
        return result;
    };
    EXPECT_EQ(hits(), (std::vector<bool>{false, true, false, false}));
    current = process;
    EXPECT_EQ(hits(), (std::vector<bool>{false, true, true, false}));
    current = thread;
    EXPECT_EQ(hits(), (std::vector<bool>{false, true, true, true}));
    EXPECT_EQ(show(1).hits, 0u);  // passed is not hit
    EXPECT_EQ(show(4).hits, 1u);
}

TEST_F(BreakpointTable, OneOfSeveralAtTheSamePlaceIsMeant) {
    set(first, RS_ANY, RS_ANY, 0);
    const u32 id = set(first, RS_ANY, RS_ANY, 1);
    table->insert(vcpu);
    u32 which = 0;
    EXPECT_EQ(hit(first, &which), BreakpointHit::kHit);
    EXPECT_EQ(which, id);
    vcpu.core = 2;
    EXPECT_EQ(hit(first), BreakpointHit::kPassed);
}

// ---- steps that end at one ----

TEST_F(BreakpointTable, ATemporaryOneIsOfItsTaskAndDepth) {
    const u64 task = add_process(100, "one"), other = add_process(200, "two");
    current = task;
    EXPECT_EQ(table->temporary(), nullptr);
    EXPECT_EQ(table->set_temporary(vcpu, {.address = first, .task = task, .stack = 0x1000}),
              u32{RS_OK});
    EXPECT_NE(table->temporary(), nullptr);
    table->insert(vcpu);
    backend.registers[RS_FULL_RSP] = 0xff8;  // deeper: a recursion
    EXPECT_EQ(hit(first), BreakpointHit::kPassed);
    backend.registers[RS_FULL_RSP] = 0x1000;
    current = other;
    EXPECT_EQ(hit(first), BreakpointHit::kPassed);
    current = task;
    EXPECT_EQ(hit(first), BreakpointHit::kTemporary);
    table->forget_temporary();
    EXPECT_EQ(table->temporary(), nullptr);
    EXPECT_EQ(byte(kFirst), kCode);
    EXPECT_EQ(change(RS_BREAKPOINT_NEXT, 0), u32{RS_ERR_NO_BREAKPOINT});
}

TEST_F(BreakpointTable, OnlyOneIsTemporaryAndItsAddressIsLookedAt) {
    EXPECT_EQ(table->set_temporary(vcpu, {.address = first, .task = current}), u32{RS_OK});
    EXPECT_EQ(table->set_temporary(vcpu, {.address = kSecond.value(), .task = current}),
              u32{RS_OK});
    table->insert(vcpu);
    EXPECT_EQ(byte(kFirst), kCode);
    EXPECT_EQ(byte(kSecond), kInt3);
    table->remove();
    EXPECT_EQ(table->set_temporary(vcpu, {.address = 0xffff'c900'dead'0000, .task = current}),
              u32{RS_ERR_BAD_ADDRESS});
    EXPECT_EQ(table->temporary(), nullptr);
}

/// A breakpoint of the user's that is not meant here does not keep the step from ending here.
TEST_F(BreakpointTable, AStepEndsWhereTheUserHasOneForSomebodyElse) {
    const u32 id = set(first, RS_ANY, RS_ANY, 5);
    EXPECT_EQ(table->set_temporary(vcpu, {.address = first, .task = current}), u32{RS_OK});
    table->insert(vcpu);
    EXPECT_EQ(hit(first), BreakpointHit::kTemporary);
    set(first);  // and one that is meant: it is the user's hit
    table->insert(vcpu);
    u32 which = 0;
    EXPECT_EQ(hit(first, &which), BreakpointHit::kHit);
    EXPECT_EQ(which, id + 1);
}

TEST_F(BreakpointTable, ARunEndsInItsProcessOrThread) {  // .process pid, .thread tid
    const u64 one = add_process(100, "one"), two = add_process(200, "two");
    const u64 thread = add_thread(two, 201, "thread");
    set(first, RS_ANY, 100);  // passed by those who are waited for
    const Breakpoint wanted[] = {{.process_id = 200, .address = first},
                                 {.thread_id = 201, .address = first}};
    for (const Breakpoint& end : wanted) {
        ASSERT_EQ(table->set_temporary(vcpu, end), u32{RS_OK});
        table->insert(vcpu);
        current = one;
        EXPECT_EQ(hit(first), BreakpointHit::kHit);
        current = two;
        EXPECT_EQ(hit(first),
                  end.process_id == 200 ? BreakpointHit::kTemporary : BreakpointHit::kPassed);
        current = thread;
        EXPECT_EQ(hit(first), BreakpointHit::kTemporary);
    }
}

TEST_F(BreakpointTable, CodeCanBeReadAsItIsWithoutThem) {
    set(first + 0x10);
    table->insert(vcpu);
    u8 code[4];
    for (const u64 from : {first + 0x10, first + 0xd}) {
        std::memcpy(code, guest.at(Gva{from}), sizeof code);
        table->hide(from, code);
        EXPECT_EQ(std::count(code, code + sizeof code, kCode), 4) << from;
    }
    table->remove();
    code[0] = 1;
    table->hide(first + 0x10, code);
    EXPECT_EQ(code[0], 1);
}

// ---- processes ----

TEST_F(BreakpointTable, IsInTheMemoryOfItsProcess) {
    const Hpa one = guest.take_page(), two = guest.take_page();
    *guest.host(one) = *guest.host(two) = kCode;
    const Process mine = add_user(100, one), other = add_user(200, two);
    run(mine);
    set(kUser.value(), 200);
    table->insert(vcpu);
    EXPECT_EQ(*guest.host(one), kCode);
    EXPECT_EQ(*guest.host(two), kInt3);
    EXPECT_EQ(hit(kUser.value()), BreakpointHit::kNone);
    run(other);
    EXPECT_EQ(hit(kUser.value()), BreakpointHit::kHit);
}

/// Where nobody named a process it is the halted one's, also when another one is halted later, or
/// runs on the core that puts it back.
TEST_F(BreakpointTable, AUserAddressIsOfTheProcessItWasSetIn) {
    const Hpa one = guest.take_page(), two = guest.take_page();
    *guest.host(one) = *guest.host(two) = kCode;
    const Process mine = add_user(100, one), other = add_user(200, two);
    run(mine);
    set(kUser.value());
    EXPECT_EQ(table->set_temporary(vcpu, {.address = kUser.value() + 1, .task = current}),
              u32{RS_OK});
    run(other);
    table->insert(vcpu);
    EXPECT_EQ(*guest.host(two), kCode);
    EXPECT_EQ(guest.host(two)[1], 0);
    EXPECT_EQ(*guest.host(one), kInt3);
    EXPECT_EQ(guest.host(one)[1], kInt3);
    set(kUser.value());  // the other's own is another one
    run(mine);
    u32 which = 0;
    EXPECT_EQ(hit(kUser.value(), &which), BreakpointHit::kHit);
    EXPECT_EQ(which, 1u);
    EXPECT_EQ(show(1).process_id, RS_ANY);
}

/// Libraries are one memory for all processes, at an address of each one's own: who is not meant
/// runs into the INT3 as well, and must not get it.
TEST_F(BreakpointTable, SharedCodeIsPassedByOthersWhereverTheyHaveIt) {
    const Hpa page = guest.take_page();
    *guest.host(page) = kCode;
    constexpr u64 kElsewhere = 0x7f00'1234'5000;
    const Process mine = add_user(100, page), other = add_user(200, page, kElsewhere);
    run(mine);
    set(kUser.value());
    table->insert(vcpu);
    run(other);
    EXPECT_EQ(hit(kElsewhere), BreakpointHit::kPassed);
    EXPECT_TRUE(table->lift(vcpu, kElsewhere));
    EXPECT_EQ(*guest.host(page), kCode);
    table->put_back(vcpu);
    EXPECT_EQ(*guest.host(page), kInt3);
    run(mine);
    EXPECT_EQ(hit(kUser.value()), BreakpointHit::kHit);
}

}  // namespace
}  // namespace ringside::debug
