// SPDX-License-Identifier: GPL-3.0-or-later
#include "lab/kernel_image.hpp"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace ringside::lab {
namespace {

// boot.rst, "The Real-Mode Kernel Header".
constexpr std::size_t kSetupSectors = 0x1f1;
constexpr std::size_t kHeader = 0x1f1;
constexpr std::size_t kHeaderEnd = 0x201;  // one byte: the header ends at 0x202 plus its value
constexpr std::size_t kMagic = 0x202;
constexpr std::size_t kVersion = 0x206;
constexpr std::size_t kPayloadOffset = 0x248;
constexpr std::size_t kPayloadLength = 0x24c;
constexpr std::size_t kHeaderRoom = 0x290;
constexpr std::uint16_t kVersionWithPayload = 0x0208;
constexpr std::size_t kSectorSize = 512;

struct Format {
    std::string_view magic;
    std::vector<std::string> unpacker;
    bool size_follows;  ///< the build appends the unpacked size where the format has none
};

const std::vector<Format>& formats() {
    static const std::vector<Format> known{
        {"\xfd"
         "7zXZ",
         {"xz", "-dcq"},
         true},
        {"\x28\xb5\x2f\xfd", {"zstd", "-dcq"}, true},
        {"\x02\x21\x4c\x18", {"lz4", "-dcq"}, true},
        {"\x1f\x8b\x08", {"gzip", "-dcq"}, false},
    };
    return known;
}

/// A field at `offset`; the caller knows that it is there.
template <class T>
T field(std::string_view bytes, std::size_t offset) {
    T value{};
    std::memcpy(&value, bytes.data() + offset, sizeof(value));
    return value;
}

Failure not_a_kernel(const char* why) {
    return Failure{fmt::format("the kernel image cannot be used: {}", why)};
}

bool is_boot_image(std::string_view image) {
    return image.size() >= kHeaderRoom && image.substr(kMagic, 4) == "HdrS" &&
           field<std::uint16_t>(image, kVersion) >= kVersionWithPayload;
}

}  // namespace

Outcome<PackedKernel> packed_kernel(std::string_view image) {
    if (!is_boot_image(image))
        return not_a_kernel("no bzImage of boot protocol 2.08 or later");
    // "If the setup_sects field contains 0, the real value is 4"; the boot sector comes before.
    const auto sectors = field<std::uint8_t>(image, kSetupSectors);
    const std::size_t protected_mode = (sectors == 0 ? 4U + 1U : sectors + 1U) * kSectorSize;
    const std::size_t begin = protected_mode + field<std::uint32_t>(image, kPayloadOffset);
    const std::size_t length = field<std::uint32_t>(image, kPayloadLength);
    if (begin > image.size() || length > image.size() - begin)
        return not_a_kernel("its payload lies outside");
    std::string_view content = image.substr(begin, length);
    for (const Format& format : formats()) {
        if (!content.starts_with(format.magic))
            continue;
        if (format.size_follows && content.size() > 4)
            content.remove_suffix(4);
        return PackedKernel{content, format.unpacker};
    }
    return not_a_kernel("its compression is none of xz, zstd, lz4, gzip");
}

Outcome<std::string_view> setup_header(std::string_view image) {
    if (!is_boot_image(image))
        return not_a_kernel("no bzImage of boot protocol 2.08 or later");
    const std::size_t end = kMagic + field<std::uint8_t>(image, kHeaderEnd);
    if (end > kHeaderRoom)
        return not_a_kernel("its setup header is longer than the boot parameters have room for");
    return image.substr(kHeader, end - kHeader);
}

Outcome<KernelLayout> kernel_layout(std::string_view vmlinux) {
    if (vmlinux.size() < sizeof(Elf64_Ehdr) || !vmlinux.starts_with(ELFMAG) ||
        vmlinux[EI_CLASS] != ELFCLASS64)
        return not_a_kernel("no 64-bit ELF file inside");
    const auto header = field<Elf64_Ehdr>(vmlinux, 0);
    if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phoff > vmlinux.size() ||
        header.e_phnum > (vmlinux.size() - header.e_phoff) / sizeof(Elf64_Phdr))
        return not_a_kernel("its program headers lie outside");
    KernelLayout layout{.entry = header.e_entry, .segments = {}};
    for (std::size_t i = 0; i < header.e_phnum; ++i) {
        const auto program = field<Elf64_Phdr>(vmlinux, header.e_phoff + i * sizeof(Elf64_Phdr));
        if (program.p_type != PT_LOAD)
            continue;
        if (program.p_offset > vmlinux.size() ||
            program.p_filesz > vmlinux.size() - program.p_offset ||
            program.p_filesz > program.p_memsz)
            return not_a_kernel("a segment lies outside");
        const auto content = vmlinux.substr(program.p_offset, program.p_filesz);
        const auto last = content.find_last_not_of('\0');
        layout.segments.push_back({.offset = program.p_offset,
                                   .stored = last == std::string_view::npos ? 0 : last + 1,
                                   .address = program.p_paddr,
                                   .bytes = program.p_memsz});
    }
    std::sort(layout.segments.begin(), layout.segments.end(),
              [](const Segment& a, const Segment& b) { return a.address < b.address; });
    if (layout.segments.empty())
        return not_a_kernel("nothing in it is to be loaded");
    return layout;
}

}  // namespace ringside::lab
