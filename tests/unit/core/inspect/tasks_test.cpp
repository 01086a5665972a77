// SPDX-License-Identifier: GPL-3.0-or-later
#include "inspect/tasks.hpp"

#include "support/inspected_machine.hpp"

namespace ringside::inspect {
namespace {

class InspectTasks : public test::InspectedMachine {
protected:
    std::vector<rs_task> tasks(u32 which, u32 process_id = RS_ANY, usize room = 16) {
        request = {};
        request.which = which;
        request.process_id = process_id;
        return go_on(0, room);
    }
    std::vector<rs_task> go_on(u64 next, usize room = 16) {
        std::vector<u8> data(room * sizeof(rs_task));
        request.next = next;
        result = ask(RS_NR_TASKS, request, data);
        std::vector<rs_task> all(request.count);
        for (usize i = 0; i < all.size(); ++i)
            std::memcpy(&all[i], data.data() + i * sizeof(rs_task), sizeof(rs_task));
        return all;
    }
    static std::vector<u32> pids(const std::vector<rs_task>& tasks) {
        std::vector<u32> pids;
        for (const rs_task& task : tasks)
            pids.push_back(task.pid);
        return pids;
    }
    using Pids = std::vector<u32>;

    rs_tasks request{};
    u32 result = 0;
};

TEST_F(InspectTasks, ListsEveryProcess) {
    EXPECT_TRUE(tasks(RS_TASKS_PROCESSES).empty());
    EXPECT_EQ(result, u32{RS_OK});
    const Hpa table = guest.take_page();
    const u64 first = add_process(1, "init", table);
    add_process(2, "kthreadd");
    add_thread(first, 15, "worker");
    const auto all = tasks(RS_TASKS_PROCESSES);
    EXPECT_EQ(result, u32{RS_OK});
    EXPECT_EQ(pids(all), (Pids{1, 2}));
    EXPECT_EQ(request.next, 0u);
    EXPECT_EQ(request.core, 1u);
    EXPECT_STREQ(all[0].name, "init");
    EXPECT_EQ(all[0].task, first);
    EXPECT_EQ(all[0].leader, first);
    EXPECT_EQ(all[0].page_table, kDirectMap + table.value());
    EXPECT_EQ(all[1].mm, 0u);
    EXPECT_EQ(all[1].page_table, 0u);
}

TEST_F(InspectTasks, ListsThreadsOfAGroup) {
    const u64 first = add_process(1, "init");
    add_process(20, "other");
    add_thread(first, 15, "worker");
    const auto all = tasks(RS_TASKS_THREADS, 1);
    EXPECT_EQ(pids(all), (Pids{1, 15}));
    EXPECT_EQ(all[1].tgid, 1u);
    EXPECT_EQ(all[1].leader, first);
    EXPECT_STREQ(all[1].name, "worker");
    tasks(RS_TASKS_THREADS, 15);  // no process of its own
    EXPECT_EQ(result, u32{RS_ERR_BAD_PID});
    current = all[1].task;
    EXPECT_EQ(pids(tasks(RS_TASKS_THREADS)), (Pids{1, 15}));
    EXPECT_EQ(pids(tasks(RS_TASKS_CURRENT)), Pids{15});
}

TEST_F(InspectTasks, KnowsTheIdleTask) {
    const auto idle = tasks(RS_TASKS_CURRENT);
    ASSERT_EQ(idle.size(), 1u);
    EXPECT_EQ(idle[0].task, kInitTask);
    EXPECT_EQ(idle[0].pid, 0u);
    EXPECT_STREQ(idle[0].name, "swapper/0");
}

TEST_F(InspectTasks, GoesOnWhereThereWasNoRoom) {
    for (u32 pid = 1; pid <= 5; ++pid)
        add_process(pid, "p");
    EXPECT_EQ(pids(tasks(RS_TASKS_PROCESSES, RS_ANY, 2)), (Pids{1, 2}));
    EXPECT_EQ(pids(go_on(request.next, 2)), (Pids{3, 4}));
    EXPECT_EQ(pids(go_on(request.next, 2)), Pids{5});
    EXPECT_EQ(request.next, 0u);
}

TEST_F(InspectTasks, GoesOnNowhereElse) {
    const u64 task = add_process(1, "p");
    tasks(RS_TASKS_PROCESSES);
    for (const u64 next : {task + 8, u64{1}, kInitTask, ~u64{0}}) {
        EXPECT_TRUE(go_on(next).empty()) << next;
        EXPECT_EQ(result, u32{RS_ERR_BAD_PID});
    }
}

TEST_F(InspectTasks, EndsInListsThatDoNot) {
    const u64 first = add_process(1, "a");
    const u64 second = add_process(2, "b");
    set_word(second + kTasks, first + kTasks);  // round and round without the head
    request = {};
    EXPECT_EQ(tasks(RS_TASKS_PROCESSES).size(), 16u);
    EXPECT_NE(request.next, 0u);
    rs_mem memory{};
    memory.process_id = 3;
    std::vector<u8> data(8);
    EXPECT_EQ(ask(RS_NR_MEM, memory, data), u32{RS_ERR_BAD_PID});
}

TEST_F(InspectTasks, FollowsNoBadPointer) {
    const u64 first = add_process(1, "a");
    for (const u64 bad :
         {u64{0}, u64{0x1234}, kDirectMap + 0xfee0'0000, first + kTasks + 1, ~u64{0} - 7}) {
        set_word(first + kTasks, bad);
        EXPECT_EQ(pids(tasks(RS_TASKS_PROCESSES)).front(), 1u) << bad;
        EXPECT_NE(result, u32{RS_OK}) << bad;
    }
    set_word(first + kSignal, 0x40'0000);
    set_word(first + kMm, ~u64{0} - 0xfff);
    EXPECT_EQ(tasks(RS_TASKS_THREADS, 1).size(), 0u);
    EXPECT_EQ(result, u32{RS_ERR_BAD_ADDRESS});
}

TEST_F(InspectTasks, FindsTheMemoryOfAProcessWhoseFirstThreadHasEnded) {
    const Hpa table = guest.take_page();
    const u64 leader = add_process(9, "p", table);
    add_thread(leader, 10, "t");
    set_word(leader + kMm, 0);
    guest.map(kUser, test::kUserData);
    std::memcpy(guest.host(table), &guest.entry(kUser, 4), 8);
    rs_page_walk walk{};
    walk.address = kUser.value();
    walk.process_id = 9;
    EXPECT_EQ(ask(RS_NR_PAGE_WALK, walk), u32{RS_OK});
    EXPECT_EQ(walk.cr3, table.value());
    EXPECT_EQ(walk.is_present, 1u);
}

TEST_F(InspectTasks, RefusesWhatIsMalformed) {
    tasks(5);
    EXPECT_EQ(result, u32{RS_ERR_BAD_IMAGE});
    request = {};
    request.task = 1;
    go_on(0);
    EXPECT_EQ(result, u32{RS_ERR_BAD_IMAGE});
}

TEST_F(InspectTasks, FindsOneThread) {
    add_process(1, "init");
    const u64 leader = add_process(9, "p");
    const u64 thread = add_thread(leader, 10, "t");
    EXPECT_EQ(tasks(RS_TASKS_ONE, 10).at(0).task, thread);
    EXPECT_EQ(tasks(RS_TASKS_ONE, 9).at(0).task, leader);
    EXPECT_EQ(tasks(RS_TASKS_ONE, 0).at(0).task, kInitTask);
    EXPECT_TRUE(tasks(RS_TASKS_ONE, 11).empty());
    EXPECT_EQ(result, u32{RS_ERR_BAD_PID});
    // By its address, if that is one.
    request = {.which = RS_TASKS_ONE, .task = thread};
    EXPECT_EQ(pids(go_on(0)), Pids{10});
    for (const u64 bad : {thread + 8, u64{1}, kDirectMap}) {
        request = {.which = RS_TASKS_ONE, .task = bad};
        EXPECT_TRUE(go_on(0).empty()) << bad;
        EXPECT_EQ(result, u32{RS_ERR_BAD_PID}) << bad;
    }
}

TEST_F(InspectTasks, TellsWhatEachCoreRuns) {
    const u64 task = add_process(7, "busy");
    u64 other_current = task;
    vcpu::Vcpu other, offline;
    other.current_slot = offline.current_slot = &other_current;
    vcpu.is_virtualized = other.is_virtualized = true;
    machine->core_count = 4;
    machine->vcpus[0] = &other;
    machine->vcpus[1] = &vcpu;
    machine->vcpus[2] = &offline;
    const auto all = tasks(RS_TASKS_ON_CORES);
    ASSERT_EQ(all.size(), 4u);
    EXPECT_EQ(all[0].task, task);
    EXPECT_EQ(all[0].pid, 7u);
    EXPECT_EQ(all[1].task, kInitTask);
    EXPECT_EQ(all[2].task, 0u);
    EXPECT_EQ(all[3].task, 0u);
    // Core by core.
    EXPECT_EQ(tasks(RS_TASKS_ON_CORES, RS_ANY, 3).size(), 3u);
    EXPECT_EQ(request.next, 3u);
    EXPECT_EQ(go_on(request.next).size(), 1u);
    EXPECT_TRUE(go_on(~u64{0}).empty());
    // A task that cannot be read.
    other_current = 0x1234;
    EXPECT_EQ(tasks(RS_TASKS_ON_CORES).at(0).task, 0u);
}

}  // namespace
}  // namespace ringside::inspect
