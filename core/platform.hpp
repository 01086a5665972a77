// SPDX-License-Identifier: GPL-2.0-or-later
// What the core needs from an operating system: the functions and facts of core_api.h, and the
// memory root mode runs in. Kernel context only.
#pragma once

#include "base/result.hpp"
#include "core_api.h"
#include "event/code_pool.hpp"
#include "event/reserve.hpp"
#include "event/shared_memory.hpp"
#include "memory/owned_pages.hpp"
#include "memory/page_table.hpp"
#include "memory/physical_window.hpp"

namespace ringside {

/// Where root mode sees physical address 0: an address of our own in the lower half, so that the
/// guest kernel's addresses stay free in root's page table.
inline constexpr u64 kRootWindowBase = 0x0000'1000'0000'0000;
/// Where root mode sees the local APIC's page, uncached.
inline constexpr u64 kRootLapicBase = 0x0000'0800'0000'0000;
/// And those of the IO-APICs, one after the other.
inline constexpr u64 kRootIoApicBase = kRootLapicBase + kPageSize;

/// And the memory a virtual machine shares with its host, for the debug link.
inline constexpr u64 kRootSharedBase = 0x0000'0a00'0000'0000;

/// Where root mode executes the machine code of scripts: not writable there.
inline constexpr u64 kRootCodeBase = 0x0000'0900'0000'0000;
inline constexpr usize kCodePoolBytes = event::CodePool::kBytes;

/// The memory of root mode. Every page is marked as owned while it is in use, so that no script
/// reaches it.
class RootMemory final : public event::SharedMemory, public memory::PageSource {
public:
    void init(const rs_platform& platform, u64 direct_map, memory::OwnedPages* owned) {
        platform_ = &platform;
        direct_map_ = direct_map;
        owned_ = owned;
        reserve_ = nullptr;
        tables_ = nullptr;
        table_page_count_ = 0;
    }

    // event::SharedMemory
    void* allocate(usize bytes) override;
    void release(void* memory, usize bytes) override;
    void* allocate_for_user(usize bytes) override;
    void release_for_user(void* memory, usize bytes) override;
    u8* allocate_code(usize bytes) override;
    void release_code(u8* code, usize bytes) override;
    u64 code_in_root(const u8* code) override {
        return kRootCodeBase + static_cast<u64>(code - code_pool_->memory());
    }
    /// Takes the memory of allocate_code(); null: there is none, and scripts are interpreted.
    const u8* open_code_pool();
    void close_code_pool();
    event::CodePool* code_pool() { return code_pool_; }
    /// Memory that was taken there is given back there.
    void use_reserve(event::Reserve* reserve) { reserve_ = reserve; }
    /// Whether pages can be reached by scripts is changed here, too.
    void mark_for_user(void* memory, usize bytes, bool is_for_user) {
        mark(memory, align_up(bytes, kPageSize), !is_for_user);
    }
    s64 root_delta() override { return s64(kRootWindowBase - direct_map_); }
    u64 direct_map() const { return direct_map_; }

    // memory::PageSource: pages of page tables, given back together by release_pages().
    u64 take_page() override;
    void release_pages();

    template <class T>
    T* to_root(T* kernel_pointer) const {
        return reinterpret_cast<T*>(reinterpret_cast<u64>(kernel_pointer) - direct_map_ +
                                    kRootWindowBase);
    }
    Hpa physical(const void* kernel_pointer) const {
        return Hpa{reinterpret_cast<u64>(kernel_pointer) - direct_map_};
    }
    template <class T>
    T* from_physical(Hpa address) const {
        return reinterpret_cast<T*>(address.value() + direct_map_);
    }

    /// Calls function(Hpa) for every page handed out by take_page().
    template <class Function>
    void for_each_table_page(Function function) const {
        for (const PageIndex* index = tables_; index; index = index->next)
            for (u64 i = 0; i < index->count; ++i)
                function(Hpa{index->pages[i]});
    }

    u64 table_page_count() const { return table_page_count_; }

private:
    /// One page that lists pages of page tables.
    struct PageIndex {
        static constexpr u64 kCapacity = (kPageSize - 16) / 8;
        PageIndex* next;
        u64 count;
        u64 pages[kCapacity];
    };
    static_assert(sizeof(PageIndex) == kPageSize);

    bool mark(void* memory, usize bytes, bool owned);

    event::CodePool* code_pool_ = nullptr;
    event::Reserve* reserve_ = nullptr;
    const rs_platform* platform_ = nullptr;
    u64 direct_map_ = 0;
    memory::OwnedPages* owned_ = nullptr;
    PageIndex* tables_ = nullptr;
    u64 table_page_count_ = 0;
};

}  // namespace ringside
