// SPDX-License-Identifier: GPL-3.0-or-later
#include "symbols/elf_symbols.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <gelf.h>
#include <libelf.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <optional>

namespace ringside::symbols {
namespace {

struct Close {
    void operator()(Elf* elf) const { elf_end(elf); }
};
using ElfFile = std::unique_ptr<Elf, Close>;

class Descriptor {
public:
    explicit Descriptor(int number) : number_{number} {}
    ~Descriptor() {
        if (number_ >= 0)
            ::close(number_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int number() const { return number_; }

private:
    int number_;
};

/// Where each section begins; those that are not there are left out.
using Sections = std::map<std::size_t, u64>;

std::string section_name(Elf* elf, const GElf_Shdr& header) {
    std::size_t names = 0;
    const char* const name =
        elf_getshdrstrndx(elf, &names) == 0 ? elf_strptr(elf, names, header.sh_name) : nullptr;
    return name != nullptr ? name : "";
}

/// The code of a module as the kernel lays it out (kernel/module/main.c, layout_sections()): first
/// of all, in the file's order, but for what is gone after initialization.
Sections lay_out_code(Elf* elf, u64 base) {
    Sections sections;
    u64 end = base;
    for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf, section)) != nullptr;) {
        GElf_Shdr header;
        constexpr u64 kCode = SHF_ALLOC | SHF_EXECINSTR;
        if (gelf_getshdr(section, &header) == nullptr || (header.sh_flags & kCode) != kCode ||
            section_name(elf, header).starts_with(".init"))
            continue;
        const u64 alignment = std::max<u64>(header.sh_addralign, 1);
        end = (end + alignment - 1) / alignment * alignment;
        sections[elf_ndxscn(section)] = end;
        end += header.sh_size;
    }
    return sections;
}

/// What has to be added to the addresses in a file that is linked.
std::optional<u64> distance_of(Elf* elf, u64 base) {
    std::size_t count = 0;
    std::optional<u64> first;
    if (elf_getphdrnum(elf, &count) != 0)
        return std::nullopt;
    for (std::size_t i = 0; i < count; ++i) {
        GElf_Phdr header;
        if (gelf_getphdr(elf, static_cast<int>(i), &header) == nullptr || header.p_type != PT_LOAD)
            continue;
        const u64 start = header.p_vaddr & ~u64{0xfff};
        first = std::min(first.value_or(start), start);
    }
    return first ? std::optional{base - *first} : std::nullopt;
}

/// The section of the full symbol table, else of that for the dynamic linker.
Elf_Scn* symbol_section(Elf* elf) {
    Elf_Scn* found = nullptr;
    for (Elf_Scn* section = nullptr; (section = elf_nextscn(elf, section)) != nullptr;) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) == nullptr)
            continue;
        if (header.sh_type == SHT_SYMTAB)
            return section;
        if (header.sh_type == SHT_DYNSYM)
            found = section;
    }
    return found;
}

bool is_name(const char* name) {
    return name != nullptr && name[0] != '\0' && name[0] != '$' && name[0] != '.';
}

char type_of(const GElf_Sym& symbol, bool is_code) {
    const bool is_global = GELF_ST_BIND(symbol.st_info) != STB_LOCAL;
    return is_code ? is_global ? 'T' : 't' : is_global ? 'D' : 'd';
}

/// Calls take(symbol, name) for every one that stands for a place in the file.
template <class Take>
void for_each_symbol(Elf* elf, Elf_Scn* section, Take take) {
    GElf_Shdr header;
    Elf_Data* const data = elf_getdata(section, nullptr);
    if (gelf_getshdr(section, &header) == nullptr || data == nullptr || header.sh_entsize == 0)
        return;
    const std::size_t count = data->d_size / header.sh_entsize;
    for (std::size_t i = 0; i < count; ++i) {
        GElf_Sym symbol;
        if (gelf_getsym(data, static_cast<int>(i), &symbol) == nullptr)
            continue;
        const int type = GELF_ST_TYPE(symbol.st_info);
        const bool is_place =
            type == STT_FUNC || type == STT_OBJECT || type == STT_NOTYPE || type == STT_GNU_IFUNC;
        if (!is_place || symbol.st_shndx == SHN_UNDEF || symbol.st_shndx >= SHN_LORESERVE)
            continue;
        if (const char* const name = elf_strptr(elf, header.sh_link, symbol.st_name); is_name(name))
            take(symbol, name);
    }
}

bool is_code(Elf* elf, std::size_t section) {
    GElf_Shdr header;
    Elf_Scn* const found = elf_getscn(elf, section);
    return found != nullptr && gelf_getshdr(found, &header) != nullptr &&
           (header.sh_flags & SHF_EXECINSTR) != 0;
}

}  // namespace

std::string module_name(std::string_view path) {
    std::string_view name = path.substr(path.find_last_of('/') + 1);
    for (const std::string_view ending : {".so", ".ko"})
        if (const std::size_t at = name.find(ending); at != std::string_view::npos && at != 0)
            name = name.substr(0, at);
    std::string text{name};
    std::ranges::replace_if(
        text, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
    return text;
}

std::variant<SymbolFile, std::string> read_symbols(const std::string& path, u64 base) {
    const Descriptor descriptor{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (descriptor.number() < 0)
        return fmt::format("cannot open {}: {}", path, std::strerror(errno));
    elf_version(EV_CURRENT);
    const ElfFile file{elf_begin(descriptor.number(), ELF_C_READ, nullptr)};
    Elf* const elf = file.get();
    GElf_Ehdr header;
    if (elf == nullptr || elf_kind(elf) != ELF_K_ELF || gelf_getehdr(elf, &header) == nullptr)
        return fmt::format("{} is no ELF file", path);
    if (header.e_machine != EM_X86_64 && header.e_machine != EM_386)
        return fmt::format("{} is for another processor", path);
    const bool is_linked = header.e_type != ET_REL;
    const Sections sections = is_linked ? Sections{} : lay_out_code(elf, base);
    const auto distance = is_linked ? distance_of(elf, base) : std::optional<u64>{0};
    Elf_Scn* const table = symbol_section(elf);
    SymbolFile found{.module = module_name(path), .symbols = {}};
    if (table != nullptr && distance)
        for_each_symbol(elf, table, [&](const GElf_Sym& symbol, const char* name) {
            const auto section = sections.find(symbol.st_shndx);
            if (!is_linked && section == sections.end())
                return;
            const u64 start = is_linked ? *distance : section->second;
            found.symbols.push_back({.address = start + symbol.st_value,
                                     .size = symbol.st_size,
                                     .name = name,
                                     .type = type_of(symbol, is_code(elf, symbol.st_shndx))});
        });
    if (found.symbols.empty())
        return fmt::format("{} has no symbols", path);
    std::ranges::stable_sort(found.symbols, {}, &FileSymbol::address);
    return found;
}

}  // namespace ringside::symbols
