# SPDX-License-Identifier: GPL-2.0-or-later
ringside_core_sources(ROOT exit_loop.cpp guest_view.cpp host_fault.cpp hypervisor.cpp)
