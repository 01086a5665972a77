# SPDX-License-Identifier: GPL-2.0-or-later
ringside_core_sources(PURE capabilities.cpp ept.cpp entry_report.cpp vmx_backend.cpp)
ringside_core_sources(ROOT entry.S vmx_vendor.cpp)
