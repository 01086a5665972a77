// SPDX-License-Identifier: GPL-3.0-or-later
// What the requests that look at a machine give (uapi debug.h), for Debuggee's methods of their
// names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ringside/ioctl.h"

namespace ringside::debuggee {

/// Where an address leads.
struct MemoryOptions {
    bool is_physical = false;
    /// Through whose tables; RS_ANY: those of the context. Kernel addresses always lead through the
    /// kernel's. Means nothing for physical addresses.
    std::uint32_t process_id = RS_ANY;
};

/// Why memory could not be reached, if it could not.
struct MemoryStop {
    bool is_complete = true;
    std::uint64_t failed_address = 0;  ///< the first byte that could not be reached
    /// Level of the entry that is missing, 1 (page table) to 5; 0: the page is there, and it is no
    /// RAM, root mode's own, or read-only.
    std::uint32_t failed_level = 0;
    std::uint64_t failed_entry = 0;  ///< what that entry holds
};

struct MemoryRead : MemoryStop {
    std::vector<std::byte> bytes;  ///< from the address on, as many as could be read
};

struct MemoryWrite : MemoryStop {
    std::uint64_t done = 0;  ///< bytes written, from the address on
};

struct MemorySearch : MemoryStop {
    std::vector<std::uint64_t> hits;  ///< addresses, ascending
    std::uint64_t done = 0;           ///< bytes searched
    bool has_more = false;            ///< it ended at RS_MAX_MEM_HITS hits; go on at `done`
};

/// A part of a file in a process's memory.
struct Mapping {
    std::uint64_t start = 0;
    std::uint64_t end = 0;    ///< first address behind it
    std::uint64_t inode = 0;  ///< address of the file's
    std::string name;
    std::string path;  ///< from the root of its file system on; empty if it is not known
};

/// One name of the kernel or a module.
struct Symbol {
    std::uint64_t address = 0;
    std::string name;  ///< "module!name"; the kernel's own module is "vmlinux"
    char type = '?';   ///< its letter in /proc/kallsyms
};

}  // namespace ringside::debuggee
