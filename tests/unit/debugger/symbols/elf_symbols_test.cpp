// SPDX-License-Identifier: GPL-3.0-or-later
#include "symbols/elf_symbols.hpp"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

extern "C" {
int ringside_marker_data = 7;
__attribute__((noinline)) int ringside_marker() {
    return ringside_marker_data;
}
}

namespace ringside::symbols {
namespace {

const FileSymbol* find(const SymbolFile& file, std::string_view name) {
    const auto found = std::ranges::find(file.symbols, name, &FileSymbol::name);
    return found == file.symbols.end() ? nullptr : &*found;
}

template <class T>
u64 address_of(T* of) {
    return reinterpret_cast<u64>(of);
}

TEST(ElfSymbols, LieWhereTheRunningProgramHasThem) {
    Dl_info info{};
    ASSERT_NE(dladdr(reinterpret_cast<void*>(&ringside_marker), &info), 0);
    const auto read = read_symbols("/proc/self/exe", address_of(info.dli_fbase));
    ASSERT_TRUE(std::holds_alternative<SymbolFile>(read)) << std::get<std::string>(read);
    const auto& file = std::get<SymbolFile>(read);
    const FileSymbol* const code = find(file, "ringside_marker");
    ASSERT_NE(code, nullptr);
    EXPECT_EQ(code->address, address_of(&ringside_marker));
    EXPECT_EQ(code->type, 'T');
    EXPECT_GT(code->size, 0u);
    const FileSymbol* const data = find(file, "ringside_marker_data");
    ASSERT_NE(data, nullptr);
    EXPECT_EQ(data->address, address_of(&ringside_marker_data));
    EXPECT_EQ(data->type, 'D');
    EXPECT_TRUE(std::ranges::is_sorted(file.symbols, {}, &FileSymbol::address));
    EXPECT_EQ(find(file, "dladdr"), nullptr);  // somebody else's
}

TEST(ElfSymbols, OfAModuleAreItsCodeInTheKernelsOrder) {
    const std::string path = testing::TempDir() + "ringside-module-" + std::to_string(getpid());
    std::ofstream{path + ".s"} << ".section .init.text,\"ax\"\n.globl start\nstart: .skip 0x30\n"
                                  ".text\nfirst: .skip 5\nsecond: .skip 3\n"
                                  ".data\ncount: .quad 1\n"
                                  ".section .text.more,\"ax\"\n.balign 16\nthird: ret\n";
    ASSERT_EQ(std::system(("as -o " + path + ".ko " + path + ".s").c_str()), 0);
    const auto read = read_symbols(path + ".ko", 0xffff'ffff'c000'0000);
    ASSERT_TRUE(std::holds_alternative<SymbolFile>(read)) << std::get<std::string>(read);
    const auto& file = std::get<SymbolFile>(read);
    ASSERT_EQ(file.symbols.size(), 3u);
    EXPECT_EQ(find(file, "first")->address, 0xffff'ffff'c000'0000u);
    EXPECT_EQ(find(file, "second")->address, 0xffff'ffff'c000'0005u);
    EXPECT_EQ(find(file, "third")->address, 0xffff'ffff'c000'0010u);
    EXPECT_EQ(find(file, "third")->type, 't');
    unlink((path + ".s").c_str());
    unlink((path + ".ko").c_str());
}

TEST(ElfSymbols, SayWhatIsWrongWithAFile) {
    EXPECT_EQ(std::get<std::string>(read_symbols("/nonexistent/file", 0)),
              "cannot open /nonexistent/file: No such file or directory");
    EXPECT_EQ(std::get<std::string>(read_symbols("/etc/passwd", 0)), "/etc/passwd is no ELF file");
    EXPECT_EQ(std::get<std::string>(read_symbols("/proc", 0)), "/proc is no ELF file");
}

TEST(ElfSymbols, NameTheirModuleAsScriptsCanWriteIt) {
    EXPECT_EQ(module_name("/usr/lib/libc.so.6"), "libc");
    EXPECT_EQ(module_name("nvme-core.ko"), "nvme_core");
    EXPECT_EQ(module_name("/bin/busybox"), "busybox");
    EXPECT_EQ(module_name("/lib/ld-linux-x86-64.so.2"), "ld_linux_x86_64");
    EXPECT_EQ(module_name("a.out"), "a_out");
}

}  // namespace
}  // namespace ringside::symbols
