# SPDX-License-Identifier: GPL-2.0-or-later
ringside_core_sources(PURE builtins.cpp calendar.cpp effects.cpp floating.cpp format.cpp globals.cpp locks.cpp machine_code.cpp machine_registers.cpp
                      print.cpp script_memory.cpp string_functions.cpp translate.cpp verifier.cpp vm.cpp)
