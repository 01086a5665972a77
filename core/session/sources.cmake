# SPDX-License-Identifier: GPL-2.0-or-later
ringside_core_sources(ROOT preparation.cpp session.cpp)
