// SPDX-License-Identifier: GPL-3.0-or-later
#include "lab/kernel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <sstream>
#include <system_error>

#include "lab/files.hpp"
#include "lab/folders.hpp"
#include "lab/kernel_image.hpp"
#include "lab/process.hpp"

namespace ringside::lab {
namespace {

namespace fs = std::filesystem;

/// Module names use '_' and '-' alike; the kernel reports '_'.
std::string module_name(const fs::path& file) {
    std::string name = file.filename().string();
    name = name.substr(0, name.find(".ko"));
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

std::map<std::string, fs::path> modules_below(const fs::path& folder) {
    std::map<std::string, fs::path> found;
    std::error_code error;
    for (const auto& entry : fs::recursive_directory_iterator{folder, error})
        if (entry.path().filename().string().find(".ko") != std::string::npos)
            found.emplace(module_name(entry.path()), entry.path());
    return found;
}

/// The module's bytes; later Debian kernels ship them compressed.
Outcome<std::string> module_content(const fs::path& file) {
    const auto extension = file.extension();
    if (extension == ".xz")
        return run_checked({"xz", "-dc", file.string()});
    if (extension == ".zst")
        return run_checked({"zstd", "-dcq", file.string()});
    if (auto content = read_file(file))
        return std::move(*content);
    return Failure{fmt::format("cannot read {}", file.string())};
}

/// Copies wanted modules and their dependencies, uncompressed, into one folder; `order` gets them
/// with dependencies first.
class ModuleCollector {
public:
    ModuleCollector(const fs::path& tree, fs::path target)
        : available_{modules_below(tree)}, target_{std::move(target)} {}

    Outcome<Done> collect(const std::string& name) {
        if (!done_.insert(name).second)
            return Done{};
        const auto file = available_.find(name);
        if (file == available_.end())
            return Failure{fmt::format("the kernel package has no module {}", name)};
        const auto content = module_content(file->second);
        if (!content)
            return content.failure();
        std::istringstream depends{module_info(*content, "depends")};
        std::string dependency;
        while (std::getline(depends, dependency, ','))
            if (const auto result = collect(module_name(dependency)); !result)
                return result;
        const fs::path copy = target_ / (name + ".ko");
        order_.push_back(copy);
        return write_file(copy, *content);
    }

    const std::vector<fs::path>& order() const { return order_; }

private:
    std::map<std::string, fs::path> available_;
    fs::path target_;
    std::set<std::string> done_;
    std::vector<fs::path> order_;
};

/// The finished cache entry: vmlinuz, modules/*.ko and `wanted`, which names the modules asked for
/// (first line) and lists the load order (further lines).
std::optional<Kernel> cached(const fs::path& folder, const std::string& release,
                             const std::string& wanted) {
    const auto text = read_file(folder / "wanted");
    if (!text)
        return std::nullopt;
    std::istringstream lines{*text};
    std::string line;
    if (!std::getline(lines, line) || line != wanted)
        return std::nullopt;
    Kernel kernel{.release = release, .image = folder / "vmlinuz", .modules = {}};
    while (std::getline(lines, line))
        kernel.modules.push_back(folder / "modules" / line);
    const auto missing = [](const fs::path& file) { return !fs::exists(file); };
    if (missing(kernel.image) || std::any_of(kernel.modules.begin(), kernel.modules.end(), missing))
        return std::nullopt;
    return kernel;
}

/// Brings the kernel's package and unpacks it into `folder`.
Outcome<Done> unpack_package(const std::string& release, const fs::path& folder,
                             const Progress& progress) {
    const std::string package = "linux-image-" + release;
    progress(fmt::format("kernel: fetching Debian's {} (once)", package));
    if (const auto fetched = run_checked({"apt-get", "download", package}, folder); !fetched)
        return Failure{fmt::format("apt has no package {}", package),
                       "run apt-get update; if Debian has dropped this version, install the "
                       "current linux-headers-amd64 and build again"};
    for (const auto& entry : fs::directory_iterator{folder})
        if (entry.path().extension() == ".deb") {
            const auto unpacked =
                run_checked({"dpkg-deb", "-x", entry.path().string(), (folder / "tree").string()});
            if (!unpacked)
                return unpacked.failure();
            return Done{};
        }
    return Failure{fmt::format("apt-get download {} left no package", package)};
}

/// Copies the image and the modules from `tree` (a file system root) into a new cache entry.
Outcome<Done> build_entry(const std::string& release, std::span<const std::string> modules,
                          const std::string& wanted, const fs::path& tree, const fs::path& entry) {
    std::error_code error;
    fs::create_directories(entry / "modules", error);
    fs::copy_file(tree / "boot" / ("vmlinuz-" + release), entry / "vmlinuz",
                  fs::copy_options::overwrite_existing, error);
    if (error)
        return Failure{
            fmt::format("cannot copy the kernel image of {}: {}", release, error.message())};
    ModuleCollector collector{tree / "lib/modules" / release / "kernel", entry / "modules"};
    for (const std::string& name : modules)
        if (const auto collected = collector.collect(name); !collected)
            return collected;
    std::string list = wanted + '\n';
    for (const fs::path& file : collector.order())
        list += file.filename().string() + '\n';
    return write_file(entry / "wanted", list);
}

bool is_installed(const std::string& release) {
    return fs::exists("/boot/vmlinuz-" + release) &&
           fs::exists("/lib/modules/" + release + "/kernel");
}

}  // namespace

std::string module_info(std::string_view module_content, std::string_view key) {
    const std::string wanted = fmt::format("{}=", key);
    for (auto at = module_content.find(wanted); at != std::string_view::npos;
         at = module_content.find(wanted, at + 1)) {
        if (at != 0 && module_content[at - 1] != '\0')
            continue;
        const auto begin = at + wanted.size();
        return std::string{module_content.substr(begin, module_content.find('\0', begin) - begin)};
    }
    return {};
}

std::string module_release(std::string_view module_content) {
    const std::string magic = module_info(module_content, "vermagic");
    return magic.substr(0, magic.find(' '));
}

std::string newest_headers_release() {
    std::string newest;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator{"/usr/src", error}) {
        const std::string name = entry.path().filename().string();
        constexpr std::string_view kPrefix = "linux-headers-";
        if (!name.starts_with(kPrefix) || !name.ends_with("-amd64"))
            continue;
        const std::string release = name.substr(kPrefix.size());
        if (::strverscmp(release.c_str(), newest.c_str()) > 0)
            newest = release;
    }
    return newest;
}

Outcome<Kernel> prepare_kernel(const std::string& release, std::span<const std::string> modules,
                               const Progress& progress) {
    std::string wanted;
    for (const std::string& name : modules)
        wanted += name + ' ';
    const fs::path kernels = cache_folder() / "kernels";
    std::error_code error;
    fs::create_directories(kernels, error);
    const fs::path entry = kernels / release;
    const Descriptor held = lock(kernels, LockWait::kWait);
    if (auto kernel = cached(entry, release, wanted))
        return std::move(*kernel);

    const fs::path work = kernels / (".new-" + release);
    fs::remove_all(work, error);
    fs::create_directories(work / "entry", error);
    fs::path tree = "/";
    if (!is_installed(release)) {
        if (const auto unpacked = unpack_package(release, work, progress); !unpacked) {
            fs::remove_all(work, error);
            return unpacked.failure();
        }
        tree = work / "tree";
    }
    const auto built = build_entry(release, modules, wanted, tree, work / "entry");
    if (built) {
        fs::remove_all(entry, error);
        fs::rename(work / "entry", entry, error);
    }
    fs::remove_all(work, error);
    if (!built)
        return built.failure();
    if (auto kernel = cached(entry, release, wanted))
        return std::move(*kernel);
    return Failure{fmt::format("cannot fill the kernel cache {}", entry.string())};
}

Outcome<fs::path> prepare_vmlinux(const Kernel& kernel, const Progress& progress) {
    const fs::path file = kernel.image.parent_path() / "vmlinux";
    const Descriptor held = lock(cache_folder() / "kernels", LockWait::kWait);
    if (fs::exists(file))
        return file;
    progress("kernel: unpacking (once)");
    const auto image = read_file(kernel.image);
    if (!image)
        return Failure{fmt::format("cannot read {}", kernel.image.string())};
    auto packed = packed_kernel(*image);
    if (!packed)
        return packed.failure();
    const fs::path scratch = file.string() + ".packed";
    if (const auto written = write_file(scratch, packed->content); !written)
        return written.failure();
    packed->unpacker.push_back(scratch.string());
    auto unpacked = run_checked(packed->unpacker);
    std::error_code error;
    fs::remove(scratch, error);
    if (!unpacked)
        return unpacked.failure();
    unpacked->resize((unpacked->size() + 511) & ~std::size_t{511});
    if (const auto written = write_file(file, *unpacked); !written)
        return written.failure();
    return file;
}

}  // namespace ringside::lab
