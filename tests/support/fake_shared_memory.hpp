// SPDX-License-Identifier: GPL-3.0-or-later
// Shared memory for tests of the event engine: seen at two addresses if asked, never used twice,
// poisoned when released.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <map>

#include "base/bits.hpp"
#include "event/shared_memory.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace ringside::test {

class FakeSharedMemory final : public event::SharedMemory {
public:
    enum class View { kOne, kTwo };

    /// kTwo: root mode has its own mapping, so that an address of the wrong context is another
    /// one (of a page that cannot be touched, as far as the data goes).
    explicit FakeSharedMemory(View view = View::kOne) {
        const int file = memfd_create("ringside-test", 0);
        EXPECT_EQ(ftruncate(file, kBytes), 0);
        guest_ = map(file);
        root_ = view == View::kTwo ? map(file) : guest_;
        close(file);
    }
    ~FakeSharedMemory() {
        EXPECT_TRUE(live_.empty()) << live_.size() << " blocks leaked";
#if defined(__SANITIZE_ADDRESS__)
        __asan_unpoison_memory_region(guest_, kBytes);
        __asan_unpoison_memory_region(root_, kBytes);
#endif
        if (root_ != guest_)
            munmap(root_, kBytes);
        munmap(guest_, kBytes);
    }
    FakeSharedMemory(const FakeSharedMemory&) = delete;
    FakeSharedMemory& operator=(const FakeSharedMemory&) = delete;

    /// Allocations from now on fail once `count` more have succeeded; negative: never.
    void fail_after(int count) {
        left_ = count;
    }
    usize live_blocks() const {
        return live_.size();
    }

    void* allocate(usize bytes) override {
        EXPECT_GT(bytes, 0u);
        EXPECT_LE(bytes, kMaxBytes);
        if (left_ == 0 || used_ + bytes > kBytes)
            return nullptr;
        if (left_ > 0)
            --left_;
        u8* const block = guest_ + used_;
        live_[block] = bytes;
        used_ += align_up(bytes, kPageSize);
        return block;
    }
    void release(void* memory, usize bytes) override {
        const auto block = live_.find(static_cast<u8*>(memory));
        ASSERT_NE(block, live_.end());
        EXPECT_EQ(block->second, bytes);
        std::memset(memory, 0xdd, bytes);
#if defined(__SANITIZE_ADDRESS__)
        __asan_poison_memory_region(memory, bytes);
        __asan_poison_memory_region(root_ + (static_cast<u8*>(memory) - guest_), bytes);
#endif
        live_.erase(block);
    }
    void* allocate_for_user(usize bytes) override {
        return allocate(bytes);
    }
    void release_for_user(void* memory, usize bytes) override {
        release(memory, bytes);
    }
    s64 root_delta() override {
        return root_ - guest_;
    }

private:
    static constexpr usize kBytes = usize{1} << 30;  // untouched pages cost nothing

    static u8* map(int file) {
        void* const at = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        EXPECT_NE(at, MAP_FAILED);
        return static_cast<u8*>(at);
    }

    u8* guest_;
    u8* root_;
    usize used_ = 0;
    int left_ = -1;
    std::map<u8*, usize> live_;
};

}  // namespace ringside::test
