# SPDX-License-Identifier: GPL-2.0-or-later
ringside_core_sources(PURE crc32.cpp frame_queue.cpp frame_receiver.cpp shared_stream.cpp uart.cpp)
