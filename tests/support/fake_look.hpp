// SPDX-License-Identifier: GPL-3.0-or-later
// What a module without a kernel says to the requests that look at the machine (uapi debug.h): what
// the test has put there.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ringside/ioctl.h"

namespace ringside::test {

/// Pieces of memory with nothing between them.
class FakeMemory {
public:
    /// Over what is there already, if it all is; else a new piece.
    void put(std::uint64_t address, std::string_view text);
    /// nullptr: nothing is there.
    std::byte* at(std::uint64_t address);
    /// All of it must be there.
    std::string text(std::uint64_t address, std::size_t length);

private:
    std::map<std::uint64_t, std::vector<std::byte>> pieces_;  ///< by their first address
};

class FakeLook {
public:
    struct Name {
        std::uint64_t address = 0;
        std::string name;  ///< "module!name"
        char type = 't';
    };

    struct Mapping {
        std::uint64_t start = 0, end = 0;
        std::string path;  ///< a name if it has no '/'
        std::uint64_t inode = 0;
    };

    // What the test arranges.
    FakeMemory memory;
    FakeMemory physical;
    std::map<std::uint32_t, FakeMemory> process_memory;  ///< by pid
    std::uint32_t failed_level = 1;                      ///< of absent memory
    std::uint64_t failed_entry = 0;
    rs_registers registers{};
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t> msrs;  ///< by core and number
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::array<std::uint32_t, 4>>
        leaves;  ///< CPUID
    rs_lapic local_apic{};
    std::vector<rs_io_apic> io_apics;
    std::map<std::uint64_t, rs_page_walk> page_walks;  ///< by address; others: absent
    std::vector<rs_task> tasks;                        ///< the first is the current one
    std::vector<Name> names;                           ///< ascending addresses
    std::vector<Mapping> mappings;                     ///< of every process
    std::uint32_t mappings_error = 0;                  ///< instead of them
    std::size_t page_entries = 1000;  ///< tasks, mappings and names an answer has at most
    bool loses_cursor = false;        ///< the next list that goes on is told it has changed

    /// RS_OK or RS_ERR_*, also left in the request's 'error'. RS_ERR_INTERNAL: none of its
    /// requests.
    std::uint32_t answer(std::uint32_t request, std::span<std::byte> argument);
    static bool is_look(std::uint32_t request);

private:
    std::uint32_t answer_memory(std::span<std::byte> argument);
    std::uint32_t answer_tasks(std::span<std::byte> argument);
    std::uint32_t answer_mappings(std::span<std::byte> argument);
    std::uint32_t answer_names(std::span<std::byte> argument);
};

}  // namespace ringside::test
