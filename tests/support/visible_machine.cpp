// SPDX-License-Identifier: GPL-3.0-or-later
#include "support/visible_machine.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <optional>

#include "support/error_number.hpp"

namespace ringside::test {
namespace {

template <class T>
T front_of(std::span<const std::byte> bytes) {
    T value;
    std::memcpy(&value, bytes.data(), sizeof(value));
    return value;
}

/// The byte at an address, or null.
u8* byte_at(VisibleMachine::Memory& memory, u64 address) {
    auto region = memory.upper_bound(address);
    if (region == memory.begin())
        return nullptr;
    --region;
    const u64 offset = address - region->first;
    return offset < region->second.size() ? &region->second[offset] : nullptr;
}

class VisibleFile final : public transport::DeviceFile {
public:
    VisibleFile(VisibleMachine& machine, std::unique_ptr<transport::DeviceFile> inner)
        : machine_{machine}, inner_{std::move(inner)} {}

    int request(std::uint32_t request, std::span<std::byte> argument) override {
        ++machine_.requests;
        switch (request) {
            case RS_IOC_MEM:
                return answer<rs_mem>(argument, [&](rs_mem& mem) {
                    return look(mem, argument.subspan(sizeof(rs_mem)));
                });
            case RS_IOC_REGISTERS:
                return answer<rs_registers>(argument, [&](rs_registers& registers) {
                    registers = machine_.registers;
                    return u32{RS_OK};
                });
            case RS_IOC_MSR:
                return answer<rs_msr>(argument, [&](rs_msr& msr) { return access(msr); });
            case RS_IOC_CPUID:
                return answer<rs_cpuid>(argument, [&](rs_cpuid& cpuid) {
                    const auto found = machine_.leaves.find({cpuid.leaf, cpuid.subleaf});
                    if (found != machine_.leaves.end())
                        std::memcpy(&cpuid.eax, found->second.data(), sizeof(found->second));
                    return u32{RS_OK};
                });
            case RS_IOC_LAPIC:
                return answer<rs_lapic>(argument, [&](rs_lapic& apic) {
                    apic = machine_.lapic;
                    return u32{RS_OK};
                });
            case RS_IOC_IO_APIC:
                return answer<rs_io_apic>(argument, [&](rs_io_apic& apic) {
                    if (apic.index >= machine_.io_apics.size())
                        return u32{RS_ERR_NO_SUCH_DEVICE};
                    apic = machine_.io_apics[apic.index];
                    apic.count = static_cast<u32>(machine_.io_apics.size());
                    return u32{RS_OK};
                });
            case RS_IOC_PAGE_WALK:
                return answer<rs_page_walk>(argument, [&](rs_page_walk& walk) {
                    if (!is_known(walk.process_id))
                        return u32{RS_ERR_BAD_PID};
                    const u64 address = walk.address;
                    walk = machine_.walk;
                    walk.address = address;
                    return u32{RS_OK};
                });
            case RS_IOC_TASKS:
                return answer<rs_tasks>(argument, [&](rs_tasks& tasks) {
                    return list(tasks, argument.subspan(sizeof(rs_tasks)));
                });
            case RS_IOC_MAPPINGS:
                return answer<rs_mappings>(argument, [&](rs_mappings& mappings) {
                    return map(mappings, argument.subspan(sizeof(rs_mappings)));
                });
            case RS_IOC_SYMBOL:
                if (machine_.symbols.empty())
                    return inner_->request(request, argument);
                return answer<rs_symbol>(argument, [&](rs_symbol& symbol) { return find(symbol); });
            case RS_IOC_SYMBOL_LIST:
                return answer<rs_symbol_list>(argument, [&](rs_symbol_list& list) {
                    return match(list, argument.subspan(sizeof(rs_symbol_list)));
                });
            default:
                return inner_->request(request, argument);
        }
    }
    ReadResult read(std::span<std::byte> into) override { return inner_->read(into); }
    int poll_descriptor() const override { return inner_->poll_descriptor(); }

private:
    template <class T, class CarryOut>
    static int answer(std::span<std::byte> argument, CarryOut carry_out) {
        T structure = front_of<T>(argument);
        structure.error = carry_out(structure);
        structure.size = sizeof(structure);
        std::memcpy(argument.data(), &structure, sizeof(structure));
        return error_number_of(structure.error);
    }

    bool is_known(u32 pid) const { return pid == RS_ANY || pid == machine_.known_pid; }

    u32 look(rs_mem& mem, std::span<std::byte> data) {
        ++machine_.mem_requests;
        machine_.last_pid = mem.process_id;
        if (!is_known(mem.process_id))
            return RS_ERR_BAD_PID;
        auto& memory = (mem.flags & RS_MEMF_PHYSICAL) != 0 ? machine_.physical : machine_.memory;
        u64 reachable = 0;
        while (reachable < mem.length && byte_at(memory, mem.address + reachable) != nullptr)
            ++reachable;
        const bool is_whole = reachable == mem.length;
        if (!is_whole) {
            mem.failed_address = mem.address + reachable;
            mem.failed_level = (mem.flags & RS_MEMF_PHYSICAL) != 0 ? 0 : 2;
        }
        if (mem.operation == RS_MEM_WRITE && !is_whole)
            return RS_ERR_BAD_ADDRESS;
        if (mem.operation == RS_MEM_SEARCH) {
            search(mem, memory, reachable, data);
        } else {
            for (u64 i = 0; i < reachable; ++i) {
                u8& byte = *byte_at(memory, mem.address + i);
                if (mem.operation == RS_MEM_READ)
                    data[i] = static_cast<std::byte>(byte);
                else
                    byte = static_cast<u8>(data[i]);
            }
            mem.done = reachable;
        }
        return is_whole ? RS_OK : RS_ERR_BAD_ADDRESS;
    }

    static void search(rs_mem& mem, VisibleMachine::Memory& memory, u64 reachable,
                       std::span<std::byte> data) {
        const std::vector<std::byte> pattern{data.begin(), data.begin() + mem.pattern_len};
        std::size_t room = data.size() / 8;
        mem.done = reachable;
        for (u64 at = 0; at + pattern.size() <= reachable; at += mem.unit) {
            bool is_hit = true;
            for (std::size_t i = 0; i < pattern.size(); ++i)
                is_hit = is_hit && static_cast<std::byte>(*byte_at(memory, mem.address + at + i)) ==
                                       pattern[i];
            if (!is_hit)
                continue;
            if (room == 0) {
                mem.done = at;
                return;
            }
            --room;
            const u64 hit = mem.address + at;
            std::memcpy(data.data() + mem.hit_count++ * 8, &hit, 8);
        }
    }

    u32 access(rs_msr& msr) {
        if (msr.core == RS_ANY)
            msr.core = 0;
        if (msr.core >= machine_.cores)
            return RS_ERR_BAD_CORE;
        const auto found = machine_.msrs.find({msr.core, msr.msr});
        if (found == machine_.msrs.end())
            return RS_ERR_BAD_MSR;
        if ((msr.flags & RS_MSRF_WRITE) != 0)
            found->second = msr.value;
        msr.value = found->second;
        return RS_OK;
    }

    u32 list(rs_tasks& tasks, std::span<std::byte> data) {
        tasks.count = 0;
        tasks.next = 0;
        const u32 pid = tasks.process_id != RS_ANY ? tasks.process_id
                        : machine_.tasks.empty()   ? RS_ANY
                                                   : machine_.tasks[0].tgid;
        for (const rs_task& task : machine_.tasks) {
            const bool is_wanted =
                tasks.which == RS_TASKS_CURRENT || tasks.which == RS_TASKS_ON_CORES
                    ? &task == &machine_.tasks[0]
                : tasks.which == RS_TASKS_PROCESSES              ? task.pid == task.tgid
                : tasks.which == RS_TASKS_ONE && tasks.task != 0 ? task.task == tasks.task
                : tasks.which == RS_TASKS_ONE                    ? task.pid == pid
                                                                 : task.tgid == pid;
            if (!is_wanted || (tasks.count + 1) * sizeof(task) > data.size())
                continue;
            std::memcpy(data.data() + tasks.count++ * sizeof(task), &task, sizeof(task));
        }
        return tasks.count == 0 ? RS_ERR_BAD_PID : RS_OK;
    }

    u32 map(rs_mappings& mappings, std::span<std::byte> data) {
        machine_.last_pid = mappings.process_id;
        if (!is_known(mappings.process_id))
            return RS_ERR_BAD_PID;
        if (machine_.mappings.empty())
            return RS_ERR_NO_USER_MEMORY;
        mappings.count = mappings.used_len = 0;
        mappings.next = 0;
        for (const VisibleMachine::Mapping& row : machine_.mappings) {
            const rs_mapping entry{row.start, row.end, row.inode, static_cast<u32>(row.path.size()),
                                   row.path.starts_with('/') ? RS_MAPPINGF_PATH : 0};
            std::memcpy(data.data() + mappings.used_len, &entry, sizeof(entry));
            std::memcpy(data.data() + mappings.used_len + sizeof(entry), row.path.data(),
                        row.path.size());
            mappings.used_len += static_cast<u32>(sizeof(entry) + (row.path.size() + 7) / 8 * 8);
            ++mappings.count;
        }
        return RS_OK;
    }

    u32 find(rs_symbol& symbol) {
        const std::string wanted{symbol.name, strnlen(symbol.name, sizeof(symbol.name))};
        for (const VisibleMachine::Symbol& row : machine_.symbols) {
            const std::string module = row.name.substr(0, row.name.find('!'));
            const std::string name = row.name.substr(module.size() + 1);
            const bool is_kernel = module == "vmlinux";
            if (!wanted.empty()) {
                if (wanted != (is_kernel ? name : module + ":" + name))
                    continue;
                symbol.address = row.address;
                return RS_OK;
            }
            if (symbol.address < row.address || symbol.address - row.address >= row.size)
                continue;
            std::snprintf(symbol.name, sizeof symbol.name, "%s+0x%llx/0x%llx%s", name.c_str(),
                          static_cast<unsigned long long>(symbol.address - row.address),
                          static_cast<unsigned long long>(row.size),
                          is_kernel ? "" : (" [" + module + "]").c_str());
            return RS_OK;
        }
        return RS_ERR_NO_SYMBOL;
    }

    u32 match(rs_symbol_list& list, std::span<std::byte> data) {
        std::string pattern{list.pattern, strnlen(list.pattern, sizeof(list.pattern))};
        if (pattern.find('!') == std::string::npos)
            pattern.insert(0, "vmlinux!");
        if (pattern.starts_with("nt!"))
            pattern.replace(0, 2, "vmlinux");
        list.count = list.used_len = 0;
        list.next = 0;
        for (const VisibleMachine::Symbol& row : machine_.symbols) {
            if (::fnmatch(pattern.c_str(), row.name.c_str(), 0) != 0)
                continue;
            const rs_symbol_entry entry{row.address, static_cast<u32>(row.name.size()),
                                        static_cast<u32>(row.type)};
            std::memcpy(data.data() + list.used_len, &entry, sizeof(entry));
            std::memcpy(data.data() + list.used_len + sizeof(entry), row.name.data(),
                        row.name.size());
            list.used_len += static_cast<u32>(sizeof(entry) + (row.name.size() + 7) / 8 * 8);
            ++list.count;
        }
        return RS_OK;
    }

    VisibleMachine& machine_;
    std::unique_ptr<transport::DeviceFile> inner_;
};

}  // namespace

void VisibleMachine::put_words(u64 address, std::initializer_list<u64> words) {
    std::vector<u8>& region = memory[address];
    region.resize(words.size() * sizeof(u64));
    std::memcpy(region.data(), words.begin(), region.size());
}

transport::DeviceOpener VisibleMachine::opener(transport::DeviceOpener inner) {
    return [this, inner = std::move(inner)]() -> transport::OpenedDevice {
        auto opened = inner();
        if (opened.file)
            opened.file = std::make_unique<VisibleFile>(*this, std::move(opened.file));
        return opened;
    };
}

}  // namespace ringside::test
