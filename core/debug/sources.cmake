# SPDX-License-Identifier: GPL-2.0-or-later
ringside_core_sources(PURE breakpoints.cpp debugger.cpp halt_report.cpp halted_memory.cpp pools.cpp requests.cpp
                                             running.cpp)
