# SPDX-License-Identifier: GPL-2.0-or-later
ringside_core_sources(PURE privileged.cpp sandbox.cpp space.cpp)
