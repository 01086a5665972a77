// SPDX-License-Identifier: GPL-2.0-or-later
#include "platform.hpp"

namespace ringside {

void* RootMemory::allocate(usize bytes) {
    bytes = align_up(bytes, kPageSize);
    void* memory = platform_->allocate(bytes);
    if (memory && !mark(memory, bytes, true)) {
        mark(memory, bytes, false);
        platform_->release(memory, bytes);
        return nullptr;
    }
    return memory;
}

void RootMemory::release(void* memory, usize bytes) {
    bytes = align_up(bytes, kPageSize);
    mark(memory, bytes, false);
    platform_->release(memory, bytes);
}

void* RootMemory::allocate_for_user(usize bytes) {
    return platform_->allocate(align_up(bytes, kPageSize));
}

void RootMemory::release_for_user(void* memory, usize bytes) {
    platform_->release(memory, align_up(bytes, kPageSize));
}

const u8* RootMemory::open_code_pool() {
    code_pool_ = static_cast<u8*>(allocate(kCodePoolBytes));
    for (bool& is_taken : code_page_taken_)
        is_taken = false;
    return code_pool_;
}

void RootMemory::close_code_pool() {
    if (code_pool_)
        release(code_pool_, kCodePoolBytes);
    code_pool_ = nullptr;
}

u8* RootMemory::allocate_code(usize bytes) {
    const u32 pages = u32(align_up(bytes, kPageSize) / kPageSize);
    if (!code_pool_ || bytes == 0 || pages > kCodePages)
        return nullptr;
    u32 free = 0;
    for (u32 page = 0; page < kCodePages; ++page) {
        free = code_page_taken_[page] ? 0 : free + 1;
        if (free < pages)
            continue;
        const u32 first = page + 1 - pages;
        for (u32 i = first; i <= page; ++i)
            code_page_taken_[i] = true;
        return code_pool_ + usize{first} * kPageSize;
    }
    return nullptr;
}

void RootMemory::release_code(u8* code, usize bytes) {
    const u32 first = u32(usize(code - code_pool_) / kPageSize);
    for (u32 i = 0; i < align_up(bytes, kPageSize) / kPageSize; ++i)
        code_page_taken_[first + i] = false;
}

u64 RootMemory::take_page() {
    if (!tables_ || tables_->count == PageIndex::kCapacity) {
        auto* index = static_cast<PageIndex*>(allocate(kPageSize));
        if (!index)
            return 0;
        index->next = tables_;
        tables_ = index;
    }
    void* page = allocate(kPageSize);
    if (!page)
        return 0;
    const u64 address = physical(page).value();
    tables_->pages[tables_->count++] = address;
    ++table_page_count_;
    return address;
}

void RootMemory::release_pages() {
    while (tables_) {
        PageIndex* index = tables_;
        tables_ = index->next;
        for (u64 i = 0; i < index->count; ++i)
            release(from_physical<void>(Hpa{index->pages[i]}), kPageSize);
        release(index, kPageSize);
    }
}

bool RootMemory::mark(void* memory, usize bytes, bool owned) {
    if (!owned_)
        return true;
    const Hpa start = physical(memory);
    for (usize offset = 0; offset < bytes; offset += kPageSize) {
        const Hpa page = start + offset;
        if (!memory::OwnedPages::covers(page))
            return false;  // could not be kept from scripts
        if (owned && owned_->needs_map(page)) {
            void* map = platform_->allocate(kPageSize);
            if (!map)
                return false;
            owned_->adopt_map(page, physical(map));
        }
        owned_->set(page, owned, direct_map_);
    }
    return true;
}

}  // namespace ringside
