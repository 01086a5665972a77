# SPDX-License-Identifier: GPL-2.0-or-later
ringside_core_sources(PURE guest_page_walk.cpp mtrr.cpp walk_cache.cpp)
