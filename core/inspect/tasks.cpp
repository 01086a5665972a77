// SPDX-License-Identifier: GPL-2.0-or-later
// RS_NR_TASKS. In VMI Mode other cores change the lists meanwhile. As with the kernel's own readers
// under RCU no task is freed as long as this core lets no interrupt in, which it does not in root
// mode; and a task that was taken out of a list still leads on to the next. All the same every
// pointer is distrusted, and the number of steps has an end.
#include "inspect/tasks.hpp"

#include "inspect/request.hpp"

namespace ringside::inspect {
namespace {

/// Reads task_structs, and walks the lists they are in (struct list_head: next, then prev).
class Tasks {
public:
    explicit Tasks(vcpu::Vcpu& vcpu)
        : space_{vcpu}, layout_{vcpu.machine->tasks}, current_{*vcpu.current_slot} {}

    u64 current() const { return current_; }
    const vcpu::TaskLayout& layout() const { return layout_; }

    u64 word(u64 address) const {
        u64 value = 0;
        return space_.read_kernel(address, &value, sizeof value) ? value : 0;
    }
    u32 half(u64 address) const {
        u32 value = 0;
        return space_.read_kernel(address, &value, sizeof value) ? value : 0;
    }

    /// False: what is there is no task that could be read.
    bool describe(u64 task, rs_task& out) const {
        out = {};
        out.task = task;
        if (!space_.read_kernel(task + layout_.pid, &out.pid, sizeof out.pid) ||
            !space_.read_kernel(task + layout_.tgid, &out.tgid, sizeof out.tgid) ||
            !space_.read_kernel(task + layout_.comm, out.name, sizeof out.name))
            return false;
        out.name[sizeof out.name - 1] = '\0';
        out.leader = word(task + layout_.group_leader);
        out.mm = word(task + layout_.mm);
        out.page_table = out.mm ? word(out.mm + layout_.mm_pgd) : 0;
        return true;
    }

    /// Calls visit(task) for the leader of every thread group but the idle task's, until it says
    /// false. False: the list does not hold together.
    template <class Visit>
    bool for_each_process(Visit visit) {
        return for_each(layout_.init_task + layout_.tasks, layout_.tasks, visit);
    }
    /// The like for the threads of a group, its leader first.
    template <class Visit>
    bool for_each_thread(u64 leader, Visit visit) {
        const u64 group = word(leader + layout_.signal);
        return group && for_each(group + layout_.thread_head, layout_.thread_node, visit);
    }

    /// 0: there is no such process.
    u64 find_process(u32 process_id) {
        if (process_id == 0)
            return layout_.init_task;
        u64 found = 0;
        for_each_process([&](u64 task) {
            if (half(task + layout_.tgid) == process_id)
                found = task;
            return found == 0;
        });
        return found;
    }

    /// The first thread `is_meant(task)` is true of, the boot CPU's idle task among them; 0: there
    /// is none.
    template <class IsMeant>
    u64 find_thread(IsMeant is_meant) {
        if (is_meant(layout_.init_task))
            return layout_.init_task;
        u64 found = 0;
        for_each_process([&](u64 leader) {
            for_each_thread(leader, [&](u64 task) {
                if (is_meant(task))
                    found = task;
                return found == 0;
            });
            return found == 0;
        });
        return found;
    }

    /// The mm_struct of a thread group; 0: it has none.
    u64 mm_of(u64 leader) {
        u64 mm = word(leader + layout_.mm);
        if (mm == 0)
            for_each_thread(leader, [&](u64 task) {
                mm = word(task + layout_.mm);
                return mm == 0;
            });
        return mm;
    }
    /// 0: it has none.
    u64 page_table_of(u64 leader) {
        const u64 mm = mm_of(leader);
        return mm ? word(mm + layout_.mm_pgd) : 0;
    }

private:
    template <class Visit>
    bool for_each(u64 head, u32 offset, Visit visit) {
        for (u64 at = word(head); at != head; at = word(at)) {
            if (at % sizeof(u64) != 0 || at == 0 || steps_++ == kMaxSteps)
                return false;
            if (!visit(at - offset))
                return true;
        }
        return true;
    }

    AddressSpace space_;
    const vcpu::TaskLayout& layout_;
    u64 current_;
    u32 steps_ = 0;
};

/// Puts tasks behind the header, from the one the request names on.
class List {
public:
    List(Tasks& tasks, rs_tasks& fields, std::span<u8> data)
        : tasks_{tasks}, fields_{fields}, data_{data}, cursor_{fields.next} {
        fields_.next = 0;
    }

    /// False: there is no room; the request says where to go on.
    bool add(u64 task) {
        if (cursor_ && task != cursor_)
            return true;  // the last answer has it
        cursor_ = 0;
        if ((fields_.count + 1) * sizeof(rs_task) > data_.size()) {
            fields_.next = task;
            return false;
        }
        rs_task entry;
        if (tasks_.describe(task, entry))
            copy_bytes(data_.data() + sizeof entry * fields_.count++, &entry, sizeof entry);
        return true;
    }

    /// Whether the task to go on with was there.
    bool has_begun() const { return cursor_ == 0; }

private:
    Tasks& tasks_;
    rs_tasks& fields_;
    std::span<u8> data_;
    u64 cursor_;
};

}  // namespace

u32 use_process(vcpu::Vcpu& vcpu, AddressSpace& space, u32 process_id) {
    if (process_id == RS_ANY)
        return RS_OK;
    Tasks tasks{vcpu};
    const u64 leader = tasks.find_process(process_id);
    if (leader == 0)
        return RS_ERR_BAD_PID;
    space.use_page_table(tasks.page_table_of(leader));
    return RS_OK;
}

u32 find_mm(vcpu::Vcpu& vcpu, u32 process_id, u64& mm) {
    Tasks tasks{vcpu};
    const u64 task = process_id == RS_ANY ? tasks.current() : tasks.find_process(process_id);
    if (task == 0)
        return RS_ERR_BAD_PID;
    mm = tasks.mm_of(task);
    return RS_OK;
}

namespace {

/// What `core` runs. False: that core is not there, or its task cannot be read.
bool task_on_core(vcpu::Vcpu& vcpu, u32 core, rs_task& task) {
    const vcpu::Machine& machine = *vcpu.machine;
    const vcpu::Vcpu* const other = core < machine.core_count ? machine.vcpus[core] : nullptr;
    if (other == nullptr || !std::atomic_ref<const bool>(other->is_virtualized).load())
        return false;
    return Tasks{vcpu}.describe(std::atomic_ref<const u64>(*other->current_slot).load(), task);
}

/// One entry a core, from the one that `next` numbers on.
u32 answer_cores(vcpu::Vcpu& vcpu, rs_tasks& fields, std::span<u8> data) {
    u32 core = fields.next < vcpu.machine->core_count ? u32(fields.next) : vcpu.machine->core_count;
    fields.next = 0;
    for (; core < vcpu.machine->core_count; ++core) {
        if ((fields.count + 1) * sizeof(rs_task) > data.size()) {
            fields.next = core;
            break;
        }
        rs_task entry;
        if (!task_on_core(vcpu, core, entry))
            entry = {};
        copy_bytes(data.data() + sizeof entry * fields.count++, &entry, sizeof entry);
    }
    return RS_OK;
}

}  // namespace

u32 answer_tasks(vcpu::Vcpu& vcpu, rs_tasks& fields, std::span<u8> data) {
    fields.core = vcpu.core;
    fields.count = 0;
    if ((fields.task != 0 && fields.which != RS_TASKS_ONE) || data.size() < sizeof(rs_task))
        return RS_ERR_BAD_IMAGE;
    if (fields.which == RS_TASKS_ON_CORES)
        return answer_cores(vcpu, fields, data);
    Tasks tasks{vcpu};
    List list{tasks, fields, data};
    const auto add = [&](u64 task) { return list.add(task); };
    bool is_whole = true;
    switch (fields.which) {
        case RS_TASKS_CURRENT:
            list.add(tasks.current());
            break;
        case RS_TASKS_PROCESSES:
            is_whole = tasks.for_each_process(add);
            break;
        case RS_TASKS_THREADS: {
            rs_task current;
            if (fields.process_id == RS_ANY && tasks.describe(tasks.current(), current))
                fields.process_id = current.tgid;
            const u64 leader = tasks.find_process(fields.process_id);
            if (leader == 0)
                return RS_ERR_BAD_PID;
            is_whole = tasks.for_each_thread(leader, add);
            break;
        }
        case RS_TASKS_ONE: {
            const u64 found = tasks.find_thread([&](u64 task) {
                return fields.task != 0
                           ? task == fields.task
                           : tasks.half(task + tasks.layout().pid) == fields.process_id;
            });
            if (found == 0)
                return RS_ERR_BAD_PID;
            list.add(found);
            break;
        }
        default:
            return RS_ERR_BAD_IMAGE;
    }
    if (!list.has_begun())
        return RS_ERR_BAD_PID;
    return is_whole ? u32{RS_OK} : u32{RS_ERR_BAD_ADDRESS};
}

}  // namespace ringside::inspect
