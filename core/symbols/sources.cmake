# SPDX-License-Identifier: GPL-2.0-or-later
ringside_core_sources(PURE answers.cpp pattern.cpp symbol_table.cpp)
