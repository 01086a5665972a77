# SPDX-License-Identifier: GPL-2.0-or-later
ringside_core_sources(PURE consumer.cpp producer.cpp ring_set.cpp)
