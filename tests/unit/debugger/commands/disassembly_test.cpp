// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/disassembly.hpp"

#include <gtest/gtest.h>

#include <initializer_list>
#include <vector>

namespace ringside::commands {
namespace {

std::vector<std::byte> code(std::initializer_list<unsigned> bytes) {
    std::vector<std::byte> result;
    for (const unsigned byte : bytes)
        result.push_back(static_cast<std::byte>(byte));
    return result;
}

constexpr u64 kAt = 0xffff'ffff'81c3'a2cb;

std::string line(const std::vector<std::byte>& bytes, Syntax syntax = Syntax::kIntel,
                 const SymbolNamer& names = {}) {
    return instruction_line(kAt, bytes, true, syntax, names);
}

TEST(InstructionLine, HasTheColumnsOfTheSpecification) {  // BRK-2
    EXPECT_EQ(line(code({0xfa})), "ffffffff`81c3a2cb    FA                                  cli");
    EXPECT_EQ(line(code({0x66, 0x2e, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00})),
              "ffffffff`81c3a2cb    662E0F1F840000000000                nop [rax+rax*1], ax");
    EXPECT_EQ(line(code({0x48, 0x83, 0xec, 0x28})),
              "ffffffff`81c3a2cb    4883EC28                            sub rsp, 0x28");
}

TEST(InstructionLine, SpeaksThreeSyntaxes) {
    const auto load = code({0x48, 0x8b, 0x44, 0x24, 0x10});
    const auto text = [](const std::vector<std::byte>& bytes, Syntax syntax) {
        return instruction_text(kAt, bytes, true, syntax, {});
    };
    EXPECT_EQ(text(load, Syntax::kIntel), "mov rax, [rsp+0x10]");
    EXPECT_EQ(text(load, Syntax::kAtt), "mov 0x10(%rsp), %rax");
    EXPECT_EQ(text(load, Syntax::kMasm), "mov rax, qword ptr [rsp+10h]");
    EXPECT_EQ(syntax_called("ATT"), Syntax::kAtt);
    EXPECT_EQ(syntax_called("masm"), Syntax::kMasm);
    EXPECT_EQ(syntax_called("intel"), Syntax::kIntel);
}

TEST(InstructionLine, NamesWhereBranchesAndAddressesLead) {
    const SymbolNamer names = [](u64 address) {
        return address == kAt + 0x15   ? "vmlinux!schedule"
               : address == kAt + 0x17 ? "vmlinux!jiffies+0x4"
                                       : "";
    };
    const auto call = code({0xe8, 0x10, 0, 0, 0});
    const auto load = code({0x48, 0x8b, 0x05, 0x10, 0, 0, 0});
    for (const Syntax syntax : {Syntax::kIntel, Syntax::kAtt, Syntax::kMasm}) {
        EXPECT_NE(line(call, syntax, names).find("call vmlinux!schedule (0xffffffff81c3a2e0)"),
                  std::string::npos)
            << line(call, syntax, names);
        EXPECT_NE(line(load, syntax, names).find("vmlinux!jiffies+0x4 (0xffffffff81c3a2e2)"),
                  std::string::npos)
            << line(load, syntax, names);
    }
    EXPECT_NE(line(call).find("call 0xffffffff81c3a2e0"), std::string::npos);
    EXPECT_NE(line(call, Syntax::kMasm).find("call 0ffffffff81c3a2e0h"), std::string::npos)
        << line(call, Syntax::kMasm);
    // Behind fs and gs lies something else.
    const SymbolNamer all = [](u64) { return "name"; };
    EXPECT_EQ(
        line(code({0x65, 0x48, 0x8b, 0x04, 0x25, 0x28, 0, 0, 0}), Syntax::kIntel, all).find("name"),
        std::string::npos);
}

TEST(InstructionLine, ShowsOneByteWhereThereIsNoInstruction) {
    EXPECT_EQ(line(code({0x06, 0x90})),
              "ffffffff`81c3a2cb    06                                  (bad)");
    EXPECT_EQ(line(code({0xe8, 0x10})),  // only its beginning
              "ffffffff`81c3a2cb    E8                                  (bad)");
    EXPECT_EQ(line({}), "ffffffff`81c3a2cb                                        (bad)");
    EXPECT_EQ(instruction_length(code({0x06}), true), 0u);
    EXPECT_EQ(instruction_length({}, true), 0u);
}

TEST(InstructionLine, ReadsOtherCodeIn32Bits) {
    EXPECT_EQ(instruction_length(code({0x06}), false), 1u);  // push es
    EXPECT_EQ(instruction_text(0x1000, code({0x40}), false, Syntax::kIntel, {}), "inc eax");
    EXPECT_EQ(instruction_length(code({0x48, 0xc7, 0xc0, 1, 0, 0, 0}), true), 7u);
    EXPECT_EQ(instruction_length(code({0x48, 0xc7, 0xc0, 1, 0, 0, 0}), false), 1u);
}

TEST(CallBefore, FindsTheCallThatReturnsHere) {
    EXPECT_EQ(call_length_before(code({0x90, 0x90, 0x90, 0xe8, 1, 2, 3, 4}), true), 5u);
    EXPECT_EQ(call_length_before(code({0x90, 0xff, 0xd0}), true), 2u);                 // call rax
    EXPECT_EQ(call_length_before(code({0x41, 0xff, 0xd2}), true), 2u);                 // or r10
    EXPECT_EQ(call_length_before(code({0xff, 0x15, 1, 2, 3, 4}), true), 6u);           // [rip+...]
    EXPECT_EQ(call_length_before(code({0xff, 0x14, 0xc5, 0, 0, 0, 0x81}), true), 7u);  // table
    EXPECT_EQ(call_length_before(code({0x90, 0x90, 0x90, 0x90, 0x90, 0x90}), true), 0u);
    EXPECT_EQ(call_length_before({}, true), 0u);
}

TEST(DirectTarget, IsWhereACallOrBranchLeads) {
    EXPECT_EQ(direct_target(kAt, code({0xe8, 0xfb, 0xff, 0xff, 0xff}), true), kAt);
    EXPECT_EQ(direct_target(kAt, code({0xeb, 0x10}), true), kAt + 0x12);
    EXPECT_EQ(direct_target(kAt, code({0xff, 0xd0}), true), std::nullopt);        // call rax
    EXPECT_EQ(direct_target(kAt, code({0x6a, 0x10}), true), std::nullopt);        // push
    EXPECT_EQ(direct_target(kAt, code({0xc3}), true), std::nullopt);              // ret
    EXPECT_EQ(direct_target(kAt, code({0xe8, 0xfb, 0xff}), true), std::nullopt);  // cut off
}

TEST(SymbolLine, IsTheNameAndAColon) {
    EXPECT_EQ(symbol_line(kAt, [](u64) { return "vmlinux!default_idle+0xb"; }),
              "vmlinux!default_idle+0xb:");
    EXPECT_EQ(symbol_line(kAt, [](u64) { return ""; }), "");
    EXPECT_EQ(symbol_line(kAt, {}), "");
}

}  // namespace
}  // namespace ringside::commands
