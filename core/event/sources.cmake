# SPDX-License-Identifier: GPL-2.0-or-later
ringside_core_sources(PURE adoption.cpp engine.cpp event_run.cpp gather.cpp holding.cpp image.cpp limits.cpp pipeline.cpp registry.cpp
                      registry_report.cpp reserve.cpp send.cpp snapshot.cpp)
