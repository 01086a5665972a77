// SPDX-License-Identifier: GPL-3.0-or-later
// The Bochs machine's pure parts: configuration, kernel image, boot disk; and the relay between two
// sockets.
#include "lab/bochs.hpp"

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "lab/boot_disk.hpp"
#include "lab/kernel_image.hpp"
#include "lab/loader/layout.h"

namespace ringside::lab {
namespace {

using namespace std::string_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

template <class T>
void put(std::string& bytes, std::size_t offset, T value) {
    std::memcpy(bytes.data() + offset, &value, sizeof(value));
}

template <class T>
T get(std::string_view bytes, std::size_t offset) {
    T value{};
    std::memcpy(&value, bytes.data() + offset, sizeof(value));
    return value;
}

TEST(CheckBochs, TakesWhatBochsCanMake) {
    EXPECT_TRUE(check({.vmx = true}));
    EXPECT_TRUE(check({.vmx = true, .smp = 1, .memory_mb = 2048}));
    for (const std::string_view model : bochs_models())
        EXPECT_TRUE(check({.vmx = true, .cpu = std::string{model}})) << model;
}

TEST(CheckBochs, RefusesTheRestWithTheReason) {
    const auto says = [](const Options& options) {
        const auto outcome = check(options);
        if (outcome)
            return "accepted"s;
        EXPECT_EQ(outcome.failure().code, ExitCode::kWrongOptions);
        return outcome.failure().message + " / " + outcome.failure().hint;
    };
    EXPECT_THAT(says({.vmx = true, .smp = 0}), HasSubstr("1 or 2 cores, not 0"));
    EXPECT_THAT(says({.vmx = true, .smp = 3}), HasSubstr("1 or 2 cores, not 3"));
    EXPECT_THAT(says({.vmx = true, .memory_mb = 2049}), HasSubstr("at most 2048 MB"));
    EXPECT_THAT(says({.vmx = true, .memory_mb = 64}), HasSubstr("64 MB of memory are too few"));
    EXPECT_THAT(says({.vmx = true, .accelerator = Accelerator::kKvm}), HasSubstr("--accel"));
    EXPECT_THAT(says({.vmx = true, .accelerator = Accelerator::kTcg}), HasSubstr("--accel"));
    EXPECT_THAT(says({.vmx = true, .smp = 1, .icount = true}), HasSubstr("--icount"));
    EXPECT_THAT(says({.vmx = true, .qemu_arguments = {"-s"}}), HasSubstr("--qemu"));
    EXPECT_THAT(says({.vmx = true, .cpu = "EPYC"}),
                AllOf(HasSubstr("no processor model 'EPYC'"), HasSubstr("broadwell_ult"),
                      HasSubstr("corei7_ivy_bridge_3770k")));
}

TEST(BochsConfig, SaysWhatTheOptionsAsk) {
    const std::string config = bochs_config({.vmx = true, .smp = 1, .memory_mb = 300}, 4711);
    EXPECT_THAT(config, HasSubstr("cpu: model=broadwell_ult, count=1,"));
    EXPECT_THAT(config, HasSubstr("\nmegs: 300\n"));
    EXPECT_THAT(config, HasSubstr("com2: enabled=1, mode=socket-client, dev=127.0.0.1:4711\n"));
    EXPECT_THAT(config, HasSubstr("com1: enabled=1, mode=file, dev=console.log\n"));
    EXPECT_THAT(bochs_config({.vmx = true, .smp = 2, .cpu = "corei7_ivy_bridge_3770k"}, 1),
                HasSubstr("cpu: model=corei7_ivy_bridge_3770k, count=2,"));
}

TEST(BochsConfig, ShieldsTheSharedDisksFromWriting) {
    const std::string config = bochs_config({.vmx = true}, 1);
    EXPECT_THAT(config, HasSubstr("path=kernel.disk, mode=volatile"));
    EXPECT_THAT(config, HasSubstr("path=archive.disk, mode=volatile"));
}

TEST(BochsConfig, OpensNoPortToTheNetwork) {
    EXPECT_THAT(bochs_config({.vmx = true}, 1), Not(HasSubstr("rfb")));
    EXPECT_EQ(bochs_network(4712),
              "# slirp config\nhostfwd = tcp:127.0.0.1:4712-10.0.2.15:50001\n");
}

TEST(BochsKernelLine, EndsWithTheUsersWords) {
    const std::string line =
        bochs_kernel_line({.vmx = true, .append = "mitigations=auto"}, BootMode::kBare);
    EXPECT_THAT(line, HasSubstr(" nokaslr "));
    EXPECT_THAT(line, HasSubstr(" lab.machine=bochs lab.link=serial lab.mode=bare mitigations="));
    EXPECT_TRUE(line.ends_with(" mitigations=auto"));
    EXPECT_THAT(bochs_kernel_line({.vmx = true}, BootMode::kAgent), HasSubstr("lab.mode=agent"));
}

TEST(BochsStart, IsReadFromTheLog) {
    EXPECT_EQ(bochs_start_in("00000000000i[E1000A] slirp network driver\n"), BochsStart::kUnknown);
    EXPECT_EQ(bochs_start_in("00000004662i[BIOS  ] $Revision: 14314 $\n"), BochsStart::kRunning);
    EXPECT_EQ(bochs_start_in("00000000000e[SLIRP0] could not set up host forwarding rule "
                             "'tcp:127.0.0.1:1-:2'\n00000004662i[BIOS  ] $Revision: 1 $\n"),
              BochsStart::kPortTaken);
}

/// A bzImage with the fields of boot.rst, "The Real-Mode Kernel Header": setup_sects at 0x1f1, the
/// jump at 0x200 (its second byte is the header's end, counted from 0x202), "HdrS" at 0x202,
/// version at 0x206, payload_offset and payload_length at 0x248 and 0x24c.
std::string boot_image(std::uint8_t setup_sectors, std::string_view payload) {
    const std::size_t protected_mode = (setup_sectors == 0 ? 5U : setup_sectors + 1U) * 512U;
    std::string image(protected_mode + 0x40, '\0');
    image[0x1f1] = static_cast<char>(setup_sectors);
    image[0x201] = 0x6a;
    image.replace(0x202, 4, "HdrS");
    put(image, 0x206, std::uint16_t{0x020f});
    put(image, 0x248, std::uint32_t{0x40});
    put(image, 0x24c, static_cast<std::uint32_t>(payload.size()));
    return image.append(payload);
}

TEST(PackedKernel, IsFoundByTheSetupHeader) {
    // xz, zstd and lz4 are followed by the unpacked size, gzip carries it itself.
    const auto xz = packed_kernel(boot_image(2,
                                             "\xfd"
                                             "7zXZ and more"
                                             "\1\2\3\4"));
    ASSERT_TRUE(xz);
    EXPECT_EQ(xz->unpacker[0], "xz");
    const std::string gzip_image = boot_image(0, "\x1f\x8b\x08 and more");
    const auto gzip = packed_kernel(gzip_image);
    ASSERT_TRUE(gzip);
    EXPECT_EQ(gzip->unpacker[0], "gzip");
    EXPECT_EQ(gzip->content, "\x1f\x8b\x08 and more");
    const std::string zstd_image = boot_image(39, "\x28\xb5\x2f\xfd and more\1\2\3\4");
    const auto zstd = packed_kernel(zstd_image);
    ASSERT_TRUE(zstd);
    EXPECT_EQ(zstd->content, "\x28\xb5\x2f\xfd and more");
}

TEST(PackedKernel, RefusesWhatIsNone) {
    EXPECT_THAT(packed_kernel("").failure().message, HasSubstr("no bzImage"));
    EXPECT_THAT(packed_kernel(std::string(2000, 'x')).failure().message, HasSubstr("no bzImage"));
    EXPECT_THAT(packed_kernel(boot_image(2, "unheard of")).failure().message,
                HasSubstr("compression"));
    std::string cut = boot_image(2, "\x1f\x8b\x08 and more");
    cut.pop_back();
    EXPECT_THAT(packed_kernel(cut).failure().message, HasSubstr("outside"));
    std::string old = boot_image(2, "\x1f\x8b\x08 and more");
    put(old, 0x206, std::uint16_t{0x0207});
    EXPECT_FALSE(packed_kernel(old));
}

TEST(SetupHeader, EndsWhereItSays) {
    const std::string image = boot_image(2, "\x1f\x8b\x08");
    const auto header = setup_header(image);
    ASSERT_TRUE(header);
    EXPECT_EQ(header->size(), 0x202 + 0x6a - 0x1f1);
    EXPECT_EQ(header->substr(0x202 - 0x1f1, 4), "HdrS");
    std::string long_header = image;
    long_header[0x201] = '\x8f';  // one byte more than the boot parameters have room for
    EXPECT_FALSE(setup_header(long_header));
}

/// An ELF kernel: two segments, the upper one first in the file, and a note.
std::string elf_kernel() {
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_entry = 0x1000000;
    header.e_phoff = sizeof(header);
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 3;
    Elf64_Phdr upper{};
    upper.p_type = PT_LOAD;
    upper.p_offset = 0x400;
    upper.p_paddr = 0x1200000;
    upper.p_filesz = 0x200;
    upper.p_memsz = 0x5000;
    Elf64_Phdr lower = upper;
    lower.p_offset = 0x600;
    lower.p_paddr = 0x1000000;
    lower.p_filesz = lower.p_memsz = 0x200;
    Elf64_Phdr note{};
    note.p_type = PT_NOTE;
    std::string file(0x800, '\0');
    put(file, 0, header);
    put(file, sizeof(header), upper);
    put(file, sizeof(header) + sizeof(Elf64_Phdr), lower);
    put(file, sizeof(header) + 2 * sizeof(Elf64_Phdr), note);
    file[0x400 + 0x10] = 'x';  // the last byte of the upper segment that is not zero
    file[0x7ff] = 'y';
    return file;
}

TEST(KernelLayout, ListsLoadableSegmentsByAddressWithoutTrailingZeros) {
    const auto layout = kernel_layout(elf_kernel());
    ASSERT_TRUE(layout);
    EXPECT_EQ(layout->entry, 0x1000000U);
    EXPECT_THAT(
        layout->segments,
        ElementsAre(
            Segment{.offset = 0x600, .stored = 0x200, .address = 0x1000000, .bytes = 0x200},
            Segment{.offset = 0x400, .stored = 0x11, .address = 0x1200000, .bytes = 0x5000}));
}

TEST(KernelLayout, RefusesWhatIsNoKernelOrIsCut) {
    EXPECT_FALSE(kernel_layout(""));
    EXPECT_FALSE(kernel_layout(std::string(5000, 'x')));
    std::string cut = elf_kernel();
    cut.resize(0x7ff);
    EXPECT_THAT(kernel_layout(cut).failure().message, HasSubstr("outside"));
    std::string no_room = elf_kernel();
    put(no_room, offsetof(Elf64_Ehdr, e_phnum), std::uint16_t{0xffff});
    EXPECT_THAT(kernel_layout(no_room).failure().message, HasSubstr("outside"));
    std::string nothing = elf_kernel();
    put(nothing, offsetof(Elf64_Ehdr, e_phnum), std::uint16_t{0});
    EXPECT_FALSE(kernel_layout(nothing));
}

class BootDisk : public ::testing::Test {
protected:
    BootDisk() {
        image_ = boot_image(2, "\x1f\x8b\x08");
        put(image_, 0x211, std::uint8_t{0x20});
        parts_.loader = "loader";
        parts_.setup_header = *setup_header(image_);
        parts_.kernel = *kernel_layout(elf_kernel());
        parts_.archive_size = 0x10004;
        parts_.small_archive = "tiny";
        parts_.command_line = "nokaslr quiet";
        parts_.memory_bytes = 128U << 20;
    }

    std::string image_;
    BootDiskParts parts_;
};

TEST_F(BootDisk, TellsTheLoaderWhereEverythingGoes) {
    const auto disk = make_boot_disk(parts_);
    ASSERT_TRUE(disk) << disk.failure().message;
    EXPECT_EQ(disk->substr(0, 6), "loader");
    const auto map = get<boot_map>(*disk, std::size_t{16} * 512);
    EXPECT_EQ(map.magic, BOOT_MAP_MAGIC);
    EXPECT_EQ(map.entry, 0x1000000U);
    ASSERT_EQ(map.count, 5U);
    // The kernel's segments, by ascending address.
    EXPECT_EQ(map.pieces[0].disk, 1U);
    EXPECT_EQ(map.pieces[0].sector, 3U);
    EXPECT_EQ(map.pieces[0].address, 0x1000000U);
    EXPECT_EQ(map.pieces[1].sector, 2U);
    EXPECT_EQ(map.pieces[1].stored, 0x11U);
    EXPECT_EQ(map.pieces[1].bytes, 0x5000U);
    // 128 MiB less the megabyte of the BIOS, less 0x10008 bytes, on a page: the two archives touch.
    EXPECT_EQ(map.pieces[2].disk, 2U);
    EXPECT_EQ(map.pieces[2].sector, 0U);
    EXPECT_EQ(map.pieces[2].stored, 0x10004U);
    EXPECT_EQ(map.pieces[2].address, 0x7eef000U);
    EXPECT_EQ(map.pieces[3].disk, 0U);
    EXPECT_EQ(map.pieces[3].address, map.pieces[2].address + 0x10004U);
    EXPECT_EQ(disk->substr(std::size_t{map.pieces[3].sector} * 512, map.pieces[3].stored), "tiny");
}

TEST_F(BootDisk, GivesTheKernelItsBootParameters) {
    const auto disk = make_boot_disk(parts_);
    ASSERT_TRUE(disk);
    const auto map = get<boot_map>(*disk, std::size_t{16} * 512);
    const boot_piece& piece = map.pieces[4];
    EXPECT_EQ(piece.address, 0x20000U);
    const std::string page = disk->substr(std::size_t{piece.sector} * 512, piece.stored);
    EXPECT_EQ(page.substr(0x202, 4), "HdrS");
    EXPECT_EQ(get<std::uint8_t>(page, 0x210), 0xff);  // type_of_loader
    EXPECT_EQ(get<std::uint8_t>(page, 0x211), 0x21);  // loadflags, LOADED_HIGH added
    EXPECT_EQ(get<std::uint32_t>(page, 0x218), map.pieces[2].address);  // ramdisk_image
    EXPECT_EQ(get<std::uint32_t>(page, 0x21c), 0x10008U);               // ramdisk_size
    EXPECT_EQ(get<std::uint32_t>(page, 0x228), 0x21000U);               // cmd_line_ptr
    EXPECT_EQ(page.substr(4096), "nokaslr quiet\0"s);
}

TEST_F(BootDisk, HasWholeCylinders) {
    const auto disk = make_boot_disk(parts_);
    ASSERT_TRUE(disk);
    EXPECT_EQ(disk->size(), 16U * 63U * 512U);
}

TEST_F(BootDisk, RefusesWhatDoesNotFit) {
    BootDiskParts parts = parts_;
    parts.memory_bytes = 0x1200000 + 0x5000 + 0x10000 + (1U << 20);
    EXPECT_THAT(make_boot_disk(parts).failure().message, HasSubstr("more than 19 MB of memory"));
    parts = parts_;
    const std::string long_line(4096, 'x');
    parts.command_line = long_line;
    EXPECT_THAT(make_boot_disk(parts).failure().message, HasSubstr("command line"));
    parts = parts_;
    const std::string large_loader(16 * 512 + 1, 'x');
    parts.loader = large_loader;
    EXPECT_FALSE(make_boot_disk(parts));
    parts = parts_;
    parts.kernel.segments[0].offset = 0x601;
    EXPECT_THAT(make_boot_disk(parts).failure().message, HasSubstr("sector"));
    parts = parts_;
    parts.kernel.segments.resize(16);
    EXPECT_THAT(make_boot_disk(parts).failure().message, HasSubstr("16 segments"));
}

}  // namespace
}  // namespace ringside::lab
