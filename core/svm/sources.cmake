# SPDX-License-Identifier: GPL-2.0-or-later
ringside_core_sources(PURE software_delivery.cpp svm_backend.cpp)
ringside_core_sources(ROOT entry.S svm_vendor.cpp)
