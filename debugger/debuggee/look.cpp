// SPDX-License-Identifier: GPL-3.0-or-later
// Debuggee's requests that look at the machine: memory, registers, interrupt controllers, tasks and
// names.
#include "debuggee/look.hpp"

#include <algorithm>
#include <cerrno>

#include "debuggee/structures.hpp"

namespace ringside::debuggee {
namespace {

// Bytes one request searches: root mode holds its core for as long.
constexpr std::uint64_t kSearchPiece = 0x400000;
static_assert(kSearchPiece % 8 == 0 && kSearchPiece + RS_MAX_MEM_PATTERN <= RS_MAX_MEM_SEARCH);

constexpr std::size_t kListBytes = RS_MAX_LOOK_BYTES / 2;

// A list that changes while it is read is begun anew; one that always changes is none.
constexpr int kMaxAttempts = 8;

/// A request of memory with its data behind it.
std::vector<std::byte> memory_image(rs_mem header, std::size_t room,
                                    std::span<const std::byte> data) {
    std::vector<std::byte> image(sizeof(header) + padded(std::max(room, data.size())));
    header.size = sizeof(header);
    header.total_len = image.size();
    std::memcpy(image.data(), &header, sizeof(header));
    std::ranges::copy(data, image.begin() + sizeof(header));
    return image;
}

rs_mem memory_header(std::uint32_t operation, std::uint64_t address, std::uint64_t length,
                     const MemoryOptions& options) {
    rs_mem header{};
    header.operation = operation;
    header.address = address;
    header.length = length;
    header.flags = options.is_physical ? RS_MEMF_PHYSICAL : 0;
    header.process_id = options.is_physical ? RS_ANY : options.process_id;
    return header;
}

/// Whether the module carried the request out as far as there was memory.
bool is_answered(const Reply<void>& done, const rs_mem& header) {
    return done ||
           (done.failure().kind == Failure::Kind::kRefused && header.error == RS_ERR_BAD_ADDRESS);
}

void note_stop(MemoryStop& stop, const rs_mem& header) {
    stop.is_complete = header.error == RS_OK;
    if (stop.is_complete)
        return;
    stop.failed_address = header.failed_address;
    stop.failed_level = header.failed_level;
    stop.failed_entry = header.failed_entry;
}

constexpr Failure kMalformed{.kind = Failure::Kind::kMalformed};

}  // namespace

Reply<MemoryRead> Debuggee::read_memory(std::uint64_t address, std::uint64_t length,
                                        MemoryOptions options) {
    MemoryRead read;
    while (read.is_complete && read.bytes.size() < length) {
        const std::uint64_t part =
            std::min<std::uint64_t>(length - read.bytes.size(), RS_MAX_MEM_BYTES);
        auto image = memory_image(
            memory_header(RS_MEM_READ, address + read.bytes.size(), part, options), part, {});
        const auto done = request(RS_IOC_MEM, image);
        const auto header = read_at<rs_mem>(image);
        if (!is_answered(done, header))
            return with_code(done.failure(), header.error);
        note_stop(read, header);
        if (header.done > part || (read.is_complete && header.done != part))
            return kMalformed;
        const auto first = image.begin() + sizeof(header);
        read.bytes.insert(read.bytes.end(), first,
                          first + static_cast<std::ptrdiff_t>(header.done));
    }
    return read;
}

Reply<MemoryWrite> Debuggee::write_memory(std::uint64_t address, std::span<const std::byte> bytes,
                                          MemoryOptions options) {
    MemoryWrite write;
    while (write.is_complete && write.done < bytes.size()) {
        const auto part =
            bytes.subspan(write.done, std::min<std::size_t>(bytes.size() - write.done,  //
                                                            RS_MAX_MEM_BYTES));
        auto image = memory_image(
            memory_header(RS_MEM_WRITE, address + write.done, part.size(), options), 0, part);
        const auto done = request(RS_IOC_MEM, image);
        const auto header = read_at<rs_mem>(image);
        if (!is_answered(done, header))
            return with_code(done.failure(), header.error);
        note_stop(write, header);
        if (write.is_complete)
            write.done += part.size();
    }
    return write;
}

Reply<MemorySearch> Debuggee::search_memory(std::uint64_t address, std::uint64_t length,
                                            std::span<const std::byte> pattern, std::uint32_t unit,
                                            MemoryOptions options) {
    if (pattern.empty() || pattern.size() > RS_MAX_MEM_PATTERN ||
        (unit != 1 && unit != 4 && unit != 8))
        return Failure{
            .kind = Failure::Kind::kRefused, .error_number = EINVAL, .code = RS_ERR_BAD_IMAGE};
    MemorySearch search;
    constexpr std::size_t kRoom = 0x2000;  // for 1024 hits
    while (search.is_complete && search.done < length) {
        if (search.hits.size() == RS_MAX_MEM_HITS) {
            search.has_more = true;
            break;
        }
        // Where a piece ends, a hit may begin that reaches into the next.
        const std::uint64_t left = length - search.done;
        const bool is_last = left <= kSearchPiece + pattern.size() - 1;
        const std::uint64_t part = is_last ? left : kSearchPiece + pattern.size() - 1;
        auto header = memory_header(RS_MEM_SEARCH, address + search.done, part, options);
        header.unit = unit;
        header.pattern_len = static_cast<std::uint32_t>(pattern.size());
        const std::size_t room = std::min(kRoom, (RS_MAX_MEM_HITS - search.hits.size()) * 8);
        auto image = memory_image(header, room, pattern);
        const auto done = request(RS_IOC_MEM, image);
        header = read_at<rs_mem>(image);
        if (!is_answered(done, header))
            return with_code(done.failure(), header.error);
        note_stop(search, header);
        if (header.done > part || header.hit_count > (image.size() - sizeof(header)) / 8 ||
            (search.is_complete && header.done == 0))
            return kMalformed;
        for (std::uint32_t i = 0; i < header.hit_count; ++i)
            search.hits.push_back(
                read_at<std::uint64_t>(image, sizeof(header) + i * sizeof(std::uint64_t)));
        const bool is_whole = search.is_complete && header.done == part;
        search.done += is_whole && !is_last ? kSearchPiece : header.done;
    }
    return search;
}

Reply<rs_registers> Debuggee::registers() {
    return request_structure(RS_IOC_REGISTERS, rs_registers{});
}

Reply<rs_msr> Debuggee::read_msr(std::uint32_t msr, std::uint32_t core) {
    return request_structure(RS_IOC_MSR, rs_msr{.core = core, .msr = msr});
}

Reply<rs_msr> Debuggee::write_msr(std::uint32_t msr, std::uint64_t value, std::uint32_t core) {
    return request_structure(
        RS_IOC_MSR, rs_msr{.core = core, .flags = RS_MSRF_WRITE, .msr = msr, .value = value});
}

Reply<rs_cpuid> Debuggee::cpuid(std::uint32_t leaf, std::uint32_t subleaf, std::uint32_t core) {
    return request_structure(RS_IOC_CPUID,
                             rs_cpuid{.core = core, .leaf = leaf, .subleaf = subleaf});
}

Reply<rs_lapic> Debuggee::local_apic() {
    return request_structure(RS_IOC_LAPIC, rs_lapic{});
}

Reply<rs_io_apic> Debuggee::io_apic(std::uint32_t index) {
    return request_structure(RS_IOC_IO_APIC, rs_io_apic{.index = index});
}

Reply<rs_page_walk> Debuggee::page_walk(std::uint64_t address, std::uint32_t process_id) {
    const auto walk = request_structure(RS_IOC_PAGE_WALK,
                                        rs_page_walk{.address = address, .process_id = process_id});
    if (walk && walk->depth > RS_MAX_PAGE_LEVELS)
        return kMalformed;
    return walk;
}

Reply<std::vector<rs_task>> Debuggee::tasks(std::uint32_t which, std::uint32_t process_id,
                                            std::uint64_t task) {
    std::vector<rs_task> tasks;
    std::uint64_t next = 0;
    for (int attempts = 1;;) {
        std::vector<std::byte> image(kListBytes);
        rs_tasks header{};
        header.size = sizeof(header);
        header.total_len = image.size();
        header.which = which;
        header.process_id = process_id;
        header.next = next;
        header.task = task;
        std::memcpy(image.data(), &header, sizeof(header));
        const auto done = request(RS_IOC_TASKS, image);
        header = read_at<rs_tasks>(image);
        if (!done) {
            // The task to go on with may have ended since.
            if (next != 0 && header.error == RS_ERR_BAD_PID && attempts++ < kMaxAttempts) {
                tasks.clear();
                next = 0;
                continue;
            }
            return with_code(done.failure(), header.error);
        }
        if (header.count > (image.size() - sizeof(header)) / sizeof(rs_task) ||
            (header.count == 0 && header.next != 0))
            return kMalformed;
        for (std::size_t i = 0; i < header.count; ++i) {
            tasks.push_back(read_at<rs_task>(image, sizeof(header) + i * sizeof(rs_task)));
            tasks.back().name[sizeof(rs_task::name) - 1] = '\0';
        }
        next = header.next;
        if (next == 0)
            return tasks;
    }
}

namespace {

/// The mappings of an answer. False: they are none.
bool take_mappings(const rs_mappings& header, std::span<const std::byte> data,
                   std::vector<Mapping>& mappings) {
    if (header.used_len > data.size())
        return false;
    auto rest = data.first(header.used_len);
    for (std::uint32_t i = 0; i < header.count; ++i) {
        if (rest.size() < sizeof(rs_mapping))
            return false;
        const auto entry = read_at<rs_mapping>(rest);
        rest = rest.subspan(sizeof(entry));
        if (entry.path_len > rest.size() || entry.end <= entry.start)
            return false;
        const std::string text{reinterpret_cast<const char*>(rest.data()), entry.path_len};
        const bool is_path = (entry.flags & RS_MAPPINGF_PATH) != 0;
        mappings.push_back({.start = entry.start,
                            .end = entry.end,
                            .inode = entry.inode,
                            .name = is_path ? text.substr(text.rfind('/') + 1) : text,
                            .path = is_path ? text : ""});
        rest = rest.subspan(std::min(padded(entry.path_len), rest.size()));
    }
    return true;
}

}  // namespace

Reply<std::vector<Mapping>> Debuggee::mappings(std::uint32_t process_id) {
    std::vector<Mapping> mappings;
    std::uint64_t next = 0;
    for (int attempts = 1;;) {
        std::vector<std::byte> image(kListBytes);
        rs_mappings header{};
        header.size = sizeof(header);
        header.total_len = image.size();
        header.next = next;
        header.process_id = process_id;
        std::memcpy(image.data(), &header, sizeof(header));
        const auto done = request(RS_IOC_MAPPINGS, image);
        header = read_at<rs_mappings>(image);
        if (!done) {
            // The process may have changed them meanwhile.
            if (header.error == RS_ERR_BAD_ADDRESS && attempts++ < kMaxAttempts) {
                mappings.clear();
                next = 0;
                continue;
            }
            return with_code(done.failure(), header.error);
        }
        if (!take_mappings(header, std::span{image}.subspan(sizeof(header)), mappings) ||
            (header.next != 0 && header.next <= next))
            return kMalformed;
        next = header.next;
        if (next == 0)
            return mappings;
    }
}

Reply<std::vector<Symbol>> Debuggee::symbols(const std::string& pattern) {
    constexpr std::size_t kImageBytes = 256 * 1024;
    std::vector<Symbol> symbols;
    rs_symbol_list header{};
    if (pattern.empty() || pattern.size() >= sizeof(header.pattern))
        return Failure{
            .kind = Failure::Kind::kRefused, .error_number = EINVAL, .code = RS_ERR_BAD_IMAGE};
    std::uint64_t next = 0;
    do {
        std::vector<std::byte> image(kImageBytes);
        header = {};
        header.size = sizeof(header);
        header.total_len = image.size();
        header.next = next;
        std::memcpy(header.pattern, pattern.data(), pattern.size());
        std::memcpy(image.data(), &header, sizeof(header));
        const auto done = request(RS_IOC_SYMBOL_LIST, image);
        header = read_at<rs_symbol_list>(image);
        if (!done)
            return with_code(done.failure(), header.error);
        if (header.used_len > image.size() - sizeof(header) ||
            (header.next != 0 && header.next <= next))
            return kMalformed;
        auto rest = std::span<const std::byte>{image}.subspan(sizeof(header), header.used_len);
        for (std::uint32_t i = 0; i < header.count; ++i) {
            if (rest.size() < sizeof(rs_symbol_entry))
                return kMalformed;
            const auto entry = read_at<rs_symbol_entry>(rest);
            rest = rest.subspan(sizeof(entry));
            if (entry.name_len > rest.size())
                return kMalformed;
            symbols.push_back({.address = entry.address,
                               .name = {reinterpret_cast<const char*>(rest.data()), entry.name_len},
                               .type = static_cast<char>(entry.type)});
            rest = rest.subspan(std::min(padded(entry.name_len), rest.size()));
        }
        next = header.next;
    } while (next != 0);
    return symbols;
}

}  // namespace ringside::debuggee
