// SPDX-License-Identifier: GPL-3.0-or-later
#include "commands/settings.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "commands/number.hpp"
#include "commands/problem.hpp"
#include "commands/token.hpp"
#include "ringside/bytecode.h"

namespace ringside::commands {
namespace {

constexpr std::array<std::string_view, 3> kOnOff = {"on", "off", ""};
constexpr u64 kOn = 0, kOff = 1;

/// In the order of Setting.
constexpr SettingSpec kSpecs[] = {
    {"autoflush", kOnOff, kOff, 0, 0, 0, "'flush' after each 'events d' and 'events c'"},
    {"autounpause", kOnOff, kOn, 0, 0, 0, "a new event ends the pause"},
    {"syntax", {"intel", "att", "masm"}, 0, 0, 0, 0, "of disassembly"},
    {"addressconversion", kOnOff, kOn, 0, 0, 0, "show the names of addresses"},
    {"scriptbudget",
     {},
     1'000'000,
     1,
     u64{1} << 40,
     RS_SET_SCRIPT_BUDGET,
     "operations of a script's run"},
    {"scripttime",
     {},
     200'000,
     1,
     10'000'000,
     RS_SET_SCRIPT_TIME,
     "microseconds of a script's run"},
    {"codebudget",
     {},
     10'000,
     1,
     1'000'000,
     RS_SET_CODE_TIME,
     "microseconds of a run of machine code"},
    {"jit", kOnOff, kOn, 0, 0, RS_SET_JIT, "machine code for scripts of events"},
    {"linkloss",
     {"wait", "go", ""},
     0,
     0,
     0,
     RS_SET_LINK_LOSS,
     "what a halted debuggee does when the link is lost"},
    {"immflush",
     {},
     250,
     1,
     60'000,
     RS_SET_GATHER_TIME,
     "milliseconds text of 'imm no' is kept at most"},
    {"screplay", kOnOff, kOn, 0, 0, RS_SET_SC_REPLAY,
     "raise anew what was ignored last when its event ends"},
    {"sclevel",
     {"throttle", "deliver", ""},
     0,
     0,
     0,
     RS_SET_SC_DELIVER,
     "what becomes of a level-triggered line that nobody serves"},
};
static_assert(std::size(kSpecs) == static_cast<std::size_t>(Setting::kCount));

std::size_t index_of(const SettingSpec& spec) {
    return static_cast<std::size_t>(&spec - kSpecs);
}

bool is_number(const SettingSpec& spec) {
    return spec.words[0].empty();
}

/// "on or off", "intel, att or masm"
std::string choice(const SettingSpec& spec) {
    const auto& [first, second, third] = spec.words;
    return third.empty() ? fmt::format("{} or {}", first, second)
                         : fmt::format("{}, {} or {}", first, second, third);
}

/// A value as the file has it; on failure what is wrong.
std::optional<std::string> take(Settings& settings, const SettingSpec& spec,
                                const toml::node& node) {
    if (const auto number = node.value_exact<int64_t>(); number && is_number(spec))
        return *number < 0 ? std::optional{fmt::format("'{}' is negative", spec.name)}
                           : settings.set(spec, fmt::format("{:x}", *number));
    if (const auto flag = node.value_exact<bool>(); flag && spec.words == kOnOff)
        return settings.set(spec, *flag ? "on" : "off");
    if (const auto text = node.value_exact<std::string>(); text && !is_number(spec))
        return settings.set(spec, *text);
    return is_number(spec) ? fmt::format("'{}' is not a number", spec.name)
                           : fmt::format("'{}' takes {}", spec.name, choice(spec));
}

std::optional<toml::table> parse_file(const std::string& path, std::string& error) {
    std::ifstream file{path, std::ios::binary};
    std::ostringstream text;
    text << file.rdbuf();
    try {
        return toml::parse(text.str());
    } catch (const toml::parse_error& problem) {
        error = fmt::format("line {}: {}", problem.source().begin.line, problem.description());
        return std::nullopt;
    }
}

}  // namespace

std::span<const SettingSpec> Settings::specs() {
    return kSpecs;
}

const SettingSpec* Settings::find(std::string_view name) {
    for (const SettingSpec& spec : kSpecs)
        if (same_word(name, spec.name))
            return &spec;
    return nullptr;
}

Settings::Settings() {
    for (const SettingSpec& spec : kSpecs)
        values_[index_of(spec)] = spec.preset;
}

std::string_view Settings::word(Setting setting) const {
    return kSpecs[static_cast<std::size_t>(setting)].words[number(setting)];
}

std::string Settings::line(const SettingSpec& spec) const {
    const u64 value = values_[index_of(spec)];
    return is_number(spec) ? fmt::format("{} = {:x}", spec.name, value)
                           : fmt::format("{} = {}", spec.name, spec.words[value]);
}

std::optional<std::string> Settings::set(const SettingSpec& spec, std::string_view value) {
    u64 chosen = 0;
    if (is_number(spec)) {
        const Number number = parse_number(value);
        if (number.status == NumberStatus::kNotANumber)
            return "bad number " + in_quotes(value);
        if (number.status != NumberStatus::kOk || number.value < spec.least ||
            number.value > spec.most)
            return fmt::format("'{}' must be {:x} to {:x} (hex)", spec.name, spec.least, spec.most);
        chosen = number.value;
    } else {
        while (chosen < spec.words.size() &&
               (spec.words[chosen].empty() || !same_word(value, spec.words[chosen])))
            ++chosen;
        if (chosen == spec.words.size())
            return fmt::format("'{}' takes {}", spec.name, choice(spec));
    }
    values_[index_of(spec)] = chosen;
    is_chosen_[index_of(spec)] = true;
    return std::nullopt;
}

void Settings::set_emulated() {
    constexpr u64 kSlower = 10;
    for (const Setting setting : {Setting::kScriptTime, Setting::kCodeBudget}) {
        const auto at = static_cast<std::size_t>(setting);
        if (!is_chosen_[at])
            values_[at] = kSpecs[at].preset * kSlower;
    }
}

rs_settings Settings::for_root_mode(const SettingSpec* only) const {
    rs_settings settings{};
    settings.mask = only != nullptr ? only->mask : RS_SET_ALL;
    settings.sc_replay = is_on(Setting::kScReplay);
    settings.sc_deliver = word(Setting::kScLevel) == "deliver";
    settings.script_budget = number(Setting::kScriptBudget);
    settings.script_time_us = number(Setting::kScriptTime);
    settings.code_time_us = number(Setting::kCodeBudget);
    settings.gather_time_ms = number(Setting::kImmFlush);
    settings.jit = is_on(Setting::kJit);
    settings.link_loss = word(Setting::kLinkLoss) == "go";
    const time_t now = time(nullptr);
    tm local{};
    if (localtime_r(&now, &local) != nullptr)
        settings.utc_offset_s = local.tm_gmtoff;
    return settings;
}

std::vector<std::string> Settings::use_file(std::string path) {
    path_ = std::move(path);
    std::vector<std::string> complaints;
    std::error_code error;
    if (path_.empty() || !std::filesystem::exists(path_, error))
        return complaints;
    std::string why;
    const auto table = parse_file(path_, why);
    if (!table) {
        complaints.push_back(fmt::format("'{}', {}; it is not used", path_, why));
        path_.clear();  // what is in it is not lost
        return complaints;
    }
    for (const auto& [key, node] : *table) {
        const SettingSpec* spec = find(key.str());
        const auto problem = spec != nullptr
                                 ? take(*this, *spec, node)
                                 : std::optional{fmt::format("no such option '{}'", key.str())};
        if (problem)
            complaints.push_back(
                fmt::format("'{}', line {}: {}", path_, node.source().begin.line, *problem));
    }
    return complaints;
}

std::optional<std::string> Settings::save() const {
    if (path_.empty())
        return std::nullopt;
    const auto failed = [this](int error) {
        return fmt::format("cannot write '{}': {}", path_, std::strerror(error));
    };
    std::string why;
    std::error_code error;
    toml::table table;
    if (std::filesystem::exists(path_, error))
        if (auto found = parse_file(path_, why))
            table = std::move(*found);
    for (const SettingSpec& spec : kSpecs) {
        if (!is_chosen_[index_of(spec)])
            continue;
        const u64 value = values_[index_of(spec)];
        if (is_number(spec))
            table.insert_or_assign(spec.name, static_cast<int64_t>(value));
        else if (spec.words == kOnOff)
            table.insert_or_assign(spec.name, value == kOn);
        else
            table.insert_or_assign(spec.name, spec.words[value]);
    }
    std::filesystem::create_directories(std::filesystem::path{path_}.parent_path(), error);
    if (error)
        return failed(error.value());
    std::ostringstream text;
    text << table << '\n';
    // Another session may read it meanwhile.
    const std::string fresh = fmt::format("{}.{}", path_, ::getpid());
    const int file = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0)
        return failed(errno);
    const std::string bytes = text.str();
    const bool is_written =
        ::write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
    int problem = is_written ? 0 : errno;
    if (::close(file) != 0 && problem == 0)
        problem = errno;
    if (problem == 0 && std::rename(fresh.c_str(), path_.c_str()) == 0)
        return std::nullopt;
    if (problem == 0)
        problem = errno;
    (void)::unlink(fresh.c_str());
    return failed(problem);
}

std::string default_settings_path() {
    const char* folder = std::getenv("XDG_CONFIG_HOME");
    if (folder != nullptr && *folder != '\0')
        return std::string{folder} + "/ringside/settings.toml";
    const char* home = std::getenv("HOME");
    return home != nullptr ? std::string{home} + "/.config/ringside/settings.toml" : "";
}

}  // namespace ringside::commands
