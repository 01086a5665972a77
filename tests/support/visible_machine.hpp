// SPDX-License-Identifier: GPL-3.0-or-later
// A machine to look at, by the requests of uapi debug.h: memory, registers, MSRs, tasks, symbols
// that the test sets. Stands in front of another module, to which everything else goes.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/types.hpp"
#include "ringside/ioctl.h"
#include "transport/device.hpp"

namespace ringside::test {

struct VisibleMachine {
    struct Symbol {
        u64 address;
        std::string name;  ///< "vmlinux!schedule"
        u64 size;
        char type = 'T';
    };
    struct Mapping {
        u64 start, end;
        std::string path;  ///< a name if it has no '/'
        u64 inode;
    };
    /// Regions by where they begin; bytes beyond them cannot be reached.
    using Memory = std::map<u64, std::vector<u8>>;

    Memory memory;
    Memory physical;
    std::map<std::pair<u32, u32>, u64> msrs;  ///< by core and number
    u32 cores = 2;
    rs_registers registers{};
    std::map<std::pair<u32, u32>, std::array<u32, 4>> leaves;  ///< of CPUID: eax to edx
    rs_lapic lapic{};
    std::vector<rs_io_apic> io_apics;
    rs_page_walk walk{};
    std::vector<rs_task> tasks;     ///< the first is the one that runs
    std::vector<Mapping> mappings;  ///< none: it has no memory
    std::vector<Symbol> symbols;    ///< none: the other module is asked for them
    u32 known_pid = 1;
    u32 last_pid = 0;  ///< of the last request of memory
    unsigned requests = 0;
    unsigned mem_requests = 0;

    void put(u64 address, std::string_view bytes) {
        memory[address].assign(bytes.begin(), bytes.end());
    }
    void put_words(u64 address, std::initializer_list<u64> words);

    /// Opens `inner` with this machine in front. The machine outlives the file.
    transport::DeviceOpener opener(transport::DeviceOpener inner);
};

}  // namespace ringside::test
