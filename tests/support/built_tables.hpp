// SPDX-License-Identifier: GPL-3.0-or-later
// Page tables of any format in a test's memory, and what the processor would find in them.
#pragma once

#include <optional>
#include <vector>

#include "memory/page_table.hpp"

namespace ringside::test {

inline constexpr u64 kAddressBits = 0x000f'ffff'ffff'f000;

/// Pages for tables, numbered from 1 (so that no page has address 0).
class Pages final : public memory::PageSource {
public:
    explicit Pages(usize count = 512) : words_(count * 512) {}
    u64 take_page() override {
        return left == 0 || (used_ + 2) * 512 > words_.size() ? 0 : (--left, ++used_ * kPageSize);
    }
    u64* table(u64 address) { return &words_[address / kPageSize * 512]; }
    u64 base() const { return reinterpret_cast<u64>(words_.data()); }

    u64 left = ~u64{0};  ///< pages it still gives

private:
    std::vector<u64> words_;
    u64 used_ = 0;
};

/// What the processor would find.
struct Found {
    u64 target;
    u64 leaf;
    u32 level;
};

template <class Format>
struct BuiltTables {
    explicit BuiltTables(u32 table_levels = 4, u64 encryption_bit = 0, usize page_count = 512)
        : pages{page_count},
          levels{table_levels},
          encryption{encryption_bit},
          root{pages.take_page()},
          table{pages, memory::PhysicalWindow{pages.base(), nullptr, encryption_bit}, root,
                table_levels} {}

    std::optional<Found> walk(u64 address) {
        u64 at = root.value();
        for (u32 level = levels;; --level) {
            const u64 span = u64{1} << (12 + 9 * (level - 1));
            const u64 entry = pages.table(at)[address / span % 512];
            if (!(entry & 1))
                return {};
            const u64 next = entry & kAddressBits & ~encryption;
            if (level == 1 || (entry & 0x80))
                return Found{(next & ~(span - 1)) + address % span, entry, level};
            at = next;
        }
    }

    Pages pages;
    u32 levels;
    u64 encryption;
    Hpa root;
    memory::PageTable<Format> table;
};

}  // namespace ringside::test
