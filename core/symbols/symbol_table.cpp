// SPDX-License-Identifier: GPL-2.0-or-later
#include "symbols/symbol_table.hpp"

#include <new>
#include <utility>

#include "base/memory.hpp"
#include "symbols/pattern.hpp"

namespace ringside::symbols {
namespace {

/// Other names of the kernel itself (script language, rule 5 of names).
constexpr const char* kKernelAliases[] = {kKernelName, "nt", "kernel"};

bool is_kernel(const char* text, const char* end) {
    for (const char* alias : kKernelAliases)
        if (is_word(text, end, alias))
            return true;
    return false;
}

/// Canonical addresses of the kernel.
bool is_upper_half(u64 address) {
    return s64(address) < 0;
}

}  // namespace

SymbolTable* SymbolTable::create(event::SharedMemory& memory) {
    void* const block = memory.allocate(sizeof(SymbolTable));
    return block == nullptr ? nullptr : new (block) SymbolTable;
}

void SymbolTable::destroy(SymbolTable* table, event::SharedMemory& memory) {
    if (table == nullptr)
        return;
    const s64 delta = memory.root_delta();
    for (const auto& chunk : table->entries_)
        if (chunk)
            memory.release(chunk.in_guest(delta), kChunkBytes);
    for (const auto& chunk : table->names_)
        if (chunk)
            memory.release(chunk.in_guest(delta), kChunkBytes);
    memory.release(table, sizeof(SymbolTable));
}

Result<void> SymbolTable::add(event::SharedMemory& memory, u64 address, char type,
                              const char* module, const char* name) {
    if (type == 0 || name == nullptr || *name == '\0')
        return Error{RS_ERR_BAD_IMAGE, address};
    const auto index = add_module(memory, module);
    if (!index)
        return index.error();
    const auto text = add_text(memory, name);
    if (!text)
        return text.error();
    return add_entry(memory, {.address = address,
                              .name = *text,
                              .module = u16(*index),
                              .type = u8(type),
                              .reserved = 0});
}

Result<void> SymbolTable::add_end(event::SharedMemory& memory, u64 address) {
    return add_entry(memory,
                     {.address = address, .name = kEnd, .module = 0, .type = 0, .reserved = 0});
}

Result<void> SymbolTable::add_entry(event::SharedMemory& memory, const Entry& added) {
    if (count_ == kMaxSymbols)
        return Error{RS_ERR_CANNOT_CREATE, count_};
    auto& chunk = entries_[count_ / kEntriesPerChunk];
    if (!chunk) {
        auto* const fresh = static_cast<Entry*>(memory.allocate(kChunkBytes));
        if (fresh == nullptr)
            return Error{RS_ERR_CANNOT_CREATE, count_};
        chunk = RootPointer<Entry>::from_guest(fresh, memory.root_delta());
    }
    entry(count_++, memory.root_delta()) = added;
    return {};
}

Result<u32> SymbolTable::add_text(event::SharedMemory& memory, const char* text) {
    const usize length = length_of(text);
    if (length > kMaxNameLength)
        return Error{RS_ERR_BAD_IMAGE, length};
    if (names_used_ + length + 1 > kChunkBytes) {
        void* const fresh = name_chunks_ == kMaxNameChunks ? nullptr : memory.allocate(kChunkBytes);
        if (fresh == nullptr)
            return Error{RS_ERR_CANNOT_CREATE, name_chunks_};
        names_[name_chunks_++] =
            RootPointer<char>::from_guest(static_cast<char*>(fresh), memory.root_delta());
        names_used_ = 0;
    }
    char* const chunk = names_[name_chunks_ - 1].in_guest(memory.root_delta());
    copy_bytes(chunk + names_used_, text, length + 1);
    const u32 name = (name_chunks_ - 1) * u32{kChunkBytes} + u32(names_used_);
    names_used_ += length + 1;
    return name;
}

Result<u32> SymbolTable::add_module(event::SharedMemory& memory, const char* module) {
    if (module == nullptr || *module == '\0')
        return last_module_ = 0;
    const char* const end = module + length_of(module);
    const auto is_it = [&](u32 index) {
        return is_word(module, end, module_name(index, memory.root_delta()));
    };
    if (is_it(last_module_))
        return last_module_;
    for (u32 index = 0; index < module_count_; ++index)
        if (is_it(index))
            return last_module_ = index;
    if (module_count_ == kMaxModules)
        return Error{RS_ERR_CANNOT_CREATE, module_count_};
    const auto text = add_text(memory, module);
    if (!text)
        return text.error();
    modules_[module_count_] = *text;
    return last_module_ = module_count_++;
}

void SymbolTable::finish(event::SharedMemory& memory) {
    const s64 delta = memory.root_delta();
    // The kernel gives its own names in order and those of its modules, which lie above, behind
    // them: then only the latter have to be sorted.
    u32 sorted = count_ == 0 ? 0 : 1;
    while (sorted < count_ && comes_before(entry(sorted - 1, delta), entry(sorted, delta)))
        ++sorted;
    sort(sorted, count_ - sorted, delta);
    if (sorted != 0 && sorted < count_ &&
        comes_before(entry(sorted, delta), entry(sorted - 1, delta)))
        sort(0, count_, delta);
}

/// Heap sort: in place, no recursion, no bad case.
void SymbolTable::sort(u32 first, u32 count, s64 delta) {
    const auto at = [&](u32 index) -> Entry& { return entry(first + index, delta); };
    const auto sink = [&](u32 root, u32 end) {
        for (u32 child = 2 * root + 1; child < end; child = 2 * root + 1) {
            if (child + 1 < end && comes_before(at(child), at(child + 1)))
                ++child;
            if (!comes_before(at(root), at(child)))
                return;
            std::swap(at(root), at(child));
            root = child;
        }
    };
    for (u32 root = count / 2; root-- > 0;)
        sink(root, count);
    for (u32 end = count; end > 1; --end) {
        std::swap(at(0), at(end - 1));
        sink(0, end - 1);
    }
}

/// Index of the first entry above `address`; count_: there is none.
u32 SymbolTable::first_above(u64 address) const {
    u32 low = 0;
    u32 high = count_;
    while (low < high) {
        const u32 middle = low + (high - low) / 2;
        if (entry(middle).address > address)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

Symbol SymbolTable::symbol_at(u32 index) const {
    const Entry& found = entry(index);
    u32 next = index + 1;
    while (next < count_ && entry(next).address == found.address)
        ++next;
    return {.address = found.address,
            .size_bytes = next < count_ ? entry(next).address - found.address : 0,
            .name = text(found.name),
            .module = module_name(found.module),
            .type = char(found.type),
            .is_in_module = found.module != 0};
}

Result<Symbol> SymbolTable::find(u64 address) const {
    const u32 above = first_above(address);
    if (!is_upper_half(address) || above == 0)
        return Error{RS_ERR_NO_SYMBOL, address};
    const u64 start = entry(above - 1).address;
    // Names at one address stand as they were added, an end behind them.
    const u32 first = start == 0 ? 0 : first_above(start - 1);
    if (!is_upper_half(start) || entry(first).name == kEnd)
        return Error{RS_ERR_NO_SYMBOL, address};
    return symbol_at(first);
}

Result<u64> SymbolTable::find(const char* name) const {
    const char* const separator = first_of(name, "!:");
    const char* const wanted = separator == nullptr ? name : separator + 1;
    const char* const end = wanted + length_of(wanted);
    const bool wants_kernel = separator != nullptr && is_kernel(name, separator);
    u32 found = kMaxSymbols;
    for (u32 index = 0; index < count_; ++index) {
        const Entry& one = entry(index);
        if (one.name == kEnd || !is_word(wanted, end, text(one.name)))
            continue;
        if (separator == nullptr || wants_kernel) {
            if (one.module == 0)
                return one.address;
            if (!wants_kernel && found == kMaxSymbols)
                found = index;
        } else if (one.module != 0 && is_word(name, separator, module_name(one.module))) {
            return one.address;
        }
    }
    if (found == kMaxSymbols)
        return Error{RS_ERR_NO_SYMBOL};
    return entry(found).address;
}

SymbolTable::Selection::Selection(const char* pattern) {
    const char* const separator = first_of(pattern, "!");
    const bool of_kernel = separator == nullptr || is_kernel(pattern, separator);
    module = of_kernel ? nullptr : pattern;
    module_end = of_kernel ? nullptr : separator;
    name = separator == nullptr ? pattern : separator + 1;
}

bool SymbolTable::is_selected(u32 index, Selection& selection) const {
    const Entry& one = entry(index);
    if (one.name == kEnd)
        return false;
    if (one.module != selection.known_module) {
        selection.known_module = one.module;
        selection.takes_module =
            selection.module == nullptr
                ? one.module == 0
                : matches(selection.module, selection.module_end, module_name(one.module));
    }
    return selection.takes_module && matches(selection.name, nullptr, text(one.name));
}

}  // namespace ringside::symbols
