// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel's names and those of its modules, as they were when a machine was made ready for a
// debugger that halts it: a halted kernel cannot be asked. Made in guest context, read in root
// mode.
#pragma once

#include "base/result.hpp"
#include "base/root_pointer.hpp"
#include "base/types.hpp"
#include "event/shared_memory.hpp"

namespace ringside::symbols {

/// What the kernel itself is called among its modules.
inline constexpr const char* kKernelName = "vmlinux";

/// One name. The texts are zero-terminated and belong to the table.
struct Symbol {
    u64 address = 0;
    u64 size_bytes = 0;  ///< up to the next name or end at a higher address; 0: there is none
    const char* name = nullptr;
    const char* module = nullptr;  ///< kKernelName for the kernel itself
    char type = 0;                 ///< as in /proc/kallsyms: 'T', 'd' ...
    bool is_in_module = false;
};

/// Lies in shared memory itself, and what it holds in chunks beside it:
///   entries: 16 bytes each, kEntriesPerChunk in a chunk; after finish() lowest address first
///   names: zero-terminated, one behind the other, none across the end of a chunk
class SymbolTable {
public:
    static constexpr usize kChunkBytes = usize{64} * 1024;
    static constexpr usize kMaxNameLength = 511;  ///< KSYM_NAME_LEN of any kernel, less the zero
    static constexpr u32 kMaxSymbols = 1u << 20;
    static constexpr u32 kMaxModules = 1024;  ///< the kernel itself is one of them

    /// An empty table; null: no memory. `memory` must be the same in all calls for one table.
    /// Context: guest, as those of add(), finish() and destroy(); the caller serialises.
    static SymbolTable* create(event::SharedMemory& memory);
    /// Gives all memory back; nobody may read it any more. Null: nothing to do.
    static void destroy(SymbolTable* table, event::SharedMemory& memory);

    /// Adds a name, in any order.
    ///
    /// @param type    letter, not 0
    /// @param module  null or "": the kernel itself
    /// @param name    1 to kMaxNameLength characters
    /// @return RS_ERR_BAD_IMAGE for a name that is none, RS_ERR_CANNOT_CREATE when memory or room
    /// is
    ///         out: the table stays as it was.
    [[nodiscard]] Result<void> add(event::SharedMemory& memory, u64 address, char type,
                                   const char* module, const char* name);
    /// Adds an end: from `address` up to the next name there is nothing. A name at the same
    /// address is not hidden.
    /// @return as add().
    [[nodiscard]] Result<void> add_end(event::SharedMemory& memory, u64 address);

    /// Sorts; from here on the table can be read and nothing may be added.
    void finish(event::SharedMemory& memory);

    // Context of all below: root mode, of a finished table, at its address there; no locks.

    /// How many names and ends there are.
    u32 count() const { return count_; }

    /// The name that the kernel would say stands at or before `address`: of several at one address
    /// the one that was added first. RS_ERR_NO_SYMBOL: there is none, or it ends before, or the
    /// address is in the lower half, where processes live.
    Result<Symbol> find(u64 address) const;

    /// The address of "name", "module:name" or "module!name"; vmlinux, nt and kernel are the kernel
    /// itself. Without a module the kernel's own come before those of modules, of several the one
    /// with the lowest address. RS_ERR_NO_SYMBOL: there is none.
    Result<u64> find(const char* name) const;

    /// Calls `take(const Symbol&)`, lowest address first, for the names that match "pattern" or
    /// "module!pattern" (pattern.hpp); without a module those of the kernel itself. Ends early when
    /// `take` returns false.
    ///
    /// @param cursor  0: from the start; else what an earlier call returned
    /// @return where to go on, with the name that was not taken; 0: that was all.
    template <class Take>
    u32 list(const char* pattern, u32 cursor, Take take) const {
        Selection selection{pattern};
        for (u32 index = cursor == 0 ? 0 : cursor - 1; index < count_; ++index)
            if (is_selected(index, selection) && !take(symbol_at(index)))
                return index + 1;
        return 0;
    }

private:
    struct Entry {    // 16 bytes
        u64 address;  // 0x00
        u32 name;     // 0x08 chunk * kChunkBytes + offset, grows with each add(); kEnd: an end
        u16 module;   // 0x0c index, 0: the kernel
        u8 type;      // 0x0e
        u8 reserved;  // 0x0f
    };
    static_assert(sizeof(Entry) == 16);

    static constexpr u32 kEnd = ~u32{0};
    static constexpr u32 kEntriesPerChunk = kChunkBytes / sizeof(Entry);
    static constexpr u32 kMaxEntryChunks = kMaxSymbols / kEntriesPerChunk;
    static constexpr u32 kMaxNameChunks = 1024;

    /// A pattern in its parts, and what was found of the last module looked at.
    struct Selection {
        explicit Selection(const char* pattern);
        const char* module;  ///< null: the kernel itself
        const char* module_end;
        const char* name;
        u32 known_module = kMaxModules;
        bool takes_module = false;
    };

    /// @param delta  guest context: root_delta(); root mode: 0
    Entry& entry(u32 index, s64 delta = 0) const {
        return entries_[index / kEntriesPerChunk].in_guest(delta)[index % kEntriesPerChunk];
    }
    const char* text(u32 name, s64 delta = 0) const {
        return names_[name / kChunkBytes].in_guest(delta) + name % kChunkBytes;
    }
    const char* module_name(u32 module, s64 delta = 0) const {
        return module == 0 ? kKernelName : text(modules_[module], delta);
    }
    static bool comes_before(const Entry& left, const Entry& right) {
        return left.address != right.address ? left.address < right.address
                                             : left.name < right.name;
    }

    Result<void> add_entry(event::SharedMemory& memory, const Entry& added);
    Result<u32> add_text(event::SharedMemory& memory, const char* text);
    Result<u32> add_module(event::SharedMemory& memory, const char* module);
    void sort(u32 first, u32 count, s64 delta);
    u32 first_above(u64 address) const;
    Symbol symbol_at(u32 index) const;
    bool is_selected(u32 index, Selection& selection) const;

    u32 count_ = 0;
    u32 name_chunks_ = 0;
    usize names_used_ = kChunkBytes;  ///< bytes of the last chunk
    u32 module_count_ = 1;
    u32 last_module_ = 0;  ///< of the last add(): names come module by module
    u32 modules_[kMaxModules] = {};
    RootPointer<Entry> entries_[kMaxEntryChunks];
    RootPointer<char> names_[kMaxNameChunks];
};

}  // namespace ringside::symbols
