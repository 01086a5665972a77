# SPDX-License-Identifier: GPL-2.0-or-later
ringside_core_sources(PURE code_traits.cpp instruction_length.cpp)
ringside_core_sources(ROOT host_vectors.S)
