// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/space.hpp"

#include "base/memory.hpp"

namespace ringside::sandbox {

namespace page = x86::page;

namespace {

constexpr u64 kOldBits = page::kAccessed | page::kDirty;  // no locked update by the processor

/// Tables that user code may go through.
struct UserFormat : memory::HostFormat {
    static constexpr u64 kTable = memory::HostFormat::kTable | page::kUser;
};

u64* entries(const memory::PhysicalWindow& window, Hpa table) {
    return static_cast<u64*>(window.at_own(table));
}

/// A process may have a private entry there, for its LDT; what it leads to is freed with it.
/// Source: Linux arch/x86/include/asm/pgtable_64_types.h, LDT_PGD_ENTRY.
constexpr u32 kLdtEntry = 512 - 240;

}  // namespace

Result<void> Space::build(const SpaceSource& source) {
    levels_ = source.levels;
    for (Hpa* taken : {&table_, &kernel_top_, &registers_}) {
        *taken = Hpa{source.pages.take_page()};
        if (taken->value() == 0)
            return Error{RS_ERR_CANNOT_CREATE};
    }
    RS_TRY(share_lower_half(source));
    copy_kernel_half(source.window, Hpa{source.kernel_cr3 & page::kAddress});

    memory::PageTable<UserFormat> user{source.pages, source.window, table_, levels_};
    constexpr u64 kData = page::kUser | page::kWritable | page::kNoExecute | kOldBits;
    RS_TRY(user.map(kExitPage, kPageSize, source.exit_page, page::kUser | kOldBits, 1));
    RS_TRY(user.map(kRegisterPage, kPageSize, registers_, kData, 1));
    for (u64 offset = 0; offset < kStackBytes; offset += kPageSize) {
        stack_top_ = Hpa{source.pages.take_page()};
        if (stack_top_.value() == 0)
            return Error{RS_ERR_CANNOT_CREATE};
        RS_TRY(user.map(kStackBase + offset, kPageSize, stack_top_, kData, 1));
    }
    auto slot = user.entry(kUserBase, 1);
    if (!slot)
        return slot.error();
    user_table_ = source.window.address_of(*slot).page();
    for (Hpa& table : pool_) {
        table = Hpa{source.pages.take_page()};
        if (table.value() == 0)
            return Error{RS_ERR_CANNOT_CREATE};
    }
    return {};
}

Result<void> Space::share_lower_half(const SpaceSource& source) {
    const u64* host = entries(source.window, source.host_table);
    u64* own = entries(source.window, table_);
    for (u32 i = 0; i < 256; ++i)
        own[i] = host[i];
    if (levels_ == 4)
        return {};
    // All of root mode's lower half is below one entry of the fifth level; so are our pages.
    const Hpa below{source.pages.take_page()};
    if (below.value() == 0)
        return Error{RS_ERR_CANNOT_CREATE};
    const u64 encryption = source.window.encryption();
    const u32 index = page::index(kUserBase, 5);
    const Hpa host_below{host[index] & page::kAddress & ~encryption};
    copy_bytes(source.window.at_own(below), source.window.at_own(host_below), kPageSize);
    own[index] = below.value() | encryption | UserFormat::kTable;
    return {};
}

void Space::copy_kernel_half(const memory::PhysicalWindow& window, Hpa from) {
    const u64* live = entries(window, Hpa{from.value() & ~window.encryption()});
    u64* kept = entries(window, kernel_top_);
    for (u32 i = 256; i < 512; ++i)
        if (i != kLdtEntry)
            kept[i] = live[i];
}

Result<void> Space::map_image(const SpaceSource& source, u64 address, u64 bytes) {
    // The tables get the user bit, which the leaves do not: others below them may need it.
    memory::PageTable<UserFormat> table{source.pages, source.window, table_, levels_};
    const memory::PagingState host{source.host_table.value(), levels_};
    for (u64 offset = 0; offset < bytes; offset += kPageSize) {
        const memory::Translation found =
            memory::walk_guest_page(source.window, host, Gva{address + offset});
        if (!found.ok)
            return Error{RS_ERR_CANNOT_CREATE, address + offset};
        const u64 rights = kOldBits | (found.writable ? page::kWritable : 0) |
                           (found.executable ? 0 : page::kNoExecute);
        RS_TRY(table.map(address + offset, kPageSize, found.address, rights, 1));
    }
    return {};
}

void Space::map_code(const memory::PhysicalWindow& window, Hpa code, u64 bytes) {
    const u32 pages = u32(align_up(bytes, kPageSize) / kPageSize);
    if (code == code_ && pages == code_pages_)
        return;
    u64* slots = entries(window, user_table_) + page::index(kCodeBase, 1);
    for (u32 i = 0; i < pages; ++i)
        slots[i] = (code.value() + i * kPageSize) | window.encryption() | page::kPresent |
                   page::kUser | kOldBits;
    for (u32 i = pages; i < code_pages_; ++i)
        slots[i] = 0;
    code_ = code;
    code_pages_ = pages;
}

void Space::set_stack_writable(const memory::PhysicalWindow& window, bool is_writable) {
    if (is_writable == is_stack_writable_)
        return;
    is_stack_writable_ = is_writable;
    entries(window, user_table_)[page::index(kEntryStack, 1)] ^= page::kWritable;
}

memory::Translation Space::walk_guest(const FillSource& source, Gva address) {
    const memory::PagingState kept{kernel_top_.value(), levels_};
    memory::Translation found = memory::walk_guest_page(source.window, kept, address);
    if (found.ok || found.level != levels_)
        return found;
    // The kernel's half grew at the top since the launch.
    const Hpa live{source.live_cr3 & page::kAddress & ~source.window.encryption()};
    const u32 index = page::index(address.value(), levels_);
    if (index == kLdtEntry || !source.window.at(live))
        return found;
    const u64 entry = entries(source.window, live)[index];
    if (!(entry & page::kPresent))
        return found;
    entries(source.window, kernel_top_)[index] = entry;
    return memory::walk_guest_page(source.window, kept, address);
}

bool Space::fill(const FillSource& source, Gva address, bool is_write, bool& dropped) {
    dropped = false;
    if (s64(address.value()) >= 0)
        return false;
    const auto reachable = [&](Hpa target) {
        return source.window.at(target) && !source.owned->contains(target, source.window_base);
    };
    const memory::Translation found = walk_guest(source, address);
    if (!found.ok || found.user || !reachable(found.address) || (is_write && !found.writable))
        return false;
    // A page that is clean for the guest is given without the right to write, so that the first
    // write is seen and marked.
    const bool is_dirty = *found.leaf & page::kDirty;
    if (is_write && !is_dirty) {
        if (!reachable(source.window.address_of(found.leaf)))
            return false;
        memory::mark_accessed(found, true);
    }
    const u64 leaf = found.address.page().value() | source.window.encryption() | page::kPresent |
                     page::kUser | page::kNoExecute | kOldBits |
                     (found.writable && (is_write || is_dirty) ? page::kWritable : 0);
    if (install(source, address, leaf))
        return true;
    if (slot_count_ == 0)
        return false;
    drop_guest_pages(source.window);
    dropped = true;
    return install(source, address, leaf);
}

/// False: an entry of root mode's is there, or there is no room left for another.
bool Space::install(const FillSource& source, Gva address, u64 leaf) {
    if (slot_count_ + levels_ > kMaxSlots)
        return false;
    const u64 encryption = source.window.encryption();
    Hpa table = table_;
    for (u32 level = levels_; level > 1; --level) {
        u64* slot = entries(source.window, table) + page::index(address.value(), level);
        if (!(*slot & page::kPresent)) {
            if (pool_used_ == kPoolPages)
                return false;
            *slot = pool_[pool_used_++].value() | encryption | UserFormat::kTable | kOldBits;
            slots_[slot_count_++] = source.window.address_of(slot);
        }
        table = Hpa{*slot & page::kAddress & ~encryption};
    }
    u64* slot = entries(source.window, table) + page::index(address.value(), 1);
    if (!(*slot & page::kPresent))
        slots_[slot_count_++] = source.window.address_of(slot);
    else if (!(*slot & page::kUser))
        return false;
    *slot = leaf;
    return true;
}

void Space::drop_guest_pages(const memory::PhysicalWindow& window) {
    for (u32 i = 0; i < slot_count_; ++i)
        *static_cast<u64*>(window.at_own(slots_[i])) = 0;
    slot_count_ = 0;
    pool_used_ = 0;
}

}  // namespace ringside::sandbox
