// SPDX-License-Identifier: GPL-3.0-or-later
#include "lab/image.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <system_error>

#include "lab/cpio.hpp"
#include "lab/files.hpp"
#include "lab/folders.hpp"
#include "lab/init.hpp"
#include "lab/process.hpp"

namespace ringside::lab {
namespace {

namespace fs = std::filesystem;

/// Modules in the archive that the tests load themselves, so not in the boot's order.
constexpr std::string_view kNotAtBoot[] = {"irqbypass", "ccp", "kvm", "kvm_amd", "kvm_intel"};

/// The one module that Bochs' devices need; QEMU's machine needs the others.
constexpr std::string_view kBochsModule = "e1000";

/// Of programs inside: the host may stall the machine, so ten times the usual limits.
constexpr std::string_view kSettings = "scripttime = 2000000\ncodebudget = 100000\n";

/// Archives kept in the cache; older ones are removed.
constexpr std::size_t kKeptImages = 4;

constexpr std::size_t kSector = 512;

struct Item {
    std::string target;  ///< path inside, without a leading '/'
    fs::path source;
    unsigned permissions;
    bool strip;  ///< debug information stays out: it is most of the size
};

Outcome<std::vector<Item>> list_items(const BuildParts& parts, const Kernel& kernel) {
    const fs::path busybox = find_program("busybox");
    if (busybox.empty())
        return Failure{"no busybox on this machine", "install busybox-static"};
    std::vector<Item> items{{"bin/busybox", busybox, 0755, false},
                            {"bin/ringside-lab-shell", parts.shell_server, 0755, true}};
    for (const fs::path& file : kernel.modules)
        items.push_back({"lib/modules/" + file.filename().string(), file, 0644, true});
    for (const fs::path& file : {parts.module, parts.kick})
        if (!file.empty())
            items.push_back({"lib/modules/" + file.filename().string(), file, 0644, true});
    for (const fs::path& file : parts.workloads)
        items.push_back({"bin/" + file.filename().string(), file, 0755, true});
    if (!parts.program.empty()) {
        items.push_back({"bin/ringside", parts.program, 0755, true});
        std::set<fs::path> libraries;
        for (const fs::path& file : {parts.program, parts.assembler}) {
            if (file.empty())
                continue;
            const auto found = libraries_of(file);
            if (!found)
                return found.failure();
            libraries.insert(found->begin(), found->end());
        }
        for (const fs::path& file : libraries)
            items.push_back({file.relative_path().string(), file, 0755, false});
        if (!parts.assembler.empty())
            items.push_back(
                {"bin/" + parts.assembler.filename().string(), parts.assembler, 0755, false});
    }
    return items;
}

std::string boot_order(const Kernel& kernel) {
    std::string order;
    for (const fs::path& file : kernel.modules) {
        const std::string name = file.stem().string();
        if (name != kBochsModule &&
            std::find(std::begin(kNotAtBoot), std::end(kNotAtBoot), name) == std::end(kNotAtBoot))
            order += file.filename().string() + '\n';
    }
    return order;
}

Outcome<std::string> content_of(const Item& item, const fs::path& scratch) {
    fs::path file = item.source;
    if (item.strip) {
        const auto stripped =
            run_checked({"strip", "--strip-debug", "-o", scratch.string(), file.string()});
        if (!stripped)
            return stripped.failure();
        file = scratch;
    }
    if (auto content = read_file(file))
        return std::move(*content);
    return Failure{fmt::format("cannot read {}", file.string())};
}

/// Names an archive by everything that goes into it.
Outcome<std::uint64_t> hash_of(const std::vector<Item>& items, std::string_view order) {
    std::uint64_t hash = content_hash(kBochsModule, content_hash(order, content_hash(kInitScript)));
    hash = content_hash(kSettings, content_hash(kDebugPrepareScript, hash));
    for (const Item& item : items) {
        const auto content = read_file(item.source);
        if (!content)
            return Failure{fmt::format("cannot read {}", item.source.string())};
        hash = content_hash(item.target, hash);
        hash = content_hash(*content, hash);
    }
    return hash;
}

Outcome<std::string> build_archive(const std::vector<Item>& items, std::string_view order,
                                   const fs::path& scratch) {
    CpioArchive archive;
    for (const char* folder : {"dev", "proc", "sys", "tmp", "run", "etc", "root"})
        archive.add_folder(folder);
    // The kernel opens /dev/console for the first process before anything is mounted.
    archive.add_character_device("dev/console", 5, 1);
    archive.add_file("init", kInitScript, 0755);
    archive.add_file("bin/debug-prepare", kDebugPrepareScript, 0755);
    archive.add_file("etc/passwd",
                     "root::0:0:root:/root:/bin/sh\nuser::1000:1000:user:/tmp:/bin/sh\n", 0644);
    archive.add_file("etc/group", "root:x:0:\nuser:x:1000:\n", 0644);
    archive.add_folder("root/.config");
    archive.add_folder("root/.config/ringside");
    archive.add_file("root/.config/ringside/settings.toml", kSettings, 0600);
    archive.add_file("lib/modules/order", order, 0644);
    archive.add_file("lib/modules/order.bochs", fmt::format("{}.ko\n", kBochsModule), 0644);
    for (const Item& item : items) {
        const auto content = content_of(item, scratch);
        if (!content)
            return content.failure();
        archive.add_file(item.target, *content, item.permissions);
    }
    std::error_code error;
    fs::remove(scratch, error);
    std::string bytes = archive.finish();
    bytes.resize((bytes.size() + kSector - 1) / kSector * kSector);
    return bytes;
}

void remove_old_images(const fs::path& folder) {
    std::vector<std::pair<fs::file_time_type, fs::path>> images;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator{folder, error})
        if (entry.path().extension() == ".cpio")
            images.emplace_back(entry.last_write_time(error), entry.path());
    std::sort(images.rbegin(), images.rend());
    for (std::size_t i = kKeptImages; i < images.size(); ++i)
        fs::remove(images[i].second, error);
}

}  // namespace

BuildParts find_parts(const fs::path& build_folder) {
    const auto if_there = [&](const char* name) {
        const fs::path file = build_folder / name;
        return fs::is_regular_file(file) ? file : fs::path{};
    };
    BuildParts parts{.program = if_there("ringside"),
                     .assembler = if_there("ringside-asm.so"),
                     .module = if_there("linux/ringside/ringside.ko"),
                     .shell_server = if_there("debugger/lab/ringside-lab-shell"),
                     .loader = if_there("debugger/lab/ringside-lab-loader"),
                     .kick = if_there("tests/lab/kick/kick.ko"),
                     .workloads = {}};
    std::error_code error;
    for (const auto& entry : fs::directory_iterator{build_folder / "tests/lab/bin", error})
        if (entry.is_regular_file())
            parts.workloads.push_back(entry.path());
    std::sort(parts.workloads.begin(), parts.workloads.end());
    return parts;
}

Outcome<std::vector<fs::path>> libraries_of(const fs::path& program) {
    const auto listing = run_checked({"ldd", program.string()});
    if (!listing)
        return listing.failure();
    // Lines: "libx.so.1 => /path/libx.so.1 (0x...)", "/lib64/ld-linux-x86-64.so.2 (0x...)",
    // "linux-vdso.so.1 (0x...)", "libx.so.1 => not found".
    std::set<fs::path> found;
    std::istringstream lines{*listing};
    for (std::string line; std::getline(lines, line);) {
        if (line.find("not found") != std::string::npos)
            return Failure{fmt::format("{} lacks a library: {}", program.string(), line)};
        const auto begin = line.find('/');
        if (begin == std::string::npos)
            continue;
        found.insert(line.substr(begin, line.find(" (", begin) - begin));
    }
    return std::vector<fs::path>{found.begin(), found.end()};
}

Outcome<fs::path> prepare_image(const BuildParts& parts, const Kernel& kernel,
                                const Progress& progress) {
    if (parts.shell_server.empty())
        return Failure{"this build has no debugger/lab/ringside-lab-shell",
                       "build everything, or name the build folder with --build"};
    const auto items = list_items(parts, kernel);
    if (!items)
        return items.failure();
    const std::string order = boot_order(kernel);
    const auto hash = hash_of(*items, order);
    if (!hash)
        return hash.failure();
    const fs::path folder = cache_folder() / "images";
    std::error_code error;
    fs::create_directories(folder, error);
    const Descriptor held = lock(folder, LockWait::kWait);
    const fs::path image = folder / fmt::format("{:016x}.cpio", *hash);
    if (fs::exists(image)) {
        fs::last_write_time(image, fs::file_time_type::clock::now(), error);
        return image;
    }
    const auto archive = build_archive(*items, order, folder / "stripped");
    if (!archive)
        return archive.failure();
    if (const auto written = write_file(image, *archive); !written)
        return written.failure();
    remove_old_images(folder);
    progress(fmt::format("image: {} files, {:.1f} MB", items->size(),
                         static_cast<double>(archive->size()) / 1e6));
    return image;
}

}  // namespace ringside::lab
