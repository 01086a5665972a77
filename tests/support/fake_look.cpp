// SPDX-License-Identifier: GPL-3.0-or-later
#include "support/fake_look.hpp"

#include <algorithm>
#include <cstring>

namespace ringside::test {
namespace {

template <class T>
T front(std::span<const std::byte> bytes) {
    T value;
    std::memcpy(&value, bytes.data(), sizeof(value));
    return value;
}

template <class T>
std::uint32_t finish(std::span<std::byte> bytes, T value, std::uint32_t error) {
    value.size = sizeof(value);
    value.error = error;
    std::memcpy(bytes.data(), &value, sizeof(value));
    return error;
}

/// '*' and '?'.
bool matches(std::string_view pattern, std::string_view name) {
    if (pattern.empty())
        return name.empty();
    if (pattern[0] == '*')
        return matches(pattern.substr(1), name) ||
               (!name.empty() && matches(pattern, name.substr(1)));
    return !name.empty() && (pattern[0] == '?' || pattern[0] == name[0]) &&
           matches(pattern.substr(1), name.substr(1));
}

}  // namespace

void FakeMemory::put(std::uint64_t address, std::string_view text) {
    if (text.empty())
        return;
    if (!at(address) || !at(address + text.size() - 1))
        pieces_[address].resize(text.size());
    for (const char character : text)
        *at(address++) = static_cast<std::byte>(character);
}

std::byte* FakeMemory::at(std::uint64_t address) {
    auto piece = pieces_.upper_bound(address);
    if (piece == pieces_.begin())
        return nullptr;
    --piece;
    const std::uint64_t offset = address - piece->first;
    return offset < piece->second.size() ? &piece->second[offset] : nullptr;
}

std::string FakeMemory::text(std::uint64_t address, std::size_t length) {
    std::string text;
    for (std::size_t i = 0; i < length; ++i)
        text += static_cast<char>(*at(address + i));
    return text;
}

bool FakeLook::is_look(std::uint32_t request) {
    switch (request) {
        case RS_IOC_MEM:
        case RS_IOC_REGISTERS:
        case RS_IOC_MSR:
        case RS_IOC_CPUID:
        case RS_IOC_LAPIC:
        case RS_IOC_IO_APIC:
        case RS_IOC_PAGE_WALK:
        case RS_IOC_TASKS:
        case RS_IOC_MAPPINGS:
        case RS_IOC_SYMBOL_LIST:
            return true;
        default:
            return false;
    }
}

std::uint32_t FakeLook::answer(std::uint32_t request, std::span<std::byte> argument) {
    switch (request) {
        case RS_IOC_MEM:
            return answer_memory(argument);
        case RS_IOC_REGISTERS:
            return finish(argument, registers, RS_OK);
        case RS_IOC_MSR: {
            auto msr = front<rs_msr>(argument);
            if (msr.core == RS_ANY)
                msr.core = 0;
            const auto found = msrs.find({msr.core, msr.msr});
            if (found == msrs.end())
                return finish(argument, msr, RS_ERR_BAD_MSR);
            if (msr.flags & RS_MSRF_WRITE)
                found->second = msr.value;
            msr.value = found->second;
            return finish(argument, msr, RS_OK);
        }
        case RS_IOC_CPUID: {
            auto cpuid = front<rs_cpuid>(argument);
            const auto found = leaves.find({cpuid.leaf, cpuid.subleaf});
            if (found != leaves.end())
                std::memcpy(&cpuid.eax, found->second.data(), sizeof(found->second));
            return finish(argument, cpuid, RS_OK);
        }
        case RS_IOC_LAPIC:
            return finish(argument, local_apic, RS_OK);
        case RS_IOC_IO_APIC: {
            const auto asked = front<rs_io_apic>(argument);
            if (asked.index >= io_apics.size())
                return finish(argument, asked, RS_ERR_NO_SUCH_DEVICE);
            return finish(argument, io_apics[asked.index], RS_OK);
        }
        case RS_IOC_PAGE_WALK: {
            const auto asked = front<rs_page_walk>(argument);
            const auto found = page_walks.find(asked.address);
            if (found != page_walks.end())
                return finish(argument, found->second, RS_OK);
            return finish(argument,
                          rs_page_walk{.address = asked.address,
                                       .process_id = asked.process_id,
                                       .depth = 1,
                                       .levels = 4},
                          RS_OK);
        }
        case RS_IOC_TASKS:
            return answer_tasks(argument);
        case RS_IOC_MAPPINGS:
            return answer_mappings(argument);
        case RS_IOC_SYMBOL_LIST:
            return answer_names(argument);
        default:
            return RS_ERR_INTERNAL;
    }
}

std::uint32_t FakeLook::answer_memory(std::span<std::byte> argument) {
    auto header = front<rs_mem>(argument);
    const auto data = argument.subspan(sizeof(header));
    auto* space = header.flags & RS_MEMF_PHYSICAL ? &physical : &memory;
    if (header.process_id != RS_ANY) {
        const auto process = process_memory.find(header.process_id);
        if (process == process_memory.end())
            return finish(argument, header, RS_ERR_BAD_PID);
        space = &process->second;
    }
    const bool is_search = header.operation == RS_MEM_SEARCH;
    if ((!is_search && (header.length > RS_MAX_MEM_BYTES || header.length > data.size())) ||
        (is_search && header.length > RS_MAX_MEM_SEARCH))
        return finish(argument, header, RS_ERR_BAD_IMAGE);
    std::vector<std::byte> there;
    for (std::uint64_t i = 0; i < header.length; ++i) {
        const std::byte* byte = space->at(header.address + i);
        if (!byte)
            break;
        there.push_back(*byte);
    }
    const bool is_whole = there.size() == header.length;
    header.done = there.size();
    if (!is_whole) {
        header.failed_address = header.address + there.size();
        header.failed_level = failed_level;
        header.failed_entry = failed_entry;
    }
    if (header.operation == RS_MEM_READ) {
        std::ranges::copy(there, data.begin());
    } else if (header.operation == RS_MEM_WRITE) {
        for (std::uint64_t i = 0; is_whole && i < header.length; ++i)
            *space->at(header.address + i) = data[i];
        if (!is_whole)
            header.done = 0;
    } else {
        const std::vector<std::byte> pattern{data.begin(), data.begin() + header.pattern_len};
        const std::size_t room = std::min<std::size_t>(data.size() / 8, RS_MAX_MEM_HITS);
        for (std::uint64_t at = 0; at + pattern.size() <= there.size(); at += header.unit) {
            if (!std::equal(pattern.begin(), pattern.end(),
                            there.begin() + static_cast<std::ptrdiff_t>(at)))
                continue;
            if (header.hit_count == room) {
                header.done = at;
                return finish(argument, header, RS_OK);
            }
            const std::uint64_t address = header.address + at;
            std::memcpy(data.data() + 8 * header.hit_count++, &address, sizeof(address));
        }
    }
    return finish(argument, header, is_whole ? RS_OK : RS_ERR_BAD_ADDRESS);
}

std::uint32_t FakeLook::answer_tasks(std::span<std::byte> argument) {
    auto header = front<rs_tasks>(argument);
    const auto data = argument.subspan(sizeof(header));
    if (header.next != 0 && std::exchange(loses_cursor, false))
        return finish(argument, header, RS_ERR_BAD_PID);
    std::uint32_t process_id = header.process_id;
    if (process_id == RS_ANY && !tasks.empty())
        process_id = tasks.front().tgid;
    std::vector<rs_task> all;
    for (const rs_task& task : tasks)
        if ((header.which == RS_TASKS_CURRENT && all.empty()) ||
            (header.which == RS_TASKS_PROCESSES && task.pid == task.tgid) ||
            (header.which == RS_TASKS_THREADS && task.tgid == process_id))
            all.push_back(task);
    if (all.empty() && header.which == RS_TASKS_THREADS)
        return finish(argument, header, RS_ERR_BAD_PID);
    auto first = std::ranges::find(all, header.next, &rs_task::task);
    if (header.next == 0)
        first = all.begin();
    const std::size_t room = std::min(page_entries, data.size() / sizeof(rs_task));
    header.count = 0;
    header.next = 0;
    for (; first != all.end(); ++first) {
        if (header.count == room) {
            header.next = first->task;
            break;
        }
        std::memcpy(data.data() + sizeof(rs_task) * header.count++, &*first, sizeof(rs_task));
    }
    return finish(argument, header, RS_OK);
}

std::uint32_t FakeLook::answer_mappings(std::span<std::byte> argument) {
    auto header = front<rs_mappings>(argument);
    const auto data = argument.subspan(sizeof(header));
    if (mappings_error != 0)
        return finish(argument, header, mappings_error);
    if (header.next != 0 && std::exchange(loses_cursor, false))
        return finish(argument, header, RS_ERR_BAD_ADDRESS);
    const std::uint64_t from = header.next;
    header.count = header.used_len = 0;
    header.next = 0;
    for (const Mapping& mapping : mappings) {
        if (mapping.end <= from)
            continue;
        const std::size_t size = sizeof(rs_mapping) + (mapping.path.size() + 7) / 8 * 8;
        if (header.count == page_entries || header.used_len + size > data.size()) {
            header.next = mapping.start;
            break;
        }
        const rs_mapping entry{.start = mapping.start,
                               .end = mapping.end,
                               .inode = mapping.inode,
                               .path_len = static_cast<std::uint32_t>(mapping.path.size()),
                               .flags = mapping.path.starts_with('/') ? RS_MAPPINGF_PATH : 0};
        std::memcpy(data.data() + header.used_len, &entry, sizeof(entry));
        std::memcpy(data.data() + header.used_len + sizeof(entry), mapping.path.data(),
                    mapping.path.size());
        header.used_len += static_cast<std::uint32_t>(size);
        ++header.count;
    }
    return finish(argument, header, RS_OK);
}

std::uint32_t FakeLook::answer_names(std::span<std::byte> argument) {
    auto header = front<rs_symbol_list>(argument);
    const auto data = argument.subspan(sizeof(header));
    std::string pattern{header.pattern, strnlen(header.pattern, sizeof(header.pattern))};
    if (pattern.find('!') == std::string::npos)
        pattern = "vmlinux!" + pattern;
    for (const std::string_view alias : {"nt!", "kernel!"})
        if (pattern.starts_with(alias))
            pattern = "vmlinux!" + pattern.substr(alias.size());
    std::vector<const Name*> all;
    for (const Name& name : names)
        if (matches(pattern, name.name))
            all.push_back(&name);
    std::size_t at = header.next;
    header.count = 0;
    header.used_len = 0;
    header.next = 0;
    for (; at < all.size(); ++at) {
        const std::size_t size = sizeof(rs_symbol_entry) + (all[at]->name.size() + 7) / 8 * 8;
        if (header.count == page_entries || header.used_len + size > data.size()) {
            header.next = at;
            break;
        }
        const rs_symbol_entry entry{.address = all[at]->address,
                                    .name_len = static_cast<std::uint32_t>(all[at]->name.size()),
                                    .type = static_cast<std::uint32_t>(all[at]->type)};
        std::memcpy(data.data() + header.used_len, &entry, sizeof(entry));
        std::memcpy(data.data() + header.used_len + sizeof(entry), all[at]->name.data(),
                    all[at]->name.size());
        header.used_len += static_cast<std::uint32_t>(size);
        ++header.count;
    }
    return finish(argument, header, RS_OK);
}

}  // namespace ringside::test
