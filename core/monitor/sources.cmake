# SPDX-License-Identifier: GPL-2.0-or-later
ringside_core_sources(PURE control_register.cpp cpuid.cpp exception.cpp exit_table.cpp fatal.cpp hypercall.cpp interrupt.cpp msr.cpp)
