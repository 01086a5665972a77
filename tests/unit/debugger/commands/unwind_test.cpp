// SPDX-License-Identifier: GPL-3.0-or-later
// The unwinder over tables and stacks made by hand, after arch/x86/kernel/unwind_orc.c.
#include "commands/unwind.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <map>

namespace ringside::commands {
namespace {

// ORC_REG_*
constexpr unsigned kNone = 0, kPreviousSp = 1, kDx = 2, kDi = 3, kBp = 4, kSp = 5, kR10 = 6,
                   kBpIndirect = 8, kSpIndirect = 9;

constexpr u64 kText = 0xffff'ffff'8100'0000;
constexpr u64 kIps = 0xffff'ffff'8200'0000;
constexpr u64 kEntries = 0xffff'ffff'8300'0000;
constexpr u64 kStack = 0xffff'c900'0000'4000;

struct Row {
    u64 address;
    s16 sp_offset;
    unsigned sp_register;
    s16 bp_offset = 0;
    unsigned bp_register = kNone;
    u8 rest = 0;  ///< type and flags as the kernel packs them
};

/// Kernel 6.1's types.
constexpr u8 kCall = 0, kRegisters = 1, kFrame = 2, kEnd = 4;

class UnwindTest : public testing::Test {
protected:
    void put(u64 address, const void* bytes, std::size_t size) {
        for (std::size_t i = 0; i < size; ++i)
            memory_[address + i] = static_cast<const std::byte*>(bytes)[i];
    }
    void put_word(u64 address, u64 word) { put(address, &word, sizeof(word)); }

    /// Lays the tables down; rows by ascending address.
    void use(const std::vector<Row>& rows, OrcFormat format = OrcFormat::kEndBit) {
        for (std::size_t i = 0; i < rows.size(); ++i) {
            const u64 at = kIps + i * 4;
            const auto distance = static_cast<s32>(static_cast<s64>(rows[i].address - at));
            put(at, &distance, 4);
            const u64 entry = kEntries + i * 6;
            put(entry, &rows[i].sp_offset, 2);
            put(entry + 2, &rows[i].bp_offset, 2);
            const auto registers = static_cast<u8>(rows[i].sp_register | rows[i].bp_register << 4);
            put(entry + 4, &registers, 1);
            put(entry + 5, &rows[i].rest, 1);
        }
        tables_ = {kIps, kIps + rows.size() * 4, kEntries, format};
    }

    Backtrace unwind(const UnwindStart& start, std::size_t most = 64) {
        Unwinder unwinder{[this](u64 address, std::span<std::byte> into) {
                              for (std::size_t i = 0; i < into.size(); ++i) {
                                  const auto found = memory_.find(address + i);
                                  if (found == memory_.end())
                                      return false;
                                  into[i] = found->second;
                              }
                              return true;
                          },
                          tables_, [](u64 address) { return address >= kText && address < kIps; }};
        return unwinder.unwind(start, most);
    }

    static std::vector<u64> addresses(const Backtrace& trace) {
        std::vector<u64> result;
        for (const StackFrame& frame : trace.frames)
            result.push_back(frame.address);
        return result;
    }

    std::map<u64, std::byte> memory_;
    OrcTables tables_;
};

TEST_F(UnwindTest, FollowsCallsByTheStackPointer) {
    use({{kText, 8, kSp},           // f: nothing pushed
         {kText + 0x100, 24, kSp},  // g: two words pushed
         {kText + 0x200, 0, kNone, 0, kNone, kEnd}});
    put_word(kStack, kText + 0x110);
    put_word(kStack + 8 + 16, kText + 0x210);
    const Backtrace trace = unwind({.rip = kText + 4, .rsp = kStack});
    EXPECT_EQ(addresses(trace), (std::vector<u64>{kText + 4, kText + 0x110, kText + 0x210}));
    EXPECT_EQ(trace.frames[1].slot, kStack);
    EXPECT_EQ(trace.frames[2].slot, kStack + 24);
    EXPECT_FALSE(trace.frames[1].is_interrupted);
    EXPECT_EQ(trace.end, UnwindEnd::kComplete);
    EXPECT_FALSE(trace.used_frame_pointers);
}

TEST_F(UnwindTest, LooksReturnAddressesUpOneByteBefore) {
    // The call is the last instruction of the function: it never returns.
    use({{kText, 8, kSp}, {kText + 0x100, 16, kSp}, {kText + 0x200, 0, kNone, 0, kNone, kEnd}});
    put_word(kStack, kText + 0x200);  // belongs to kText + 0x100
    put_word(kStack + 8 + 8, kText + 0x300);
    EXPECT_EQ(unwind({.rip = kText, .rsp = kStack}).frames.size(), 3u);
}

TEST_F(UnwindTest, FollowsFramePointersWhereTheTablesSaySo) {
    use({{kText, 16, kBp, -16, kPreviousSp},
         {kText + 0x100, 16, kBp, -16, kPreviousSp},
         {kText + 0x200, 0, kNone, 0, kNone, kEnd}});
    put_word(kStack + 0x20, kStack + 0x60);  // f's saved rbp
    put_word(kStack + 0x28, kText + 0x110);
    put_word(kStack + 0x60, 0);
    put_word(kStack + 0x68, kText + 0x210);
    const Backtrace trace = unwind({.rip = kText + 9, .rsp = kStack, .rbp = kStack + 0x20});
    EXPECT_EQ(addresses(trace), (std::vector<u64>{kText + 9, kText + 0x110, kText + 0x210}));
    EXPECT_EQ(trace.end, UnwindEnd::kComplete);
}

TEST_F(UnwindTest, GoesThroughSavedRegisters) {
    use({{kText, 8, kSp},
         {kText + 0x100, 0, kSp, 0, kNone, kRegisters},  // the interrupt's entry
         {kText + 0x200, 16, kBp, -16, kPreviousSp},     // what was interrupted
         {kText + 0x300, 0, kNone, 0, kNone, kEnd}});
    put_word(kStack, kText + 0x110);
    const u64 registers = kStack + 8;
    for (u64 i = 0; i < 21; ++i)
        put_word(registers + i * 8, 0);
    const u64 other = kStack + 0x1000;
    put_word(registers + 4 * 8, other + 0x10);    // rbp
    put_word(registers + 16 * 8, kText + 0x200);  // rip: its first instruction
    put_word(registers + 17 * 8, 0x10);           // cs
    put_word(registers + 19 * 8, other);          // rsp
    put_word(other + 0x10, 0x1234);
    put_word(other + 0x18, kText + 0x310);
    const Backtrace trace = unwind({.rip = kText + 1, .rsp = kStack});
    EXPECT_EQ(addresses(trace),
              (std::vector<u64>{kText + 1, kText + 0x110, kText + 0x200, kText + 0x310}));
    EXPECT_TRUE(trace.frames[2].is_interrupted);  // else it would be looked up one byte before
    EXPECT_EQ(trace.frames[2].slot, registers + 16 * 8);
    EXPECT_EQ(trace.end, UnwindEnd::kComplete);
}

TEST_F(UnwindTest, GoesThroughTheProcessorsOwnFrame) {
    use({{kText, 0, kSp, 0, kNone, kFrame}, {kText + 0x200, 8, kSp}});
    put_word(kStack, kText + 0x208);
    put_word(kStack + 8, 0x10);
    put_word(kStack + 24, kStack + 0x800);
    put_word(kStack + 0x800, 0x55);
    const Backtrace trace = unwind({.rip = kText + 3, .rsp = kStack});
    ASSERT_EQ(trace.frames.size(), 2u);
    EXPECT_EQ(trace.frames[1].address, kText + 0x208);
    EXPECT_EQ(trace.end, UnwindEnd::kNoCode);
}

TEST_F(UnwindTest, EndsWhereUserModeCalled) {
    use({{kText, 0, kSp, 0, kNone, kRegisters}});
    for (u64 i = 0; i < 21; ++i)
        put_word(kStack + i * 8, 0);
    put_word(kStack + 16 * 8, 0x401000);
    put_word(kStack + 17 * 8, 0x33);
    put_word(kStack + 19 * 8, 0x7ffd'0000'1000);
    const Backtrace trace = unwind({.rip = kText, .rsp = kStack});
    EXPECT_EQ(trace.end, UnwindEnd::kUser);
    EXPECT_EQ(trace.frames.back().address, 0x401000u);
}

TEST_F(UnwindTest, KnowsTheIndirectAndTheRareRegisters) {
    use({{kText, 16, kSpIndirect},          // the caller's sp is stored at sp
         {kText + 0x100, -8, kBpIndirect},  // at bp - 8
         {kText + 0x200, 0, kR10},
         {kText + 0x300, 0, kNone, 0, kNone, kEnd}});
    put_word(kStack, kStack + 0x200);
    put_word(kStack + 0x208, kText + 0x110);
    put_word(kStack + 0x90 - 8, kStack + 0x400);
    put_word(kStack + 0x3f8, kText + 0x210);
    const Backtrace lost =
        unwind({.rip = kText, .rsp = kStack, .rbp = kStack + 0x90, .r10 = kStack + 0x500});
    EXPECT_EQ(addresses(lost), (std::vector<u64>{kText, kText + 0x110, kText + 0x210}));
    EXPECT_EQ(lost.end, UnwindEnd::kLostRegister);  // r10 is that of the first frame
    put_word(kStack + 0x4f8, kText + 0x310);
    EXPECT_EQ(addresses(unwind({.rip = kText + 0x200, .rsp = kStack, .r10 = kStack + 0x500})),
              (std::vector<u64>{kText + 0x200, kText + 0x310}));
    use({{kText, 0, kDi}, {kText + 0x100, 0, kDx}, {kText + 0x300, 0, kNone, 0, kNone, kEnd}});
    EXPECT_EQ(unwind({.rip = kText, .rsp = kStack, .rdi = kStack + 0x500}).end,
              UnwindEnd::kComplete);
    EXPECT_EQ(unwind({.rip = kText + 0x100, .rsp = kStack, .rdx = kStack + 0x500}).end,
              UnwindEnd::kComplete);
}

TEST_F(UnwindTest, FallsBackToFramePointersWithoutATable) {
    put_word(kStack + 0x20, kStack + 0x60);
    put_word(kStack + 0x28, kText + 0x110);
    put_word(kStack + 0x60, 0);
    put_word(kStack + 0x68, 7);  // no code
    const Backtrace trace = unwind({.rip = kText, .rsp = kStack, .rbp = kStack + 0x20});
    EXPECT_EQ(addresses(trace), (std::vector<u64>{kText, kText + 0x110}));
    EXPECT_TRUE(trace.used_frame_pointers);
    EXPECT_EQ(trace.end, UnwindEnd::kNoTable);
    EXPECT_FALSE(trace.used_guesses);
    // A frame pointer below the stack pointer is none.
    EXPECT_EQ(unwind({.rip = kText, .rsp = kStack + 0x30, .rbp = kStack + 0x20}).frames.size(), 1u);
}

TEST_F(UnwindTest, TakesTheNextReturnAddressWhereNothingTells) {
    use({{kText, 24, kSp}, {kText + 0x100, 0, kNone, 0, kNone, kEnd}, {kText + 0x200, 0, kNone}});
    for (u64 i = 0; i < 16; ++i)
        put_word(kStack + i * 8, i);
    put_word(kStack + 0x18, kText + 0x10);  // guessed: the table goes on from there
    put_word(kStack + 0x20 + 0x10, kText + 0x110);
    const Backtrace trace = unwind({.rip = kText + 0x300, .rsp = kStack});
    EXPECT_EQ(addresses(trace), (std::vector<u64>{kText + 0x300, kText + 0x10, kText + 0x110}));
    EXPECT_TRUE(trace.used_guesses);
    EXPECT_EQ(trace.end, UnwindEnd::kComplete);
}

TEST_F(UnwindTest, NeverGoesRound) {
    use({{kText, 8, kSp}, {kText + 0x100, 16, kBp, -16, kPreviousSp}});
    put_word(kStack, kText + 0x110);
    put_word(kStack + 0x20, kStack + 0x20);  // its caller's frame is its own
    put_word(kStack + 0x28, kText + 0x110);
    const Backtrace trace = unwind({.rip = kText, .rsp = kStack, .rbp = kStack + 0x20});
    EXPECT_EQ(trace.end, UnwindEnd::kNoProgress);
    EXPECT_LE(trace.frames.size(), 4u);
    use({{kText, -8, kSp}});
    put_word(kStack - 16, kText);
    EXPECT_EQ(unwind({.rip = kText, .rsp = kStack}).end, UnwindEnd::kNoProgress);
}

TEST_F(UnwindTest, SaysWhyItEnds) {
    use({{kText, 8, kSp}});
    EXPECT_EQ(unwind({.rip = kText, .rsp = kStack}).end, UnwindEnd::kUnreadable);
    put_word(kStack, kText + 8);
    put_word(kStack + 8, kText + 8);
    const Backtrace cut = unwind({.rip = kText, .rsp = kStack}, 3);
    EXPECT_EQ(cut.end, UnwindEnd::kLimit);
    EXPECT_EQ(cut.frames.size(), 3u);
    for (const UnwindEnd end :
         {UnwindEnd::kComplete, UnwindEnd::kUser, UnwindEnd::kLimit, UnwindEnd::kNoTable,
          UnwindEnd::kUndefined, UnwindEnd::kUnreadable, UnwindEnd::kNoCode, UnwindEnd::kNoProgress,
          UnwindEnd::kLostRegister})
        EXPECT_FALSE(describe(end).empty());
}

TEST_F(UnwindTest, FindsEntriesOfLargeTables) {
    std::vector<Row> rows;
    for (u64 i = 0; i < 1000; ++i)
        rows.push_back({kText + i * 16, static_cast<s16>(i * 8), kSp});
    use(rows);
    Unwinder unwinder{[this](u64 address, std::span<std::byte> into) {
                          for (std::size_t i = 0; i < into.size(); ++i)
                              if (memory_.contains(address + i))
                                  into[i] = memory_[address + i];
                              else
                                  return false;
                          return true;
                      },
                      tables_,
                      {}};
    EXPECT_FALSE(unwinder.find(kText - 1));
    EXPECT_EQ(unwinder.find(kText)->sp_offset, 0);
    EXPECT_EQ(unwinder.find(kText + 15)->sp_offset, 0);
    EXPECT_EQ(unwinder.find(kText + 500 * 16 + 3)->sp_offset, 4000);
    EXPECT_EQ(unwinder.find(kText + 1'000'000)->sp_offset, 7992);
}

std::array<std::byte, kOrcEntryBytes> packed(u8 registers, u8 rest) {
    return {std::byte{0x10}, std::byte{0},         std::byte{0xf0},
            std::byte{0xff}, std::byte{registers}, std::byte{rest}};
}

TEST(OrcEntries, AreReadAsEachKernelPacksThem) {
    const OrcEntry call = decode_orc(packed(0x15, 0), OrcFormat::kEndBit);
    EXPECT_EQ(call.sp_offset, 16);
    EXPECT_EQ(call.bp_offset, -16);
    EXPECT_EQ(call.sp_register, kSp);
    EXPECT_EQ(call.bp_register, kPreviousSp);
    EXPECT_EQ(call.type, OrcType::kCall);
    EXPECT_FALSE(call.is_signal);
    EXPECT_TRUE(decode_orc(packed(5, 1), OrcFormat::kEndBit).is_signal);
    EXPECT_EQ(decode_orc(packed(5, 1), OrcFormat::kEndBit).type, OrcType::kRegisters);
    EXPECT_EQ(decode_orc(packed(0, 4), OrcFormat::kEndBit).type, OrcType::kEnd);
    EXPECT_EQ(decode_orc(packed(0, 0), OrcFormat::kEndBit).type, OrcType::kUndefined);
    // 6.3
    EXPECT_TRUE(decode_orc(packed(5, 4), OrcFormat::kSignalBit).is_signal);
    EXPECT_FALSE(decode_orc(packed(5, 1), OrcFormat::kSignalBit).is_signal);
    EXPECT_EQ(decode_orc(packed(0, 8), OrcFormat::kSignalBit).type, OrcType::kEnd);
    // 6.4 and later
    EXPECT_EQ(decode_orc(packed(0, 0), OrcFormat::kTypes).type, OrcType::kUndefined);
    EXPECT_EQ(decode_orc(packed(0, 1), OrcFormat::kTypes).type, OrcType::kEnd);
    EXPECT_EQ(decode_orc(packed(5, 2), OrcFormat::kTypes).type, OrcType::kCall);
    EXPECT_EQ(decode_orc(packed(5, 3 | 8), OrcFormat::kTypes).type, OrcType::kRegisters);
    EXPECT_TRUE(decode_orc(packed(5, 3 | 8), OrcFormat::kTypes).is_signal);
    EXPECT_EQ(decode_orc(packed(5, 4), OrcFormat::kTypes).type, OrcType::kInterruptFrame);
}

TEST(OrcEntries, FormatFollowsTheRelease) {
    EXPECT_EQ(orc_format("5.10.0-30-amd64"), OrcFormat::kEndBit);
    EXPECT_EQ(orc_format("6.1.0-49-amd64"), OrcFormat::kEndBit);
    EXPECT_EQ(orc_format("6.3.1"), OrcFormat::kSignalBit);
    EXPECT_EQ(orc_format("6.4.0"), OrcFormat::kTypes);
    EXPECT_EQ(orc_format("6.12.9+bpo-amd64"), OrcFormat::kTypes);
    EXPECT_EQ(orc_format(""), OrcFormat::kEndBit);
}

}  // namespace
}  // namespace ringside::commands
