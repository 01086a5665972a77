# SPDX-License-Identifier: GPL-2.0-or-later
ringside_core_sources(PURE exit_loop.cpp guest_view.cpp halt.cpp ignored.cpp interrupt_controllers.cpp rendezvous.cpp step.cpp user_code.cpp
                      watchdogs.cpp)
ringside_core_sources(ROOT host_fault.cpp hypervisor.cpp)
