// SPDX-License-Identifier: GPL-3.0-or-later
// The table of names: built at one address, read at another, as in a debuggee.
#include "symbols/symbol_table.hpp"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>

#include "support/fake_shared_memory.hpp"

namespace ringside::symbols {
namespace {

constexpr u64 kKernel = 0xffff'ffff'8100'0000;
constexpr u64 kModules = 0xffff'ffff'c000'0000;

class SymbolTables : public ::testing::Test {
protected:
    SymbolTables() : table_{SymbolTable::create(memory_)} {}
    ~SymbolTables() override { SymbolTable::destroy(table_, memory_); }

    void add(u64 address, const std::string& name, const char* module = nullptr, char type = 't') {
        ASSERT_TRUE(table_->add(memory_, address, type, module, name.c_str()));
    }
    void add_end(u64 address) { ASSERT_TRUE(table_->add_end(memory_, address)); }

    /// As root mode sees it.
    const SymbolTable& finish() {
        table_->finish(memory_);
        return *RootPointer<SymbolTable>::from_guest(table_, memory_.root_delta()).in_root();
    }

    /// "name+offset/size [module]" in decimal, or "".
    static std::string at(const SymbolTable& table, u64 address) {
        const auto found = table.find(address);
        if (!found) {
            EXPECT_EQ(found.error().code, RS_ERR_NO_SYMBOL);
            return "";
        }
        return std::string{found->name} + "+" + std::to_string(address - found->address) + "/" +
               std::to_string(found->size_bytes) +
               (found->is_in_module ? " [" + std::string{found->module} + "]" : "");
    }
    static std::optional<u64> named(const SymbolTable& table, const char* name) {
        const auto found = table.find(name);
        return found ? std::optional<u64>{*found} : std::nullopt;
    }
    /// Names that match, at most `room` a call.
    static std::string list(const SymbolTable& table, const char* pattern, u32 room = 1000) {
        std::string text;
        u32 cursor = 0;
        do {
            u32 left = room;
            cursor = table.list(pattern, cursor, [&](const Symbol& symbol) {
                if (left == 0)
                    return false;
                --left;
                text += std::string{symbol.module} + "!" + symbol.name + " ";
                return true;
            });
        } while (cursor != 0);
        return text;
    }

    test::FakeSharedMemory memory_{test::FakeSharedMemory::View::kTwo};
    SymbolTable* table_;
};

TEST_F(SymbolTables, AnEmptyOneHasNoAnswer) {
    const SymbolTable& table = finish();
    EXPECT_EQ(at(table, kKernel), "");
    EXPECT_EQ(named(table, "jiffies"), std::nullopt);
    EXPECT_EQ(list(table, "*"), "");
    EXPECT_EQ(table.count(), 0U);
}

TEST_F(SymbolTables, AnAddressIsFoundFromTheNameBeforeIt) {
    add(kKernel + 0x40, "second");
    add(kKernel, "first");
    add(kKernel + 0x60, "third");
    const SymbolTable& table = finish();
    EXPECT_EQ(at(table, kKernel - 1), "");
    EXPECT_EQ(at(table, kKernel), "first+0/64");
    EXPECT_EQ(at(table, kKernel + 0x3f), "first+63/64");
    EXPECT_EQ(at(table, kKernel + 0x40), "second+0/32");
    EXPECT_EQ(at(table, kKernel + 0x5f), "second+31/32");
    EXPECT_EQ(at(table, kKernel + 0x100), "third+160/0");
    EXPECT_EQ(at(table, ~u64{0}), "third+" + std::to_string(~u64{0} - kKernel - 0x60) + "/0");
}

TEST_F(SymbolTables, OfSeveralNamesAtOneAddressTheFirstAddedIsSaid) {
    add(kKernel, "before");
    add(kKernel + 0x10, "zz_first");
    add(kKernel + 0x10, "aa_second");
    add(kKernel + 0x10, "mm_third");
    add(kKernel + 0x30, "after");
    const SymbolTable& table = finish();
    EXPECT_EQ(at(table, kKernel + 0x18), "zz_first+8/32");
    EXPECT_EQ(at(table, kKernel + 0x8), "before+8/16");
    EXPECT_EQ(list(table, "*"),
              "vmlinux!before vmlinux!zz_first vmlinux!aa_second vmlinux!mm_third vmlinux!after ");
}

TEST_F(SymbolTables, BehindAnEndThereIsNothing) {
    add(kModules, "in_text", "ext4");
    add_end(kModules + 0x1000);
    add(kModules + 0x2000, "in_data", "ext4", 'd');
    add_end(kModules + 0x2000);  // of what lies before: the name there is seen
    add_end(kModules + 0x3000);
    const SymbolTable& table = finish();
    EXPECT_EQ(at(table, kModules + 0xfff), "in_text+4095/4096 [ext4]");
    EXPECT_EQ(at(table, kModules + 0x1000), "");
    EXPECT_EQ(at(table, kModules + 0x1fff), "");
    EXPECT_EQ(at(table, kModules + 0x2001), "in_data+1/4096 [ext4]");
    EXPECT_EQ(at(table, kModules + 0x3000), "");
    EXPECT_EQ(list(table, "ext4!*"), "ext4!in_text ext4!in_data ");
    EXPECT_EQ(table.count(), 5U);
}

TEST_F(SymbolTables, OffsetsOfPerCpuDataAreNoAddresses) {
    add(0, "fixed_percpu_data", nullptr, 'A');
    add(0x1f000, "__per_cpu_end", nullptr, 'A');
    add(kKernel, "_stext");
    const SymbolTable& table = finish();
    EXPECT_EQ(at(table, 0), "");
    EXPECT_EQ(at(table, 0x1f004), "");
    EXPECT_EQ(at(table, 0xffff'8880'0000'0000), "");
    EXPECT_EQ(at(table, kKernel + 1), "_stext+1/0");
    EXPECT_EQ(named(table, "fixed_percpu_data"), 0U);
}

TEST_F(SymbolTables, ANameIsFoundWithAndWithoutItsModule) {
    add(kModules + 0x500, "only_there", "ext4");
    add(kModules + 0x600, "both", "ext4");
    add(kModules, "both", "jbd2");
    add(kKernel, "everywhere");
    add(kModules + 0x700, "everywhere", "ext4");
    const SymbolTable& table = finish();
    EXPECT_EQ(named(table, "everywhere"), kKernel);
    EXPECT_EQ(named(table, "vmlinux!everywhere"), kKernel);
    EXPECT_EQ(named(table, "vmlinux:everywhere"), kKernel);
    EXPECT_EQ(named(table, "nt!everywhere"), kKernel);
    EXPECT_EQ(named(table, "kernel!everywhere"), kKernel);
    EXPECT_EQ(named(table, "ext4!everywhere"), kModules + 0x700);
    EXPECT_EQ(named(table, "ext4:everywhere"), kModules + 0x700);
    EXPECT_EQ(named(table, "only_there"), kModules + 0x500);
    EXPECT_EQ(named(table, "vmlinux!only_there"), std::nullopt);
    EXPECT_EQ(named(table, "both"), kModules);
    EXPECT_EQ(named(table, "ext4!both"), kModules + 0x600);
    EXPECT_EQ(named(table, "ext!both"), std::nullopt);
    EXPECT_EQ(named(table, "only"), std::nullopt);
    EXPECT_EQ(named(table, "only_there_"), std::nullopt);
    EXPECT_EQ(named(table, ""), std::nullopt);
    EXPECT_EQ(named(table, "ext4!"), std::nullopt);
    EXPECT_EQ(named(table, "!both"), std::nullopt);
}

TEST_F(SymbolTables, AListIsByPatternAndModule) {
    add(kKernel, "sys_open");
    add(kKernel + 0x10, "sys_close");
    add(kKernel + 0x20, "do_exit");
    add(kModules, "sys_like", "ext4");
    add(kModules + 0x10, "ext4_init", "ext4");
    add(kModules + 0x2000, "sys_other", "jbd2");
    const SymbolTable& table = finish();
    EXPECT_EQ(list(table, "sys_*"), "vmlinux!sys_open vmlinux!sys_close ");
    for (const char* pattern : {"vmlinux!sys_*", "nt!sys_*", "kernel!sys_*"})
        EXPECT_EQ(list(table, pattern), "vmlinux!sys_open vmlinux!sys_close ") << pattern;
    EXPECT_EQ(list(table, "*!sys_*"),
              "vmlinux!sys_open vmlinux!sys_close ext4!sys_like jbd2!sys_other ");
    EXPECT_EQ(list(table, "?xt4!*"), "ext4!sys_like ext4!ext4_init ");
    EXPECT_EQ(list(table, "none!*"), "");
    EXPECT_EQ(list(table, "*!????4_init"), "");
    EXPECT_EQ(list(table, "*!???4_init"), "ext4!ext4_init ");
}

TEST_F(SymbolTables, AListGoesOnWhereItWasInterrupted) {
    for (u32 i = 0; i < 10; ++i)
        add(kKernel + i, "name" + std::to_string(i));
    const SymbolTable& table = finish();
    EXPECT_EQ(list(table, "*", 3), list(table, "*"));
    EXPECT_EQ(list(table, "*", 1), list(table, "*"));
    const auto refuse = [](const Symbol&) { return false; };
    EXPECT_EQ(table.list("*", 0, refuse), 1U);  // where it began, and not the end
    EXPECT_EQ(table.list("*", 10, refuse), 10U);
    EXPECT_EQ(table.list("*", 11, refuse), 0U);
    EXPECT_EQ(table.list("*", ~u32{0}, refuse), 0U);
}

TEST_F(SymbolTables, TypesAndModulesAreKept) {
    add(kKernel, "a", nullptr, 'T');
    add(kModules, "b", "", 'd');
    add(kModules + 1, "c", "ext4", 'R');
    const SymbolTable& table = finish();
    std::string types;
    table.list("*!*", 0, [&](const Symbol& symbol) {
        types += std::string{symbol.type} + symbol.module + (symbol.is_in_module ? "+ " : " ");
        return true;
    });
    EXPECT_EQ(types, "Tvmlinux dvmlinux Rext4+ ");
}

TEST_F(SymbolTables, NamesThatAreNoneAreRefused) {
    const auto code = [&](const char* name, char type = 't') {
        const auto added = table_->add(memory_, kKernel, type, nullptr, name);
        return added ? u32{RS_OK} : u32{added.error().code};
    };
    EXPECT_EQ(code(""), RS_ERR_BAD_IMAGE);
    EXPECT_EQ(code(nullptr), RS_ERR_BAD_IMAGE);
    EXPECT_EQ(code("x", 0), RS_ERR_BAD_IMAGE);
    EXPECT_EQ(code(std::string(512, 'x').c_str()), RS_ERR_BAD_IMAGE);
    EXPECT_EQ(code(std::string(511, 'x').c_str()), RS_OK);
    const auto long_module =
        table_->add(memory_, kKernel, 't', std::string(512, 'm').c_str(), "name");
    EXPECT_FALSE(long_module);
    EXPECT_EQ(finish().count(), 1U);
}

TEST_F(SymbolTables, MoreModulesThanThereIsRoomForAreRefused) {
    for (u32 i = 1; i < SymbolTable::kMaxModules; ++i)
        add(kModules + i, "init", ("module" + std::to_string(i)).c_str());
    const auto added = table_->add(memory_, kModules, 't', "onemore", "init");
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error().code, RS_ERR_CANNOT_CREATE);
    add(kModules, "exit", "module7");  // known ones are found again
    const SymbolTable& table = finish();
    EXPECT_EQ(named(table, "module7!init"), kModules + 7);
    EXPECT_EQ(named(table, "module1023!init"), kModules + 1023);
    EXPECT_EQ(at(table, kModules), "exit+0/1 [module7]");
}

// A table as large as a kernel's, against a map; names cross chunks of both kinds.
TEST_F(SymbolTables, AgreesWithAMapOfTwoHundredThousand) {
    std::mt19937_64 random{4};
    std::map<u64, std::string> model;
    while (model.size() < 200'000)
        model[kKernel + random() % 0x3000'0000] = "s" + std::to_string(random());
    std::vector<std::pair<u64, std::string>> shuffled{model.begin(), model.end()};
    std::shuffle(shuffled.begin(), shuffled.end(), random);
    for (const auto& [address, name] : shuffled)
        add(address, name);
    const SymbolTable& table = finish();
    ASSERT_EQ(table.count(), 200'000U);
    for (int i = 0; i < 20'000; ++i) {
        const u64 address = kKernel + random() % 0x3000'0000;
        const auto above = model.upper_bound(address);
        if (above == model.begin())
            continue;
        const auto below = std::prev(above);
        const auto found = table.find(address);
        ASSERT_TRUE(found);
        ASSERT_EQ(found->address, below->first);
        ASSERT_EQ(found->name, below->second);
        ASSERT_EQ(found->size_bytes, above == model.end() ? 0 : above->first - below->first);
    }
    auto expected = model.begin();
    table.list("*", 0, [&](const Symbol& symbol) {
        EXPECT_EQ(symbol.address, expected->first);
        EXPECT_EQ(symbol.name, expected->second);
        return ++expected != model.end();
    });
    EXPECT_EQ(named(table, std::prev(model.end())->second.c_str()), std::prev(model.end())->first);
}

// The kernel's own order: its names sorted, those of modules above them in disorder.
TEST_F(SymbolTables, SortsModulesBehindASortedKernel) {
    for (u32 i = 0; i < 1000; ++i)
        add(kKernel + 16 * i, "k" + std::to_string(i));
    for (u32 i = 0; i < 1000; ++i)
        add(kModules + i * 7919 % 1000 * 16, "m" + std::to_string(i * 7919 % 1000), "ext4");
    const SymbolTable& table = finish();
    for (u32 i = 0; i < 999; ++i) {
        ASSERT_EQ(at(table, kKernel + 16 * i + 3), "k" + std::to_string(i) + "+3/16");
        ASSERT_EQ(at(table, kModules + 16 * i + 3), "m" + std::to_string(i) + "+3/16 [ext4]");
    }
}

TEST(SymbolTable, ReportsThatMemoryIsOutAndGivesBackWhatItHas) {
    // The table, a chunk of names and one of entries; each missing in turn.
    for (int have = 0; have < 4; ++have) {
        test::FakeSharedMemory memory;
        memory.fail_after(have);
        SymbolTable* const table = SymbolTable::create(memory);
        ASSERT_EQ(table != nullptr, have > 0);
        if (table == nullptr)
            continue;
        const auto added = table->add(memory, kKernel, 't', nullptr, "name");
        EXPECT_EQ(added.ok(), have == 3);
        EXPECT_EQ(added.error().code, have == 3 ? RS_OK : RS_ERR_CANNOT_CREATE);
        table->finish(memory);
        EXPECT_EQ(table->count(), have == 3 ? 1U : 0U);
        SymbolTable::destroy(table, memory);
        EXPECT_EQ(memory.live_blocks(), 0U);
    }
    test::FakeSharedMemory memory;
    SymbolTable::destroy(nullptr, memory);
}

}  // namespace
}  // namespace ringside::symbols
