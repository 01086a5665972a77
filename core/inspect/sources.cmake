# SPDX-License-Identifier: GPL-2.0-or-later
ringside_core_sources(PURE address_space.cpp controllers.cpp cpuid.cpp inspect.cpp mappings.cpp memory.cpp msr.cpp page_walk.cpp tasks.cpp)
