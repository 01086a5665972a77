// SPDX-License-Identifier: GPL-3.0-or-later
// The debuggee's second serial line as a unix socket. Bochs connects its end once, when it starts,
// and dies of nothing that happens there; debuggers come and go. A small process of its own stands
// between the two as long as Bochs lives.
//
//   Bochs  --TCP, once-->  relay  <--unix socket, one at a time--  debugger
//
// While no debugger is there, what the debuggee says is dropped. A second debugger is turned away.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "lab/outcome.hpp"

namespace ringside::lab {

inline constexpr const char* kSerialSocket = "serial";

struct Relay {
    pid_t pid = 0;
    std::uint16_t machine_port = 0;  ///< on 127.0.0.1: where Bochs connects to
};

/// Starts the relay of the lab in `folder`, which listens when this returns. It ends when Bochs has
/// closed its end, or when nobody holds the lab's `alive` lock before Bochs has connected.
Outcome<Relay> start_relay(const std::filesystem::path& folder);

/// The relay's own program, `ringside lab relay ...`, with the words that start_relay() gives it.
int relay_main(std::span<const std::string> words);

/// The loop: `machine_listener` is accepted once, `debugger_listener` again and again. `abandoned`
/// is asked about once a second until the machine has connected; true ends the loop. Returns when
/// the machine has closed its end.
void run_relay(int machine_listener, int debugger_listener, const std::function<bool()>& abandoned);

}  // namespace ringside::lab
