// SPDX-License-Identifier: GPL-2.0-or-later
// The address space user code runs in, one a core: root mode as it is, which user code cannot
// reach; the pages of sandbox/layout.hpp; and, page by page as it touches them, what the guest's
// kernel may touch.
#pragma once

#include "memory/guest_page_walk.hpp"
#include "memory/owned_pages.hpp"
#include "memory/page_table.hpp"
#include "sandbox/layout.hpp"

namespace ringside::sandbox {

/// What every core's space is made from. Kernel addresses and physical ones.
struct SpaceSource {
    memory::PageSource& pages;
    memory::PhysicalWindow window;  ///< as the kernel's side sees memory
    Hpa host_table;                 ///< root mode's own page table
    u32 levels = 4;
    Hpa exit_page;
    u64 kernel_cr3 = 0;  ///< of a process, in the kernel
};

/// What filling in a page of the guest's needs to know. Root addresses.
struct FillSource {
    memory::PhysicalWindow window;
    const memory::OwnedPages* owned = nullptr;
    u64 window_base = 0;
    u64 live_cr3 = 0;  ///< of the guest, its kernel half
};

/// Lies in zeroed memory both sides see; pointers are kept as physical addresses. Built by the
/// kernel's side, then used by its own core in root mode only.
class Space {
public:
    /// Builds everything but the code and the guest's pages.
    Result<void> build(const SpaceSource& source);
    /// Maps root mode's image at `address` as the host's table has it.
    Result<void> map_image(const SpaceSource& source, u64 address, u64 bytes);

    /// The page table to load; without encryption bit.
    Hpa table() const { return table_; }
    Hpa register_page() const { return registers_; }
    /// The topmost page of the stack, which holds the frame code starts with.
    Hpa stack_page() const { return stack_top_; }

    /// Shows `bytes` of code that lies at `code`, page-aligned and contiguous. What was shown
    /// before goes. The caller loads the page table afterwards.
    void map_code(const memory::PhysicalWindow& window, Hpa code, u64 bytes);

    /// Gives the page of the stack that holds the return address the right to be written, or takes
    /// it. The caller loads the page table afterwards.
    void set_stack_writable(const memory::PhysicalWindow& window, bool is_writable);

    /// User code touched `address` and found nothing, or no right to write. True: it may now, if
    /// the translations of this space are dropped when `dropped` is set. False: it may not.
    bool fill(const FillSource& source, Gva address, bool is_write, bool& dropped);
    /// Takes the guest's pages out again. The caller loads another page table afterwards.
    void drop_guest_pages(const memory::PhysicalWindow& window);
    bool has_guest_pages() const { return slot_count_ != 0; }

    static constexpr u32 kPoolPages = 24;
    static constexpr u32 kMaxSlots = 384;

private:
    /// Copies what the lower half of the host's table leads to.
    Result<void> share_lower_half(const SpaceSource& source);
    void copy_kernel_half(const memory::PhysicalWindow& window, Hpa from);
    memory::Translation walk_guest(const FillSource& source, Gva address);
    bool install(const FillSource& source, Gva address, u64 leaf);

    Hpa table_;
    Hpa kernel_top_;  ///< the upper half of the kernel's top-level table, copied
    Hpa registers_;
    Hpa stack_top_;
    Hpa user_table_;  ///< the page table of the range at kUserBase
    Hpa code_;
    u32 code_pages_ = 0;
    bool is_stack_writable_ = true;
    u32 levels_ = 4;
    u32 pool_used_ = 0;
    u32 slot_count_ = 0;
    Hpa pool_[kPoolPages];
    Hpa slots_[kMaxSlots];  ///< every entry that was set since the last drop
};
static_assert(sizeof(Space) <= kPageSize);

}  // namespace ringside::sandbox
