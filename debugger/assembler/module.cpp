// SPDX-License-Identifier: GPL-3.0-or-later
#include "assembler/module.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <filesystem>
#include <system_error>
#include <vector>

namespace ringside::assembler {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFile = "ringside-asm.so";

/// Beside the program or the library this code is part of, where they are installed to, and where
/// the program's own folder would have it.
std::vector<fs::path> candidates() {
    std::vector<fs::path> folders;
    std::error_code error;
    Dl_info where{};
    static const char here = 0;
    if (::dladdr(&here, &where) != 0 && where.dli_fname != nullptr)
        folders.push_back(fs::weakly_canonical(where.dli_fname, error).parent_path());
    folders.push_back(fs::read_symlink("/proc/self/exe", error).parent_path());
    const std::size_t found = folders.size();
    for (std::size_t i = 0; i < found; ++i) {
        folders.push_back(folders[i] / "ringside");
        folders.push_back(folders[i].parent_path() / "lib" / "ringside");
    }
    folders.emplace_back(RINGSIDE_MODULE_FOLDER);
    for (fs::path& folder : folders)
        folder /= kFile;
    return folders;
}

std::variant<ringside_assemble_function*, std::string> load() {
    for (const fs::path& file : candidates()) {
        std::error_code error;
        if (!file.is_absolute() || !fs::is_regular_file(file, error))
            continue;
        void* library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
        void* symbol = library != nullptr ? ::dlsym(library, RINGSIDE_ASSEMBLE_NAME) : nullptr;
        if (symbol == nullptr)
            return fmt::format("cannot load '{}': {}", file.string(), ::dlerror());
        return reinterpret_cast<ringside_assemble_function*>(symbol);
    }
    return fmt::format("no '{}' beside this program nor in '{}'", kFile, RINGSIDE_MODULE_FOLDER);
}

}  // namespace

std::variant<ringside_assemble_function*, std::string> load_module() {
    static const auto loaded = load();
    return loaded;
}

}  // namespace ringside::assembler
