// SPDX-License-Identifier: GPL-3.0-or-later
// A sink that hands text to a function of a shared library (OUT-9).
#pragma once

#include <string>

#include "output/sink.hpp"

namespace ringside::output {

/// The signature of the function a module exports, by the name ringside_event_forwarding or
/// hyperdbg_event_forwarding. `buf` holds `len` bytes and a zero byte behind them, and belongs to
/// the caller. It runs in the debugger's one thread: whatever it does, it must return soon.
using EventForwarding = void (*)(const char* buf, unsigned len);

/// Loads the library at `path`; on failure `error` is dlerror()'s sentence.
OpenedSink open_module(const std::string& path);

}  // namespace ringside::output
