// SPDX-License-Identifier: GPL-3.0-or-later
#include "assembler/assembler.hpp"

#include <gtest/gtest.h>

namespace ringside::assembler {
namespace {

std::optional<u64> lookup(const std::string& name) {
    if (name == "jiffies")
        return 0xffffffff82a06c00;
    if (name == "do_exit")
        return 0xffffffff810a1b20;
    if (name == "page")
        return 0xffff888012345678;
    return std::nullopt;
}

/// The code in hexadecimal, or the error with its place.
std::string assembled(std::string_view source) {
    const auto result = assemble(source, lookup);
    if (const Error* error = std::get_if<Error>(&result))
        return error->text + " @" + std::to_string(error->at);
    std::string text;
    for (const u8 byte : std::get<std::vector<u8>>(result)) {
        constexpr char kDigits[] = "0123456789abcdef";
        text += {kDigits[byte >> 4], kDigits[byte & 15]};
    }
    return text;
}

std::string hint(std::string_view source) {
    const auto result = assemble(source, lookup);
    const Error* error = std::get_if<Error>(&result);
    return error == nullptr ? "no error" : error->hint;
}

TEST(Assembler, TakesIntelSyntaxAndLabels) {  // INT-12, INT-14
    EXPECT_EQ(assembled("inc qword ptr [rcx]"), "48ff01");
    EXPECT_EQ(assembled("cmp qword ptr [rcx+0x78], 0; sete al; movzx eax, al"),
              "48837978000f94c00fb6c0");
    EXPECT_EQ(assembled("l: jmp l"), "ebfe");
    EXPECT_EQ(assembled("mov ecx, 5\nagain:\n  dec ecx\n  jnz again\n"), "b905000000ffc975fc");
    EXPECT_EQ(assembled("1: jmp 1b"), "ebfe");
    EXPECT_EQ(assembled("jmp over; .byte 1, 2; over: nop"), "eb02010290");
    EXPECT_EQ(assembled("lea rax, [rip + data]; ret; data: .quad 7"),
              "488d0501000000c30700000000000000");
    EXPECT_EQ(assembled("vmcall; vmrun rax; stgi; endbr64; serialize"),
              "0f01c10f01d80f01dcf30f1efa0f01e8");
    EXPECT_EQ(assembled(".set five, 5; mov eax, five"), "b805000000");
}

TEST(Assembler, LeavesCommentsOut) {
    EXPECT_EQ(assembled("nop # rest; of line\nnop // too\n/* here\n ; */ nop"), "909090");
    EXPECT_EQ(assembled(".ascii \"a;#\\\"//\""), "613b23222f2f");
    EXPECT_EQ(assembled("mov al, ';'"), "b03b");
}

TEST(Assembler, SaysWhatIsWrongWhere) {
    EXPECT_EQ(assembled("bogus"),
              "assembler: invalid instruction mnemonic 'bogus' at statement 1 @0");
    EXPECT_EQ(assembled("nop;  bogus"),
              "assembler: invalid instruction mnemonic 'bogus' at statement 2 @6");
    EXPECT_EQ(assembled("nop\n# x\n\tmov eax, bx"),
              "assembler: invalid operand for instruction at statement 2 @9");
    EXPECT_EQ(assembled("mov eax, 10h").substr(0, 11), "assembler: ");
    EXPECT_EQ(hint("mov eax, 10h"), "numbers are decimal here; 0x in front makes them hexadecimal");
    EXPECT_EQ(assembled(" ; # nothing"), "assembler: no statement @0");
    EXPECT_EQ(assembled(std::string(kMaxSourceBytes + 1, ' ')),
              "assembler: more than 1 MiB of text @0");
    EXPECT_EQ(assembled("nop; /* open"), "assembler: comment without end at statement 2 @5");
    EXPECT_EQ(assembled(".ascii \"open"), "assembler: string without end at statement 1 @7");
    EXPECT_EQ(assembled("mov al, 'x"), "assembler: character without end at statement 1 @8");
    EXPECT_EQ(assembled(std::string_view{"nop\0nop", 7}),
              "assembler: unexpected character at statement 1 @3");
    EXPECT_EQ(assembled("l: nop; l: nop").substr(0, 40),
              "assembler: symbol 'l' is already defined");
}

TEST(Assembler, TakesNothingSilentlyThatWasNotMeant) {
    EXPECT_EQ(assembled("mov rax, [rbx"), "assembler: missing ']' at statement 1 @9");
    EXPECT_EQ(assembled("mov rax, [[rbx]]"), "assembler: missing ']' at statement 1 @9");
    EXPECT_EQ(assembled("mov rax, rbx]"), "assembler: unexpected ']' at statement 1 @12");
    EXPECT_EQ(assembled("mov byte ptr [rax], 300"),
              "assembler: value 300 does not fit in 8 bits at statement 1 @20");
    EXPECT_EQ(assembled("x: mov al, -129"),
              "assembler: value -129 does not fit in 8 bits at statement 1 @11");
    EXPECT_EQ(assembled("mov al, 255; mov al, -128; mov eax, 0xffffffff; add rax, -1"),
              "b0ffb080b8ffffffff4883c0ff");
    EXPECT_EQ(assembled("lock add dword ptr [rcx], 1; rep movsb"), "f0830101f3a4");
}

TEST(Assembler, KnowsTheDebuggeesSymbols) {
    EXPECT_EQ(assembled("mov rax, jiffies"), "48c7c0006ca082");
    EXPECT_EQ(assembled("movabs rax, offset jiffies"), "48b8006ca082ffffffff");
    EXPECT_EQ(assembled("mov rax, [jiffies]"), "488b0425006ca082");
    EXPECT_EQ(assembled("mov rax, do_exit; call rax"), "48c7c0201b0a81ffd0");
    EXPECT_EQ(assembled("mov rax, <do_exit+10>"), "48c7c0301b0a81");
    EXPECT_EQ(assembled("mov rax, <vmlinux!do_exit - 0n16 + 10>"), "48c7c0201b0a81");
    EXPECT_EQ(assembled("mov rax, <nt!do_exit>"), "48c7c0201b0a81");
    EXPECT_EQ(assembled("mov eax, 1 << 4"), "b810000000");
    EXPECT_EQ(assembled("nop; mov rax, nowhere"),
              "assembler: unknown symbol 'nowhere' at statement 2 @14");
    EXPECT_EQ(assembled("mov rax, <nowhere+1>"),
              "assembler: unknown symbol 'nowhere' at statement 1 @10");
    EXPECT_EQ(assembled("mov rax, <do_exit+>"),
              "assembler: expected a symbol or a number between '<' and '>' at statement 1 @18");
    EXPECT_EQ(assembled("mov rax, <do_exit"), "assembler: missing '>' at statement 1 @9");
}

TEST(Assembler, CutsNoAddress) {
    const std::string value = "assembler: value ",
                      wide = " does not fit in 32 bits at statement 1 @";
    EXPECT_EQ(assembled("mov eax, jiffies"), value + "jiffies" + wide + "9");
    EXPECT_EQ(assembled("mov eax, offset jiffies"), value + "offset jiffies" + wide + "9");
    EXPECT_EQ(hint("mov eax, page"), "'movabs' takes 64 bits into a register");
    EXPECT_EQ(assembled("mov al, jiffies"),
              "assembler: value jiffies does not fit in 8 bits at statement 1 @8");
    EXPECT_EQ(assembled("mov al, 2 * (100 + 28)"),
              "assembler: value 2 * (100 + 28) does not fit in 8 bits at statement 1 @8");
    EXPECT_EQ(assembled(".set a, 300; mov al, a"),
              "assembler: value a does not fit in 8 bits at statement 2 @21");
    const std::string place = "assembler: the displacement of ";
    for (const char* operand : {"[page]", "[rbx + page]", "[0x123456789]", "[rbx+0x80000000]",
                                "dword ptr gs:[rbx+rcx*4+0xffffffff]", "[rip+0x123456789]",
                                "[rbx - 0x80000001]", "8[rbx][page]"})
        EXPECT_EQ(assembled(std::string{"mov eax, "} + operand), place + operand + wide + "9");
    EXPECT_EQ(hint("mov eax, [page]"),
              "go through a register, as in 'movabs rax, name; mov rax, [rax]'");
    EXPECT_EQ(assembled("movabs rax, page; movabs al, [page]"),
              "48b87856341280"
              "88ffff"
              "a07856341280"
              "88ffff");
    EXPECT_EQ(assembled("mov rax, [jiffies+rbx-8]; mov eax, [rbx-1]; mov eax, [ebx+0xffffffff]"),
              "488b83f86ba082"
              "8b43ff"
              "678b43ff");
    EXPECT_EQ(assembled("imul eax, ebx, 5; enter 8, 0; shl eax, 1; mov al, 'a'; mov eax, fs:0x28"),
              "6bc305"
              "c8080000"
              "d1e0"
              "b061"
              "648b042528000000");
}

TEST(Assembler, DoesNotDivide) {  // LLVM would, by zero as well
    EXPECT_EQ(assembled("mov rax, 5 / 0"), "assembler: '/' is refused at statement 1 @11");
    EXPECT_EQ(assembled("nop; mov rax, 5 % 0"), "assembler: '%' is refused at statement 2 @16");
    EXPECT_EQ(assembled("mov rax, 5 MOD 0"), "assembler: 'mod' is refused at statement 1 @11");
    EXPECT_EQ(assembled(".quad 1 / 0"), "assembler: '/' is refused at statement 1 @8");
    EXPECT_EQ(assembled("mov %rax, 1"), "assembler: '%' is refused at statement 1 @4");
    EXPECT_EQ(hint("mov %rax, 1"), "registers are written without '%'");
    EXPECT_EQ(assembled("mov al, '/'; .ascii \"%/\""), "b02f252f");
}

TEST(Assembler, RefusesWhatNeedsAnAddressOfTheCode) {
    EXPECT_EQ(assembled("nop; mov rax, offset l; l:"),
              "assembler: needs an address that is not known before the code runs at "
              "statement 2 @5");
    for (const char* source : {"nop; call do_exit", "nop; jmp 0x1234"})
        EXPECT_EQ(assembled(source),
                  "assembler: invalid operand for instruction at statement 2 @5");
    for (const char* source : {"nop; mov rax, offset l; l:", "call do_exit", "jmp 0x1234"})
        EXPECT_NE(hint(source).find("mov rax, name; call rax"), std::string::npos) << source;
}

TEST(Assembler, ObeysNoDirectiveThatReachesOutside) {
    for (const char* source :
         {".incbin \"/etc/passwd\"", ".include \"x\"", ".rept 100000000\nnop\n.endr", ".section .x",
          ".macro m", ".fill 1000000000", ".org 0x10000000", ".att_syntax", ".code32",
          "l: .INCBIN \"/etc/passwd\"", "a:b: .space 9", ".p2align 30", ".zero 99999999"})
        EXPECT_NE(assembled(source).find("is refused at statement 1"), std::string::npos) << source;
    EXPECT_EQ(assembled("nop; .align 4; nop").size(), 10U);
    EXPECT_EQ(assembled(".align 0x100000"),
              "assembler: '.align' takes a power of two up to 4096 at statement 1 @0");
    EXPECT_EQ(assembled(".align 4096, 1"),
              "assembler: '.align' takes a power of two up to 4096 at statement 1 @0");
    EXPECT_EQ(assembled(".byte 300").substr(0, 11), "assembler: ");
}

TEST(Assembler, BoundsWhatATextCanCost) {
    const auto repeated = [](std::string_view piece, int count) {
        std::string text;
        for (int i = 0; i < count; ++i)
            text += piece;
        return text;
    };
    EXPECT_EQ(assembled(".byte " + repeated("-", 1900) + "1"), "01");
    EXPECT_EQ(assembled(".byte " + repeated("(", 2043) + "1"),
              "assembler: more than 2048 bytes in one statement at statement 1 @0");
    EXPECT_EQ(assembled(repeated("nop;", 20'000)).size(), 40'000U);
    EXPECT_EQ(assembled(repeated("nop; .align 4096;", 257)),
              "assembler: too much to align at statement 514 @4357");
    EXPECT_EQ(assembled("a = 5"), "assembler: '=' is refused at statement 1 @0");
    std::string chain = ".set v0, 1;";
    for (int i = 1; i < 256; ++i)
        chain += ".set v" + std::to_string(i) + ", v" + std::to_string(i - 1) + " + 1;";
    EXPECT_EQ(assembled(chain + "mov eax, v255"), "b800010000");
    EXPECT_NE(assembled(chain + ".set z, 1").find("more than 256 values"), std::string::npos);
}

TEST(Assembler, StaysUsableAfterAnErrorOfItsOwn) {
    (void)assembled(".set a, b; .set b, a; mov eax, a");
    EXPECT_EQ(assembled("nop"), "90");
}

}  // namespace
}  // namespace ringside::assembler
