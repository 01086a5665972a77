// SPDX-License-Identifier: GPL-3.0-or-later
// Debuggee's requests that look at the machine, and how large ones are split.
#include "debuggee/look.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

#include "debuggee/debuggee.hpp"
#include "support/fake_device.hpp"

namespace ringside::debuggee {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
    return std::as_bytes(std::span{text});
}
std::string text_of(const std::vector<std::byte>& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class LookingDebuggee : public testing::Test {
protected:
    void SetUp() override {
        ASSERT_TRUE(debuggee.connect_local(module.opener()));
        ASSERT_TRUE(debuggee.load());
        module.on_request([this](std::uint32_t request) { requests.push_back(request); });
    }

    transport::Loop loop;
    test::FakeModule module;
    test::FakeLook& look = module.look();
    Debuggee debuggee{loop};
    std::vector<std::uint32_t> requests;
};

TEST_F(LookingDebuggee, ReadsMemoryOfAnyLength) {
    std::string text(0x12345, '\0');
    for (std::size_t i = 0; i < text.size(); ++i)
        text[i] = static_cast<char>(i * 7 + i / 251);
    look.memory.put(0xffff'8880'0000'0ff0, text);
    const auto read = debuggee.read_memory(0xffff'8880'0000'0ff0, text.size());
    ASSERT_TRUE(read);
    EXPECT_TRUE(read->is_complete);
    EXPECT_EQ(text_of(read->bytes), text);
    EXPECT_EQ(requests.size(), 3u);
    EXPECT_TRUE(debuggee.read_memory(0, 0)->is_complete);
}

TEST_F(LookingDebuggee, GivesWhatCouldBeReadAndWhereItStopped) {
    look.memory.put(0x40'0000, std::string(0x9000, 'x'));
    look.failed_level = 2;
    look.failed_entry = 0x80;
    const auto read = debuggee.read_memory(0x40'0000, 0x20000);
    ASSERT_TRUE(read);
    EXPECT_FALSE(read->is_complete);
    EXPECT_EQ(read->bytes.size(), 0x9000u);
    EXPECT_EQ(read->failed_address, 0x40'9000u);
    EXPECT_EQ(read->failed_level, 2u);
    EXPECT_EQ(read->failed_entry, 0x80u);
}

TEST_F(LookingDebuggee, LooksThroughOtherTables) {
    look.physical.put(0x1000, "p");
    look.process_memory[77].put(0x1000, "o");
    EXPECT_EQ(text_of(debuggee.read_memory(0x1000, 1, {.is_physical = true})->bytes), "p");
    EXPECT_EQ(text_of(debuggee.read_memory(0x1000, 1, {.process_id = 77})->bytes), "o");
    const auto nobody = debuggee.read_memory(0x1000, 1, {.process_id = 78});
    EXPECT_EQ(nobody.failure().code, RS_ERR_BAD_PID);
    EXPECT_EQ(nobody.failure().error_number, ESRCH);
}

TEST_F(LookingDebuggee, WritesMemoryPieceByPiece) {
    look.memory.put(0x1000, std::string(0xa000, '-'));
    const std::string text(0x9000, 'w');
    const auto written = debuggee.write_memory(0x1800, bytes_of(text));
    ASSERT_TRUE(written);
    EXPECT_TRUE(written->is_complete);
    EXPECT_EQ(written->done, 0x9000u);
    EXPECT_EQ(look.memory.text(0x1800, 0x9000), text);
    EXPECT_EQ(look.memory.text(0xa800, 1), "-");

    // The second piece leads behind the end: nothing of it is written.
    const auto half = debuggee.write_memory(0x2800, bytes_of(std::string(0x9000, 'h')));
    ASSERT_TRUE(half);
    EXPECT_FALSE(half->is_complete);
    EXPECT_EQ(half->done, 0x8000u);
    EXPECT_EQ(half->failed_address, 0xb000u);
    EXPECT_EQ(look.memory.text(0xa7ff, 2), "h-");
}

TEST_F(LookingDebuggee, FindsEveryHitOnceWhateverThePieces) {
    // 4 MiB are one request: a hit on the border, and one on each side.
    constexpr std::uint64_t kBase = 0x10'0000, kPiece = 0x40'0000;
    look.memory.put(kBase, std::string(kPiece + 0x100, '.'));
    for (const std::uint64_t at : {kPiece - 9, kPiece - 4, kPiece + 1})
        look.memory.put(kBase + at, "hit");
    const auto search =
        debuggee.search_memory(kBase, kPiece + 0x100, bytes_of(std::string("hit")), 1);
    ASSERT_TRUE(search);
    EXPECT_TRUE(search->is_complete);
    EXPECT_EQ(search->done, kPiece + 0x100);
    EXPECT_EQ(search->hits, (std::vector<std::uint64_t>{kBase + kPiece - 9, kBase + kPiece - 4,
                                                        kBase + kPiece + 1}));
    look.memory.put(kBase + kPiece - 1, "hit");
    look.memory.put(kBase + kPiece - 4, "...");
    EXPECT_EQ(
        debuggee.search_memory(kBase, kPiece + 0x100, bytes_of(std::string("hit")), 1)->hits.size(),
        2u);
}

TEST_F(LookingDebuggee, StopsAtTheMostHitsAndAtAbsentMemory) {
    look.memory.put(0x1000, std::string(0x2000, 'a'));
    auto search = debuggee.search_memory(0x1000, 0x2000, bytes_of(std::string("a")), 1);
    ASSERT_TRUE(search);
    EXPECT_EQ(search->hits.size(), RS_MAX_MEM_HITS);
    EXPECT_EQ(search->hits.back(), 0x1fffu);
    EXPECT_TRUE(search->has_more);
    EXPECT_EQ(search->done, 0x1000u);
    search = debuggee.search_memory(0x2fff, 0x2000, bytes_of(std::string("a")), 1);
    EXPECT_FALSE(search->is_complete);
    EXPECT_EQ(search->hits, std::vector<std::uint64_t>{0x2fff});
    EXPECT_EQ(search->failed_address, 0x3000u);
    EXPECT_EQ(search->done, 1u);
    EXPECT_EQ(debuggee.search_memory(0, 8, {}, 1).failure().error_number, EINVAL);
    EXPECT_EQ(debuggee.search_memory(0, 8, bytes_of(std::string("a")), 2).failure().error_number,
              EINVAL);
}

TEST_F(LookingDebuggee, ReadsRegistersAndMsrs) {
    look.registers.value[RS_FULL_RIP] = 0xffff'ffff'8110'0000;
    EXPECT_EQ(debuggee.registers()->value[RS_FULL_RIP], 0xffff'ffff'8110'0000u);
    look.msrs[{1, 0xc0000082}] = 5;
    EXPECT_EQ(debuggee.read_msr(0xc0000082, 1)->value, 5u);
    EXPECT_TRUE(debuggee.write_msr(0xc0000082, 6, 1));
    EXPECT_EQ((look.msrs[{1, 0xc0000082}]), 6u);
    EXPECT_EQ(debuggee.read_msr(0xc0000082).failure().code, RS_ERR_BAD_MSR);
}

TEST_F(LookingDebuggee, ReadsCpuid) {
    look.leaves[{7, 1}] = {1, 2, 3, 4};
    const auto answer = debuggee.cpuid(7, 1);
    EXPECT_EQ(answer->eax, 1u);
    EXPECT_EQ(answer->ebx, 2u);
    EXPECT_EQ(answer->ecx, 3u);
    EXPECT_EQ(answer->edx, 4u);
    EXPECT_EQ(debuggee.cpuid(7)->eax, 0u);
}

TEST_F(LookingDebuggee, ReadsInterruptControllersAndPageTables) {
    look.local_apic.value[3] = 0x50014;
    EXPECT_EQ(debuggee.local_apic()->value[3], 0x50014u);
    look.io_apics.push_back({.count = 1, .address = 0xfec0'0000});
    EXPECT_EQ(debuggee.io_apic(0)->address, 0xfec0'0000u);
    EXPECT_EQ(debuggee.io_apic(1).failure().code, RS_ERR_NO_SUCH_DEVICE);
    EXPECT_FALSE(debuggee.page_walk(0x1234)->is_present);
    look.page_walks[0x1234] = {.depth = 9};
    EXPECT_EQ(debuggee.page_walk(0x1234).failure().kind, Failure::Kind::kMalformed);
}

TEST_F(LookingDebuggee, ListsTasksPageByPage) {
    for (std::uint32_t pid = 1; pid <= 5; ++pid) {
        rs_task task{.task = 0x1000 * pid, .pid = pid, .tgid = pid == 5 ? 4 : pid};
        std::memset(task.name, 'n', sizeof(task.name));  // no zero at its end
        look.tasks.push_back(task);
    }
    look.page_entries = 2;
    const auto processes = debuggee.tasks(RS_TASKS_PROCESSES);
    ASSERT_TRUE(processes);
    ASSERT_EQ(processes->size(), 4u);
    EXPECT_EQ((*processes)[3].pid, 4u);
    EXPECT_EQ(std::string((*processes)[3].name), std::string(15, 'n'));
    EXPECT_EQ(debuggee.tasks(RS_TASKS_THREADS, 4)->size(), 2u);
    EXPECT_EQ(debuggee.tasks(RS_TASKS_CURRENT)->front().pid, 1u);
    EXPECT_EQ(debuggee.tasks(RS_TASKS_THREADS, 99).failure().code, RS_ERR_BAD_PID);
}

TEST_F(LookingDebuggee, BeginsAnewWhenTheTaskToGoOnWithIsGone) {
    for (std::uint32_t pid = 1; pid <= 5; ++pid)
        look.tasks.push_back({.task = 0x1000 * pid, .pid = pid, .tgid = pid});
    look.page_entries = 2;
    look.loses_cursor = true;
    const auto processes = debuggee.tasks(RS_TASKS_PROCESSES);
    ASSERT_TRUE(processes);
    EXPECT_EQ(processes->size(), 5u);
    EXPECT_EQ(requests.size(), 1u + 1u + 3u);
}

TEST_F(LookingDebuggee, ListsMappingsPageByPage) {
    look.mappings = {
        {0x1000, 0x3000, "/bin/a", 7}, {0x3000, 0x4000, "b", 8}, {0x8000, 0x9000, "", 9}};
    look.page_entries = 2;
    const auto mappings = debuggee.mappings(1);
    ASSERT_TRUE(mappings);
    ASSERT_EQ(mappings->size(), 3u);
    EXPECT_EQ((*mappings)[0].start, 0x1000u);
    EXPECT_EQ((*mappings)[0].end, 0x3000u);
    EXPECT_EQ((*mappings)[0].inode, 7u);
    EXPECT_EQ((*mappings)[0].name, "a");
    EXPECT_EQ((*mappings)[0].path, "/bin/a");
    EXPECT_EQ((*mappings)[1].name, "b");
    EXPECT_EQ((*mappings)[1].path, "");
    EXPECT_EQ((*mappings)[2].name, "");
    // They change while they are read.
    look.loses_cursor = true;
    EXPECT_EQ(debuggee.mappings()->size(), 3u);
    look.mappings_error = RS_ERR_BAD_ADDRESS;
    EXPECT_EQ(debuggee.mappings().failure().code, RS_ERR_BAD_ADDRESS);
    look.mappings_error = RS_ERR_NO_USER_MEMORY;
    EXPECT_EQ(debuggee.mappings().failure().code, RS_ERR_NO_USER_MEMORY);
    look.mappings_error = 0;
    look.mappings = {{0x1000, 0x1000, "ends where it begins", 7}};
    EXPECT_EQ(debuggee.mappings().failure().kind, Failure::Kind::kMalformed);
}

TEST_F(LookingDebuggee, ListsNamesThatMatch) {
    look.names = {{0x100, "vmlinux!ksys_read", 'T'},
                  {0x200, "vmlinux!ksys_write", 't'},
                  {0x300, "kvm!kvm_read", 't'}};
    look.page_entries = 1;
    const auto names = debuggee.symbols("ksys_*");
    ASSERT_TRUE(names);
    ASSERT_EQ(names->size(), 2u);
    EXPECT_EQ((*names)[0].name, "vmlinux!ksys_read");
    EXPECT_EQ((*names)[0].address, 0x100u);
    EXPECT_EQ((*names)[0].type, 'T');
    EXPECT_EQ((*names)[1].name, "vmlinux!ksys_write");
    EXPECT_EQ(debuggee.symbols("nt!*")->size(), 2u);
    EXPECT_EQ(debuggee.symbols("*!*_read")->size(), 2u);
    EXPECT_TRUE(debuggee.symbols("nothing")->empty());
    EXPECT_EQ(debuggee.symbols("").failure().error_number, EINVAL);
    EXPECT_EQ(debuggee.symbols(std::string(256, '*')).failure().error_number, EINVAL);
}

TEST_F(LookingDebuggee, NeedsTheHypervisorForAllButNames) {
    ASSERT_TRUE(debuggee.unload());
    EXPECT_EQ(debuggee.read_memory(0, 1).failure().code, RS_ERR_NOT_LOADED);
    EXPECT_EQ(debuggee.registers().failure().code, RS_ERR_NOT_LOADED);
    EXPECT_EQ(debuggee.tasks(RS_TASKS_PROCESSES).failure().code, RS_ERR_NOT_LOADED);
    EXPECT_TRUE(debuggee.symbols("*"));
}

}  // namespace
}  // namespace ringside::debuggee
