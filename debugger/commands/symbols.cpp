// SPDX-License-Identifier: GPL-3.0-or-later
// x, lm, .sym: the names of the kernel and its modules.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "commands/evaluation.hpp"
#include "commands/symbol_names.hpp"

namespace ringside::commands {
namespace {

/// "vmlinux" of "vmlinux!schedule".
std::string_view module_of(const debuggee::Symbol& symbol) {
    return std::string_view{symbol.name}.substr(0, symbol.name.find('!'));
}

/// What one module's symbols tell of it.
struct Module {
    u64 first = ~u64{0};  ///< its lowest address
    u64 last = 0;         ///< the highest
    u64 count = 0;
};

debuggee::Reply<std::map<std::string, Module, std::less<>>> list_modules(
    debuggee::Debuggee& debuggee) {
    const auto symbols = debuggee.symbols("*!*");
    if (!symbols)
        return symbols.failure();
    std::map<std::string, Module, std::less<>> modules;
    for (const debuggee::Symbol& symbol : *symbols) {
        const std::string_view name = module_of(symbol);
        auto found = modules.find(name);
        if (found == modules.end())
            found = modules.emplace(name, Module{}).first;
        Module& module = found->second;
        ++module.count;
        // Absolute ones (per-CPU offsets, and constants) lie nowhere.
        if (symbol.type == 'A' || symbol.type == 'a' || symbol.address >> 63 == 0)
            continue;
        module.first = std::min(module.first, symbol.address);
        module.last = std::max(module.last, symbol.address);
    }
    return modules;
}

Outcome run_examine(Session& session, const Invocation& invocation) {
    if (!session.require_connection(invocation))
        return Outcome::kFailed;
    const Token& word = invocation.words[0];
    const std::size_t mark = word.text.find('!');
    if (word.text.size() >= sizeof(rs_symbol_list::pattern) || mark == 0 ||
        mark + 1 == word.text.size() || word.text.find('!', mark + 1) != std::string::npos)
        return session.fail(invocation, {"bad pattern " + in_quotes(word.text), word.begin,
                                         mark + 1 == word.text.size() && mark != 0
                                             ? "a '*' behind the '!' stands for all its names"
                                             : ""});
    auto symbols = session.debuggee().symbols(word.text);
    if (!symbols)
        return session.request_failed(symbols.failure());
    std::ranges::copy(session.added_symbols().matching(word.text), std::back_inserter(*symbols));
    std::ranges::stable_sort(*symbols, {}, &debuggee::Symbol::address);
    if (symbols->empty())
        return session.fail(
            invocation,
            {"no symbol matches " + in_quotes(word.text), word.begin,
             word.text.find('*') == std::string::npos
                 ? "'*' stands for anything, '?' for one character; names keep their case"
                 : "'lm' lists the modules; names keep their case"});
    std::string text;
    for (const debuggee::Symbol& symbol : *symbols)
        text += fmt::format("{}  {}\n", address_text(symbol.address), symbol.name);
    session.output().text(text);
    return Outcome::kOk;
}

/// The part of a module's name that is asked for.
struct NameFilter {
    const Token* word = nullptr;

    bool takes(std::string_view name) const {
        return word == nullptr ||
               lower_case(name).find(lower_case(word->text)) != std::string::npos;
    }
    Problem nothing_found(std::string_view command) const {
        if (word == nullptr)
            return {"no modules", {}, {}};
        return {"no module is called that", word->begin,
                fmt::format("'{}' lists them all", command)};
    }
};

std::string module_line(u64 start, u64 size, std::string_view name, std::string_view path) {
    return fmt::format("{}\t{:x}\t{:<24}\t{}\n", address_text(start), size, name, path);
}

/// A file that a process has mapped: from its first mapping to the end of its last one.
struct MappedFile {
    debuggee::Mapping first;
    u64 end = 0;
};

std::vector<MappedFile> mapped_files(const std::vector<debuggee::Mapping>& mappings) {
    std::vector<MappedFile> files;
    for (const debuggee::Mapping& mapping : mappings) {
        const auto known = std::ranges::find_if(files, [&](const MappedFile& file) {
            return file.first.inode == mapping.inode && file.first.name == mapping.name &&
                   file.first.path == mapping.path;
        });
        if (known == files.end())
            files.push_back({mapping, mapping.end});
        else
            known->end = mapping.end;
    }
    return files;
}

/// Whoever made the file chose its name, control characters and all.
std::string printable(std::string name) {
    std::ranges::replace_if(
        name, [](unsigned char c) { return c < ' ' || c == 0x7f; }, '?');
    return name.empty() ? "-" : name;
}

Outcome show_user_modules(Session& session, const Invocation& invocation,
                          std::span<const Token> pid, NameFilter filter) {
    if (pid.size() > 1)
        return session.wrong_use(invocation, &pid[1]);
    ProcessChoice process{RS_ANY, nullptr};
    if (!pid.empty()) {
        const auto number = read_number(session, invocation, pid[0], "pid", 0, RS_ANY - 1);
        if (!number)
            return Outcome::kFailed;
        process = {static_cast<u32>(*number), &pid[0]};
    } else if (const AttachedProcess* active = session.processes().active();
               active != nullptr && !session.is_halted()) {
        process.pid = active->pid;
    }
    if (const Outcome loaded = session.require_vmm(invocation); loaded != Outcome::kOk)
        return loaded;
    const auto mappings = session.debuggee().mappings(process.pid);
    if (!mappings && mappings.failure().code == RS_ERR_NO_USER_MEMORY)
        return session.fail(invocation, {mappings.failure().text(),
                                         pid.empty() ? std::nullopt : std::optional{pid[0].begin},
                                         "'lm km' lists the kernel's modules"});
    if (!mappings)
        return memory_request_failed(session, invocation, process, mappings.failure());
    std::string text;
    for (const MappedFile& file : mapped_files(*mappings))
        if (filter.takes(file.first.name))
            text += module_line(file.first.start, file.end - file.first.start,
                                printable(file.first.name), printable(file.first.path));
    if (text.empty())
        return session.fail(invocation, filter.nothing_found("lm um"));
    session.output().text("user mode\nstart\t\t\tsize\tname\t\t\t\tpath\n\n" + text);
    return Outcome::kOk;
}

Outcome run_modules(Session& session, const Invocation& invocation) {
    if (!session.require_connection(invocation))
        return Outcome::kFailed;
    const auto parts = Parts::split(session, invocation, {"m", "pid"});
    if (!parts)
        return Outcome::kFailed;
    const std::span<const Token> names = parts->behind("m");
    if (names.size() > 1)
        return session.wrong_use(invocation, &names[1]);
    if (parts->front().size() > 1)
        return session.wrong_use(invocation, &parts->front()[1]);
    const NameFilter filter{names.empty() ? nullptr : &names[0]};
    const std::span<const Token> pid = parts->behind("pid");
    if (!parts->front().empty()) {
        const Token& kind = parts->front()[0];
        if (same_word(kind.text, "um"))
            return show_user_modules(session, invocation, pid, filter);
        if (!same_word(kind.text, "km"))
            return session.wrong_use(invocation, &kind);
    }
    if (!pid.empty())
        return session.fail(invocation, {"'pid' goes with 'um': the kernel's modules are the same "
                                         "for all processes",
                                         pid[0].begin,
                                         {}});
    const auto modules = list_modules(session.debuggee());
    if (!modules)
        return session.request_failed(modules.failure());

    std::vector<std::pair<std::string, Module>> rows;
    for (const auto& [name, module] : *modules)
        if (module.last != 0 && filter.takes(name))
            rows.emplace_back(name, module);
    if (rows.empty())
        return session.fail(invocation, filter.nothing_found("lm"));
    std::ranges::sort(rows, {}, [](const auto& row) { return row.second.first; });
    // Symbols do not tell which file a module came from.
    std::string text = "kernel mode\nstart\t\t\tsize\tname\t\t\t\tpath\n\n";
    for (const auto& [name, module] : rows)
        text += module_line(module.first, module.last - module.first, name, "-");
    session.output().text(text);
    return Outcome::kOk;
}

/// '.sym add base A path P'.
Outcome add_file(Session& session, const Invocation& invocation) {
    const auto parts = Parts::split(session, invocation, {"base", "path"});
    if (!parts)
        return Outcome::kFailed;
    const std::span<const Token> base = parts->behind("base"), path = parts->behind("path");
    if (parts->front().size() != 1 || base.empty() || path.size() != 1)
        return session.wrong_use(invocation, parts->front().size() > 1 ? &parts->front()[1]
                                             : path.size() > 1         ? &path[1]
                                                                       : nullptr);
    u64 address = 0;
    if (const Outcome known = evaluate(session, invocation, base, address); known != Outcome::kOk)
        return known;
    auto read = symbols::read_symbols(path[0].text, address);
    if (const auto* const problem = std::get_if<std::string>(&read))
        return session.fail(invocation, {*problem, path[0].begin, {}});
    auto& file = std::get<symbols::SymbolFile>(read);
    session.output().text(fmt::format("{} symbols of {} at {}\n", file.symbols.size(), file.module,
                                      address_text(address)));
    session.added_symbols().add(std::move(file));
    return Outcome::kOk;
}

/// '.sym unload': what was added goes; the debuggee's own are asked for whenever they are needed.
Outcome unload_files(Session& session, const Invocation& invocation) {
    AddedSymbols& added = session.added_symbols();
    if (added.files().empty())
        return session.fail(invocation,
                            {"no symbols were added", {}, "'.sym add' adds those of a file"});
    u64 count = 0;
    for (const symbols::SymbolFile& file : added.files())
        count += file.symbols.size();
    session.output().text(
        fmt::format("{} symbols of {} modules unloaded\n", count, added.files().size()));
    added.clear();
    return Outcome::kOk;
}

Outcome run_symbol_tables(Session& session, const Invocation& invocation) {
    const Token& word = invocation.words[0];
    if (same_word(word.text, "add"))
        return add_file(session, invocation);
    if (invocation.words.size() > 1)
        return session.wrong_use(invocation, &invocation.words[1]);
    if (same_word(word.text, "unload"))
        return unload_files(session, invocation);
    const bool loads = same_word(word.text, "load") || same_word(word.text, "reload");
    if (!loads && !same_word(word.text, "table"))
        return session.wrong_use(invocation, &word);
    if (!session.require_connection(invocation))
        return Outcome::kFailed;
    auto modules = list_modules(session.debuggee());
    if (!modules)
        return session.request_failed(modules.failure());
    for (const symbols::SymbolFile& file : session.added_symbols().files())
        (*modules)[file.module].count += file.symbols.size();
    u64 total = 0;
    std::string text;
    for (const auto& [name, module] : *modules) {
        total += module.count;
        text += fmt::format("{:<24} {}\n", name, module.count);
    }
    session.output().text(loads ? fmt::format("{} symbols of {} modules\n", total, modules->size())
                                : text);
    return Outcome::kOk;
}

constexpr CommandSpec kCommands[] = {
    {.name = "x",
     .syntax = "x PATTERN\nx MODULE!PATTERN",
     .summary = "looks for symbols by name",
     .help =
         "'*' stands for anything, '?' for one character; letter case counts. Without a module\n"
         "those of the kernel itself ('vmlinux', also called 'nt') are meant.\n\n"
         "examples:\n"
         "    x schedule\n"
         "    x vmlinux!*_interrupt\n"
         "    x *!*irq*\n",
     .least_words = 1,
     .most_words = 1,
     .run = run_examine},
    {.name = "lm",
     .syntax = "lm [km] [m NAME]\nlm um [m NAME] [pid PID]",
     .summary = "lists the kernel and its modules, or the files a process has mapped",
     .help = "NAME is a part of the name. Where a module of the kernel starts and how large it is\n"
             "are told by its first and last symbol.\n"
             "'um': the program, libraries and other files in the memory of the current process,\n"
             "or of PID, from the first mapping of each to the end of its last one.\n\n"
             "examples:\n    lm\n    lm km m nvme\n    lm um\n    lm um m libc pid 1ddc\n",
     .keywords = "km um m pid",
     .is_free_form = true,
     .run = run_modules},
    {.name = ".sym",
     .syntax = ".sym table\n.sym load\n.sym reload\n.sym add base ADDR path FILE\n.sym unload",
     .summary = "counts the symbols of each module, or adds those of a file",
     .help =
         "Symbols are those of the debuggee's own table (/proc/kallsyms), asked for whenever\n"
         "they are needed: 'load' and 'reload' only say how many there are now.\n"
         "'add' adds those of an ELF file on this side: a program, a library, a module. ADDR is\n"
         "where it begins in the debuggee. 'unload' forgets what was added.\n\n"
         "examples:\n    .sym table\n    .sym reload\n"
         "    .sym add base 400000 path /bin/busybox\n"
         "    .sym add base ffffffffc0401000 path \"/root/my module.ko\"\n"
         "    .sym unload\n",
     .keywords = "table load reload add base path unload",
     .least_words = 1,
     .is_free_form = true,
     .run = run_symbol_tables},
};

}  // namespace

std::span<const CommandSpec> symbol_commands() {
    return kCommands;
}

}  // namespace ringside::commands
