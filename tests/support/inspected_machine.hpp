// SPDX-License-Identifier: GPL-3.0-or-later
// A guest with a kernel's lists of tasks in its memory, for tests of what looks at it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "inspect/inspect.hpp"
#include "support/fake_backend.hpp"
#include "support/fake_processor.hpp"
#include "support/guest_memory.hpp"

namespace ringside::test {

class InspectedMachine : public testing::Test {
protected:
    static constexpr u64 kDirectMap = 0xffff'8880'0000'0000;
    static constexpr u64 kInitTask = 0xffff'ffff'8260'0000;
    static constexpr Gva kFirst{0xffff'c900'0000'1000};
    static constexpr Gva kSecond{0xffff'c900'0000'2000};
    static constexpr Gva kUser{0x40'0000};
    static constexpr u32 kTasks = 0x140, kSignal = 0x150, kThreadNode = 0x158, kPid = 0x100,
                         kTgid = 0x104, kLeader = 0x110, kMm = 0x120, kComm = 0x200,
                         kThreadHead = 0x10, kPgd = 0x50;

    InspectedMachine() {
        machine->ram = guest.ram();
        machine->window_base = guest.window_base();
        machine->window = {guest.window_base(), &machine->ram};
        // The direct map, as far as there is RAM.
        for (u64 at = GuestMemory::kRamStart; at < guest.ram_end(); at += kPageSize)
            guest.map(Gva{kDirectMap + at}, Hpa{at});
        const Hpa init = guest.take_page();
        guest.map(Gva{kInitTask}, init);
        machine->tasks = {.direct_map = kDirectMap,
                          .init_task = kInitTask,
                          .init_task_physical = init,
                          .pid = kPid,
                          .tgid = kTgid,
                          .comm = kComm,
                          .group_leader = kLeader,
                          .mm = kMm,
                          .fs_base = 0x300,
                          .tasks = kTasks,
                          .signal = kSignal,
                          .thread_node = kThreadNode,
                          .thread_head = kThreadHead,
                          .mm_pgd = kPgd};
        vcpu.machine = machine.get();
        vcpu.backend = &backend;
        vcpu.registers = &registers;
        vcpu.current_slot = &current;
        vcpu.core = 1;
        backend.registers[RS_FULL_CR3] = guest.paging().cr3;
        backend.registers[RS_FULL_CR4] = 0x20;
        fill(kInitTask, 0, 0, "swapper/0", 0, kInitTask);
        begin_list(kInitTask + kTasks);
        current = kInitTask;
    }

    void set_word(u64 at, u64 value) { std::memcpy(host(at), &value, sizeof value); }
    u64 word(u64 at) {
        u64 value;
        std::memcpy(&value, host(at), sizeof value);
        return value;
    }
    /// Of a kernel address that is mapped.
    u8* host(u64 at) { return guest.at(Gva{at}); }
    u64 take() { return kDirectMap + guest.take_page().value(); }

    void begin_list(u64 head) {
        set_word(head, head);
        set_word(head + 8, head);
    }
    void append(u64 head, u64 link) {
        const u64 last = word(head + 8);
        set_word(link, head);
        set_word(link + 8, last);
        set_word(last, link);
        set_word(head + 8, link);
    }
    void fill(u64 task, u32 pid, u32 tgid, const char* name, u64 mm, u64 leader) {
        std::memcpy(host(task + kPid), &pid, 4);
        std::memcpy(host(task + kTgid), &tgid, 4);
        std::memcpy(host(task + kComm), name, std::strlen(name) + 1);
        set_word(task + kMm, mm);
        set_word(task + kLeader, leader);
    }
    /// A process with one thread; its mm, if it gets one, has the page table given.
    u64 add_process(u32 pid, const char* name, Hpa page_table = Hpa{0}) {
        const u64 task = take();
        u64 mm = 0;
        if (page_table.value()) {
            mm = take();
            set_word(mm + kPgd, kDirectMap + page_table.value());
        }
        fill(task, pid, pid, name, mm, task);
        const u64 group = take();
        begin_list(group + kThreadHead);
        set_word(task + kSignal, group);
        append(group + kThreadHead, task + kThreadNode);
        append(kInitTask + kTasks, task + kTasks);
        return task;
    }
    u64 add_thread(u64 leader, u32 pid, const char* name) {
        const u64 task = take();
        u32 tgid = 0;
        std::memcpy(&tgid, host(leader + kTgid), 4);
        fill(task, pid, tgid, name, word(leader + kMm), leader);
        const u64 group = word(leader + kSignal);
        set_word(task + kSignal, group);
        append(group + kThreadHead, task + kThreadNode);
        return task;
    }
    void own(Hpa page) {
        if (machine->owned.needs_map(page))
            machine->owned.adopt_map(page, guest.take_page());
        machine->owned.set(page, true, guest.window_base());
    }

    /// Has a request answered whose structure is all there is.
    template <class T>
    u32 ask(u32 number, T& request, inspect::Others others = inspect::Others::kRun) {
        request.size = sizeof request;
        const u32 error = inspect::answer(
            vcpu, number, {reinterpret_cast<u8*>(&request), sizeof request}, others);
        EXPECT_EQ(request.error, error);
        return error;
    }
    /// The like with `data` behind it, which becomes the answer's.
    template <class T>
    u32 ask(u32 number, T& request, std::vector<u8>& data) {
        std::vector<u8> image(sizeof request + data.size());
        request.size = sizeof request;
        request.total_len = image.size();
        std::memcpy(image.data(), &request, sizeof request);
        std::copy(data.begin(), data.end(), image.begin() + sizeof request);
        const u32 error = inspect::answer(vcpu, number, image);
        std::memcpy(&request, image.data(), sizeof request);
        std::copy(image.begin() + sizeof request, image.end(), data.begin());
        EXPECT_EQ(request.error, error);
        return error;
    }

    FakeProcessor processor;
    GuestMemory guest{4, 0, 1024};
    FakeBackend backend;
    vcpu::GuestRegisters registers{};
    u64 current = 0;
    std::unique_ptr<vcpu::Machine> machine = std::make_unique<vcpu::Machine>();
    vcpu::Vcpu vcpu;
};

}  // namespace ringside::test
