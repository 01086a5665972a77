// SPDX-License-Identifier: GPL-3.0-or-later
// The user's options (AUX-5): a table, their values, and the file they are kept in.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.hpp"
#include "ringside/ioctl.h"

namespace ringside::commands {

enum class Setting {
    kAutoFlush,
    kAutoUnpause,
    kSyntax,
    kAddressConversion,
    kScriptBudget,
    kScriptTime,
    kCodeBudget,
    kJit,
    kLinkLoss,
    kImmFlush,
    kScReplay,
    kScLevel,
    kCount,
};

/// A row of the table of AUX-5.
struct SettingSpec {
    std::string_view name;
    std::array<std::string_view, 3> words;  ///< its values; none: a number
    u64 preset;                             ///< the number, or the index of the word
    u64 least, most;                        ///< numbers
    u32 mask;                               ///< RS_SET_* if root mode needs it
    std::string_view summary;
};

class Settings {
public:
    static std::span<const SettingSpec> specs();
    /// Its row, or null; in any case.
    static const SettingSpec* find(std::string_view name);

    Settings();

    u64 number(Setting setting) const { return values_[static_cast<std::size_t>(setting)]; }
    /// For options that are on or off.
    bool is_on(Setting setting) const { return word(setting) == "on"; }
    std::string_view word(Setting setting) const;
    /// "name = value"; numbers are hexadecimal.
    std::string line(const SettingSpec& spec) const;

    /// Sets from what was typed. On failure the text of the error, without "err, ".
    std::optional<std::string> set(const SettingSpec& spec, std::string_view value);

    /// A debuggee in an emulator, whose host may stall it: time limits the user has not chosen are
    /// ten times as long.
    void set_emulated();

    /// What root mode has to know: of one row, or of all.
    rs_settings for_root_mode(const SettingSpec* only = nullptr) const;

    /// Reads the file, and keeps values in it from now on; a file that is not there is none. What
    /// cannot be used is left at its preset and told in the result, a sentence each.
    std::vector<std::string> use_file(std::string path);
    /// Writes the file, leaving in it what other versions know. Nothing to do without a file.
    /// On failure the text of the error.
    std::optional<std::string> save() const;

private:
    std::array<u64, static_cast<std::size_t>(Setting::kCount)> values_;
    std::array<bool, static_cast<std::size_t>(Setting::kCount)> is_chosen_{};
    std::string path_;
};

/// $XDG_CONFIG_HOME/ringside/settings.toml, by default below ~/.config; empty without a home.
std::string default_settings_path();

}  // namespace ringside::commands
