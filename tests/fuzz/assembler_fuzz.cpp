// SPDX-License-Identifier: GPL-3.0-or-later
// Hostile text for 'asm code' and rs_assemble(): code of bounded size, or an error with its place.
#include <cstddef>
#include <cstdlib>
#include <string_view>

#include "assembler/assembler.hpp"

namespace {

using namespace ringside;

constexpr std::size_t kMostBytesAByte = 16;
constexpr std::size_t kMostFill = 1u << 20;

std::optional<u64> lookup(const std::string& name) {
    if (name.size() % 2 == 0)
        return 0xffff'ffff'8100'0000 + name.size();
    return std::nullopt;
}

}  // namespace

/// What LLVM had taken is lost when it gives up in the middle (debugger/assembler/llvm.cpp).
extern "C" const char* __lsan_default_suppressions() {
    return "leak:ringside-asm.so\n";
}

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const auto result = assembler::assemble(text, lookup);
    if (const auto* error = std::get_if<assembler::Error>(&result)) {
        if (!error->text.starts_with("assembler: ") || error->at > size)
            std::abort();
    } else if (std::get<std::vector<u8>>(result).size() > size * kMostBytesAByte + kMostFill) {
        std::abort();
    }
    return 0;
}
