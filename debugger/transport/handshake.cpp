// SPDX-License-Identifier: GPL-3.0-or-later
#include "transport/handshake.hpp"

#include <algorithm>
#include <cctype>
#include <cstring>

#include "ringside/version.h"
#include "transport/authentication.hpp"

namespace ringside::transport {
namespace {

// Until both sides know each other, nobody makes the other store more than this.
constexpr std::size_t kHandshakeLimit = 256;

using Outcome = Handshake::Outcome;

Handshake refuse(rs_link_error code, const rs_packet_hello& peer = {}) {
    return {.outcome = Outcome::kRefused,
            .is_ours = true,
            .error = make_link_error(code),
            .peer = peer};
}

/// Copies the front of a payload that the codec has found long enough; later versions may append.
template <class T>
T read_front(const Frame& frame) {
    T value{};
    std::memcpy(&value, frame.payload.data(), std::min(sizeof(T), frame.payload.size()));
    return value;
}

rs_packet_hello make_hello(const Key& key) {
    rs_packet_hello hello{};
    hello.link_version = RS_LINK_VERSION;
    hello.abi = RS_ABI_VERSION;
    hello.flags = key.empty() ? RS_LINKF_NO_KEY : 0;
    fill_random(std::as_writable_bytes(std::span{hello.nonce}));
    static_assert(sizeof(RS_RELEASE) <= sizeof(hello.release));
    std::memcpy(hello.release, RS_RELEASE, sizeof(RS_RELEASE));
    return hello;
}

/// What the agent's view of two introductions is: RS_LINK_OK or why it refuses.
rs_link_error compare(const rs_packet_hello& debugger, const rs_packet_hello& agent) {
    if (debugger.link_version != agent.link_version || debugger.abi != agent.abi)
        return RS_LINK_ERR_VERSION;
    const bool debugger_has_key = !(debugger.flags & RS_LINKF_NO_KEY);
    const bool agent_has_key = !(agent.flags & RS_LINKF_NO_KEY);
    if (agent_has_key && !debugger_has_key)
        return RS_LINK_ERR_KEY_NEEDED;
    if (debugger_has_key && !agent_has_key)
        return RS_LINK_ERR_KEY_UNEXPECTED;
    return RS_LINK_OK;
}

/// Waits for a frame of one type. A refusal of the other side ends the wait, and so does any other
/// frame.
asio::awaitable<Handshake> expect(Channel& channel, rs_packet_type type, Deadline deadline,
                                  Frame& frame) {
    auto received = co_await channel.receive(deadline);
    if (!received.frame) {
        co_return Handshake{.outcome = received.end == Channel::End::kTimedOut ? Outcome::kTimedOut
                                                                               : Outcome::kClosed};
    }
    frame = std::move(*received.frame);
    if (frame.type == type)
        co_return Handshake{};
    if (frame.type == RS_PACKET_ERROR) {
        co_return Handshake{.outcome = Outcome::kRefused,
                            .error = read_front<rs_packet_error>(frame)};
    }
    co_return refuse(RS_LINK_ERR_PROTOCOL);
}

struct LineChallenge {
    rs_packet_hello hello;
    rs_packet_echo echo;
};

rs_packet_echo echo_of(const rs_packet_hello& hello) {
    rs_packet_echo echo{};
    std::memcpy(echo.nonce, hello.nonce, sizeof(echo.nonce));
    return echo;
}

/// Whether a frame made of a T and an echo answers `hello`, and not somebody else's.
template <class T>
bool answers(const Frame& frame, const rs_packet_hello& hello) {
    const rs_packet_echo echo = echo_of(hello);
    return frame.payload.size() >= sizeof(T) + sizeof(echo) &&
           std::memcmp(frame.payload.data() + sizeof(T), &echo, sizeof(echo)) == 0;
}

/// expect() on a line: passes over everything that does not answer `hello`, which is sent again at
/// the given interval, if any.
asio::awaitable<Handshake> expect_on_line(Channel& channel, rs_packet_type type, Deadline deadline,
                                          const rs_packet_hello& hello, Frame& frame,
                                          std::optional<std::chrono::milliseconds> interval = {}) {
    Deadline next = interval ? std::chrono::steady_clock::now() : Deadline::max();
    while (true) {
        const auto now = std::chrono::steady_clock::now();
        if (now >= deadline)
            co_return Handshake{.outcome = Outcome::kTimedOut};
        if (now >= next) {
            channel.send(RS_PACKET_HELLO, {bytes_of(hello)});
            next = now + *interval;
        }
        auto received = co_await channel.receive(std::min(deadline, next));
        if (received.end == Channel::End::kClosed)
            co_return Handshake{.outcome = Outcome::kClosed};
        if (!received.frame)
            continue;
        frame = std::move(*received.frame);
        if (frame.type == RS_PACKET_ERROR && answers<rs_packet_error>(frame, hello)) {
            co_return Handshake{.outcome = Outcome::kRefused,
                                .error = read_front<rs_packet_error>(frame)};
        }
        if (frame.type == type &&
            (type != RS_PACKET_CHALLENGE || answers<rs_packet_hello>(frame, hello)))
            co_return Handshake{};
    }
}

/// Text of a release that came over the link: only what cannot upset a terminal.
std::string printable(const char* text, std::size_t size) {
    std::string result;
    for (const char character : std::string_view{text, strnlen(text, size)}) {
        if (std::isgraph(static_cast<unsigned char>(character)))
            result += character;
    }
    return result.empty() ? "unknown" : result;
}

std::string versions(const char* release, std::size_t size, std::uint32_t link, std::uint32_t abi) {
    return printable(release, size) + " (link " + std::to_string(link) + ", abi " +
           std::to_string(abi) + ")";
}

}  // namespace

rs_packet_error make_link_error(rs_link_error code, int error_number) {
    rs_packet_error error{};
    error.code = code;
    error.error_number = static_cast<std::uint32_t>(error_number);
    error.link_version = RS_LINK_VERSION;
    error.abi = RS_ABI_VERSION;
    static_assert(sizeof(RS_RELEASE) <= sizeof(error.release));
    std::memcpy(error.release, RS_RELEASE, sizeof(RS_RELEASE));
    return error;
}

asio::awaitable<Handshake> introduce_debugger(Channel& channel, Key key, Deadline deadline) {
    channel.decoder().set_limit(kHandshakeLimit);
    const rs_packet_hello hello = make_hello(key);
    channel.send(RS_PACKET_HELLO, {bytes_of(hello)});

    Frame challenge;
    Handshake result = co_await expect(channel, RS_PACKET_CHALLENGE, deadline, challenge);
    if (result.outcome != Outcome::kDone)
        co_return result;
    result.peer = read_front<rs_packet_hello>(challenge);
    if (const auto code = compare(hello, result.peer))
        co_return refuse(code, result.peer);
    const auto ours = authentication_code(Role::kDebugger, key, bytes_of(hello), challenge.payload);
    channel.send(RS_PACKET_AUTH, {ours});

    Frame frame;
    Handshake answer = co_await expect(channel, RS_PACKET_AUTH, deadline, frame);
    answer.peer = result.peer;
    if (answer.outcome != Outcome::kDone)
        co_return answer;
    const auto theirs = authentication_code(Role::kAgent, key, bytes_of(hello), challenge.payload);
    if (!is_equal(theirs, frame.payload))
        co_return refuse(RS_LINK_ERR_AUTHENTICATION, result.peer);

    answer = co_await expect(channel, RS_PACKET_READY, deadline, frame);
    answer.peer = result.peer;
    if (answer.outcome == Outcome::kDone)
        channel.decoder().set_limit(RS_MAX_PACKET_BYTES);
    co_return answer;
}

asio::awaitable<Handshake> introduce_agent(Channel& channel, Key key, Deadline deadline) {
    channel.decoder().set_limit(kHandshakeLimit);
    Frame hello;
    Handshake result = co_await expect(channel, RS_PACKET_HELLO, deadline, hello);
    if (result.outcome != Outcome::kDone)
        co_return result;
    result.peer = read_front<rs_packet_hello>(hello);
    const rs_packet_hello challenge = make_hello(key);
    if (const auto code = compare(result.peer, challenge))
        co_return refuse(code, result.peer);
    channel.send(RS_PACKET_CHALLENGE, {bytes_of(challenge)});

    Frame frame;
    Handshake answer = co_await expect(channel, RS_PACKET_AUTH, deadline, frame);
    answer.peer = result.peer;
    if (answer.outcome != Outcome::kDone)
        co_return answer;
    const auto theirs =
        authentication_code(Role::kDebugger, key, hello.payload, bytes_of(challenge));
    if (!is_equal(theirs, frame.payload))
        co_return refuse(RS_LINK_ERR_AUTHENTICATION, result.peer);
    const auto ours = authentication_code(Role::kAgent, key, hello.payload, bytes_of(challenge));
    channel.send(RS_PACKET_AUTH, {ours});
    channel.decoder().set_limit(RS_MAX_PACKET_BYTES);
    co_return answer;
}

asio::awaitable<Handshake> introduce_debugger_on_line(Channel& channel, Key key, Deadline deadline,
                                                      std::chrono::milliseconds hello_interval) {
    channel.decoder().set_limit(kHandshakeLimit);
    const rs_packet_hello hello = make_hello(key);
    Frame challenge;
    Handshake result = co_await expect_on_line(channel, RS_PACKET_CHALLENGE, deadline, hello,
                                               challenge, hello_interval);
    if (result.outcome != Outcome::kDone)
        co_return result;
    const auto peer = read_front<rs_packet_hello>(challenge);
    if (const auto code = compare(hello, peer))
        co_return refuse(code, peer);
    const auto ours = authentication_code(Role::kDebugger, key, bytes_of(hello), challenge.payload);
    channel.send(RS_PACKET_AUTH, {ours});

    // From here on every frame is for us: the agent has forgotten those before.
    Frame frame;
    result = co_await expect_on_line(channel, RS_PACKET_AUTH, deadline, hello, frame);
    result.peer = peer;
    if (result.outcome != Outcome::kDone)
        co_return result;
    const auto theirs = authentication_code(Role::kAgent, key, bytes_of(hello), challenge.payload);
    if (!is_equal(theirs, frame.payload))
        co_return refuse(RS_LINK_ERR_AUTHENTICATION, peer);
    result = co_await expect_on_line(channel, RS_PACKET_READY, deadline, hello, frame);
    result.peer = peer;
    if (result.outcome == Outcome::kDone)
        channel.decoder().set_limit(RS_MAX_PACKET_BYTES);
    co_return result;
}

asio::awaitable<Handshake> introduce_agent_on_line(Channel& channel, Key key,
                                                   std::optional<Frame> hello) {
    channel.decoder().let_hello_interrupt();
    channel.decoder().set_limit(kHandshakeLimit);
    std::optional<Frame> next = std::move(hello);
    Frame introduction;  // the HELLO being answered, if it has a payload
    Handshake result;
    LineChallenge challenge{};
    while (true) {
        if (!next) {
            auto received = co_await channel.receive();
            if (!received.frame)
                co_return Handshake{.outcome = Outcome::kClosed};
            next = std::move(received.frame);
        }
        const Frame frame = std::move(*next);
        next.reset();
        if (frame.type == RS_PACKET_HELLO) {
            // One that was repeated before our answer arrived gets that answer again.
            if (frame.payload != introduction.payload) {
                introduction = frame;
                result.peer = read_front<rs_packet_hello>(frame);
                challenge = {make_hello(key), echo_of(result.peer)};
                if (const auto code = compare(result.peer, challenge.hello))
                    co_return refuse(code, result.peer);
            }
            channel.send(RS_PACKET_CHALLENGE, {bytes_of(challenge)});
        } else if (frame.type == RS_PACKET_AUTH && !introduction.payload.empty()) {
            const auto code = [&](Role role) {
                return authentication_code(role, key, introduction.payload, bytes_of(challenge));
            };
            if (!is_equal(code(Role::kDebugger), frame.payload))
                co_return refuse(RS_LINK_ERR_AUTHENTICATION, result.peer);
            channel.send(RS_PACKET_AUTH, {code(Role::kAgent)});
            channel.decoder().set_limit(RS_MAX_PACKET_BYTES);
            co_return result;
        } else if (frame.type == RS_PACKET_REQUEST || frame.type == RS_PACKET_PING) {
            // Of a debugger that was stopped for long, or knew the agent before this one.
            send_error_on_line(channel, make_link_error(RS_LINK_ERR_NO_SESSION), result.peer);
        }
    }
}

void send_error_on_line(Channel& channel, const rs_packet_error& error,
                        const rs_packet_hello& hello) {
    channel.send(RS_PACKET_ERROR, {bytes_of(error), bytes_of(echo_of(hello))});
}

std::string describe(const Handshake& handshake) {
    const rs_packet_error& error = handshake.error;
    const rs_packet_hello& peer = handshake.peer;
    std::string text = "unknown reason " + std::to_string(error.code);
    switch (error.code) {
#define RS_SENTENCE(name, number, sentence) \
    case number:                            \
        text = sentence;                    \
        break;
        RS_LINK_ERROR_TABLE(RS_SENTENCE)
#undef RS_SENTENCE
        default:
            break;
    }
    if (error.code == RS_LINK_ERR_VERSION) {
        // Our own refusal carries our own versions; the other side's are in its introduction.
        const std::string theirs =
            handshake.is_ours
                ? versions(peer.release, sizeof(peer.release), peer.link_version, peer.abi)
                : versions(error.release, sizeof(error.release), error.link_version, error.abi);
        return text + ": this side is " +
               versions(RS_RELEASE, sizeof(RS_RELEASE), RS_LINK_VERSION, RS_ABI_VERSION) +
               ", the other is " + theirs;
    }
    if (error.error_number != 0)
        text += std::string{": "} + std::strerror(static_cast<int>(error.error_number));
    return text;
}

}  // namespace ringside::transport
