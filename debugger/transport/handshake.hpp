// SPDX-License-Identifier: GPL-3.0-or-later
// How the two ends of a link introduce themselves (order and layouts: uapi packet.h).
#pragma once

#include <asio/awaitable.hpp>
#include <chrono>
#include <optional>
#include <string>

#include "ringside/packet.h"
#include "transport/channel.hpp"
#include "transport/key.hpp"

namespace ringside::transport {

/// How an introduction ended.
struct Handshake {
    enum class Outcome {
        kDone,
        kClosed,    ///< the other side hung up
        kTimedOut,  ///< it said nothing in time
        kRefused,   ///< one side said no: error says why
    };
    Outcome outcome = Outcome::kDone;
    bool is_ours = false;     ///< kRefused: we said no; the other side has not been told yet
    rs_packet_error error{};  ///< kRefused: code, errno, and the sender's versions
    rs_packet_hello peer{};   ///< what the other side said of itself, zero if nothing yet
};

/// The debugger's part, up to READY. Does not close the channel.
asio::awaitable<Handshake> introduce_debugger(Channel& channel, Key key, Deadline deadline);

/// The agent's part, up to its AUTH; READY or ERROR is the caller's to send.
asio::awaitable<Handshake> introduce_agent(Channel& channel, Key key, Deadline deadline);

/// How often a debugger repeats its HELLO on a line that does not answer.
inline constexpr std::chrono::milliseconds kHelloInterval{2'000};

/// The debugger's part on a line: what is left there of earlier links is passed over.
asio::awaitable<Handshake> introduce_debugger_on_line(
    Channel& channel, Key key, Deadline deadline,
    std::chrono::milliseconds hello_interval = kHelloInterval);

/// The agent's part on a line, up to its AUTH. Waits as long as it takes: kClosed, kRefused and
/// kDone are the ways it ends, the last two with the debugger's HELLO in `peer`.
/// @param hello  the frame that ended the link before this one, if it was a HELLO
asio::awaitable<Handshake> introduce_agent_on_line(Channel& channel, Key key,
                                                   std::optional<Frame> hello);

/// Refuses what belongs to no session, on a line.
/// @param hello  what is answered; zero if nothing was said
void send_error_on_line(Channel& channel, const rs_packet_error& error,
                        const rs_packet_hello& hello);

/// An ERROR's payload with our own versions.
rs_packet_error make_link_error(rs_link_error code, int error_number = 0);

/// A refusal as a sentence without "err, ": "versions differ: ...", "the keys differ" ... The
/// versions named are the debugger's and the agent's.
std::string describe(const Handshake& handshake);

}  // namespace ringside::transport
