# SPDX-License-Identifier: GPL-2.0-or-later
ringside_core_sources(PURE io_apic.cpp retire.cpp short_circuit.cpp)
