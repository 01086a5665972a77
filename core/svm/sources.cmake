# SPDX-License-Identifier: GPL-2.0-or-later
ringside_core_sources(PURE software_delivery.cpp)
ringside_core_sources(ROOT entry.S svm_backend.cpp svm_vendor.cpp)
