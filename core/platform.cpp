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
    if (reserve_ && reserve_->contains(memory))
        return reserve_->release(memory, bytes);
    bytes = align_up(bytes, kPageSize);
    mark(memory, bytes, false);
    platform_->release(memory, bytes);
}

void* RootMemory::allocate_for_user(usize bytes) {
    return platform_->allocate(align_up(bytes, kPageSize));
}

void RootMemory::release_for_user(void* memory, usize bytes) {
    if (reserve_ && reserve_->contains(memory)) {
        mark_for_user(memory, bytes, false);
        return reserve_->release(memory, bytes);
    }
    platform_->release(memory, align_up(bytes, kPageSize));
}

const u8* RootMemory::open_code_pool() {
    code_pool_ = static_cast<event::CodePool*>(allocate(sizeof(event::CodePool)));
    if (!code_pool_)
        return nullptr;
    code_pool_->open(static_cast<u8*>(allocate(kCodePoolBytes)));
    return code_pool_->memory();
}

void RootMemory::close_code_pool() {
    if (!code_pool_)
        return;
    if (code_pool_->memory())
        release(code_pool_->memory(), kCodePoolBytes);
    release(code_pool_, sizeof(event::CodePool));
    code_pool_ = nullptr;
}

u8* RootMemory::allocate_code(usize bytes) {
    return code_pool_ ? code_pool_->allocate(bytes) : nullptr;
}

void RootMemory::release_code(u8* code, usize bytes) {
    code_pool_->release(code, bytes);
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
