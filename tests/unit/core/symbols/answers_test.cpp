// SPDX-License-Identifier: GPL-3.0-or-later
#include "symbols/answers.hpp"

#include <gtest/gtest.h>

#include "support/fake_shared_memory.hpp"

namespace ringside::symbols {
namespace {

constexpr u64 kKernel = 0xffff'ffff'8100'0000;
constexpr u64 kModules = 0xffff'ffff'c000'0000;

class SymbolAnswers : public ::testing::Test {
protected:
    SymbolAnswers() : table_{SymbolTable::create(memory_)} {
        add(kKernel, 'T', nullptr, "_stext");
        add(kKernel + 0x120, 'T', nullptr, "do_one_thing");
        add(kKernel + 0x160, 'D', nullptr, "jiffies");
        add(kModules, 't', "ext4", "ext4_init");
        add(kModules + 0x1230, 'd', "ext4", "ext4_data");
        EXPECT_TRUE(table_->add_end(memory_, kModules + 0x2000));
        add(kModules + 0x3000, 't', "long", std::string(200, 'x').c_str());
        add(kModules + 0x4000, 't', "long", "last");
        table_->finish(memory_);
    }
    ~SymbolAnswers() override { SymbolTable::destroy(table_, memory_); }

    void add(u64 address, char type, const char* module, const char* name) {
        EXPECT_TRUE(table_->add(memory_, address, type, module, name));
    }

    std::string text_at(u64 address) {
        rs_symbol request = {.size = sizeof request, .address = address};
        const u32 error = answer_symbol(*table_, request);
        EXPECT_EQ(request.error, error);
        EXPECT_EQ(request.address, address);
        EXPECT_EQ(error == RS_OK, request.name[0] != '\0');
        return error == RS_OK ? request.name : std::to_string(error);
    }

    u32 find(const char* name, u64& address) {
        rs_symbol request = {.size = sizeof request};
        std::strncpy(request.name, name, sizeof request.name - 1);
        const u32 error = answer_symbol(*table_, request);
        EXPECT_EQ(request.error, error);
        address = request.address;
        return error;
    }

    /// A list request with `room` bytes for entries.
    static std::vector<u8> list_image(const char* pattern, usize room, u64 next = 0) {
        rs_symbol_list header = {
            .size = sizeof header, .total_len = sizeof header + room, .next = next};
        std::strncpy(header.pattern, pattern, sizeof header.pattern);
        std::vector<u8> image(sizeof header + room, 0xcc);
        std::memcpy(image.data(), &header, sizeof header);
        return image;
    }
    static rs_symbol_list header_of(const std::vector<u8>& image) {
        rs_symbol_list header;
        std::memcpy(&header, image.data(), sizeof header);
        return header;
    }
    /// "module!name type offset" of each entry.
    static std::vector<std::string> entries_of(const std::vector<u8>& image) {
        std::vector<std::string> found;
        const rs_symbol_list header = header_of(image);
        usize at = header.size;
        for (u32 i = 0; i < header.count; ++i) {
            rs_symbol_entry entry;
            std::memcpy(&entry, &image[at], sizeof entry);
            found.emplace_back(reinterpret_cast<const char*>(&image[at + sizeof entry]),
                               entry.name_len);
            found.back() += ' ';
            found.back() += char(entry.type);
            found.back() += ' ' + std::to_string(entry.address & 0xffff);
            at += sizeof entry + (entry.name_len + 7) / 8 * 8;
        }
        EXPECT_EQ(at, header.size + header.used_len);
        return found;
    }

    test::FakeSharedMemory memory_;
    SymbolTable* table_;
};

// lib/vsprintf.c and kernel/kallsyms.c of Linux: sprint_symbol() prints "%s+%#lx/%#lx [%s]", and
// %#lx of 0 is "0x0" in the kernel.
TEST_F(SymbolAnswers, SayAnAddressAsTheKernelDoes) {
    EXPECT_EQ(text_at(kKernel), "_stext+0x0/0x120");
    EXPECT_EQ(text_at(kKernel + 0x15f), "do_one_thing+0x3f/0x40");
    EXPECT_EQ(text_at(kModules + 0x1231), "ext4_data+0x1/0xdd0 [ext4]");
    EXPECT_EQ(text_at(kModules + 0xab), "ext4_init+0xab/0x1230 [ext4]");
}

TEST_F(SymbolAnswers, AnAddressWithoutAName) {
    EXPECT_EQ(text_at(0x400000), std::to_string(RS_ERR_NO_SYMBOL));
    EXPECT_EQ(text_at(kModules + 0x2000), std::to_string(RS_ERR_NO_SYMBOL));
    // 200 characters and "+0x0/0x1000 [long]" are too many for the field.
    EXPECT_EQ(text_at(kModules + 0x3000), std::to_string(RS_ERR_NO_SYMBOL));
}

TEST_F(SymbolAnswers, ANameGivesItsAddress) {
    u64 address = 0;
    EXPECT_EQ(find("jiffies", address), RS_OK);
    EXPECT_EQ(address, kKernel + 0x160);
    EXPECT_EQ(find("ext4:ext4_data", address), RS_OK);
    EXPECT_EQ(address, kModules + 0x1230);
    EXPECT_EQ(find("nt!jiffies", address), RS_OK);
    EXPECT_EQ(find("nothing", address), RS_ERR_NO_SYMBOL);
    EXPECT_EQ(address, 0U);
}

TEST_F(SymbolAnswers, RefuseARequestThatIsNone) {
    rs_symbol request = {.size = sizeof request, .address = kKernel, .reserved = 1};
    EXPECT_EQ(answer_symbol(*table_, request), RS_ERR_BAD_IMAGE);
    request.reserved = 0;
    std::memset(request.name, 'x', sizeof request.name);
    EXPECT_EQ(answer_symbol(*table_, request), RS_ERR_BAD_IMAGE);
}

TEST_F(SymbolAnswers, ListNamesWithTheirModules) {
    auto image = list_image("*!*t*", 4096);
    ASSERT_EQ(answer_list(*table_, image), RS_OK);
    EXPECT_EQ(entries_of(image),
              (std::vector<std::string>{"vmlinux!_stext T 0", "vmlinux!do_one_thing T 288",
                                        "ext4!ext4_init t 0", "ext4!ext4_data d 4656",
                                        "long!last t 16384"}));
    EXPECT_EQ(header_of(image).next, 0U);
    EXPECT_EQ(header_of(image).error, RS_OK);
}

TEST_F(SymbolAnswers, ListGoesOnWhereRoomWasOut) {
    // "ext4!ext4_init" and "ext4!ext4_data" take 0x20 bytes each.
    auto image = list_image("ext4!*", 0x3f);
    ASSERT_EQ(answer_list(*table_, image), RS_OK);
    EXPECT_EQ(entries_of(image), std::vector<std::string>{"ext4!ext4_init t 0"});
    EXPECT_EQ(header_of(image).used_len, 0x20U);
    ASSERT_NE(header_of(image).next, 0U);
    image = list_image("ext4!*", 0x20, header_of(image).next);
    ASSERT_EQ(answer_list(*table_, image), RS_OK);
    EXPECT_EQ(entries_of(image), std::vector<std::string>{"ext4!ext4_data d 4656"});
    EXPECT_EQ(header_of(image).next, 0U);
}

TEST_F(SymbolAnswers, ListWritesNothingBehindItsRoom) {
    auto image = list_image("*!*", 0x50);
    image.resize(image.size() + 64, 0xcc);
    ASSERT_EQ(answer_list(*table_, image), RS_OK);
    const auto header = header_of(image);
    for (usize i = header.size + header.used_len; i < image.size(); ++i)
        ASSERT_EQ(image[i], 0xcc) << i;
}

TEST_F(SymbolAnswers, AListWithoutRoomForOneEntryIsRefused) {
    auto image = list_image("ext4!*", 0x18);
    EXPECT_EQ(answer_list(*table_, image), RS_ERR_BAD_IMAGE);
    EXPECT_EQ(header_of(image).error, RS_ERR_BAD_IMAGE);
    image = list_image("none!*", 0);  // needs none
    EXPECT_EQ(answer_list(*table_, image), RS_OK);
    EXPECT_EQ(header_of(image).count, 0U);
}

TEST_F(SymbolAnswers, RefuseAListThatIsNone) {
    const auto refused = [&](auto change) {
        auto image = list_image("*", 0x100);
        rs_symbol_list header = header_of(image);
        change(header);
        std::memcpy(image.data(), &header, sizeof header);
        return answer_list(*table_, image) == RS_ERR_BAD_IMAGE;
    };
    EXPECT_TRUE(refused([](auto& header) { header.size = 0; }));
    EXPECT_TRUE(refused([](auto& header) { header.size = sizeof header - 8; }));
    EXPECT_TRUE(refused([](auto& header) { header.size = sizeof header + 4; }));
    EXPECT_TRUE(refused([](auto& header) { header.size = 0xffff'fff8; }));
    EXPECT_TRUE(refused([](auto& header) { header.total_len = sizeof header - 8; }));
    EXPECT_TRUE(refused([](auto& header) { header.total_len = ~u64{0}; }));
    EXPECT_TRUE(refused([](auto& header) { header.reserved = 1; }));
    EXPECT_TRUE(refused([](auto& header) { header.next = u64{1} << 32; }));
    EXPECT_TRUE(
        refused([](auto& header) { std::memset(header.pattern, '*', sizeof header.pattern); }));
    EXPECT_FALSE(refused([](auto&) {}));
    EXPECT_FALSE(refused([](auto& header) { header.size += 8; }));
    std::vector<u8> stub(sizeof(rs_symbol_list) - 1);
    EXPECT_EQ(answer_list(*table_, stub), RS_ERR_BAD_IMAGE);
}

}  // namespace
}  // namespace ringside::symbols
