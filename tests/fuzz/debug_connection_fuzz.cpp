// SPDX-License-Identifier: GPL-3.0-or-later
// The debugger's end of the debug link against a debuggee that sends whatever it likes, after its
// introduction and before: no crash, and every wait ends. The input is a list of frames: type,
// distance of its number from the one that is due, length, payload; type 0 stands for bare bytes.
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "debuggee/debug_connection.hpp"
#include "ringside/ioctl.h"
#include "transport/channel.hpp"
#include "transport/frame_codec.hpp"
#include "transport/loop.hpp"

using namespace ringside;
using namespace std::chrono_literals;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    if (size < 1 || size > 0x4000)
        return 0;
    transport::Loop loop;
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
        std::abort();
    const transport::UniqueFd peer{ends[1]};
    auto connection = std::make_shared<debuggee::DebugConnection>(
        loop, transport::Channel::create(loop.context(), transport::UniqueFd{ends[0]}), nullptr,
        "fuzz",
        debuggee::ConnectionEvents{.on_message = [](const debuggee::Message&) {},
                                   .on_lost = [](const std::string&) {},
                                   .on_halt = [](const rs_halt&) {},
                                   .on_notice = [](const std::string&) {}},
        debuggee::DebugConnection::Times{
            .ping = 1ms, .retry = 1ms, .resend = 1ms, .unanswered_pings = 3});
    const auto say = [&](std::span<const std::byte> bytes) {
        (void)!::send(peer.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    };
    std::uint32_t sequence = 1;
    const auto say_all = [&] {
        std::size_t at = 1;
        while (at + 3 <= size) {
            const auto type = data[at];
            const auto distance = static_cast<std::int8_t>(data[at + 1]);
            const std::size_t length = std::min<std::size_t>(data[at + 2] * 4, size - at - 3);
            const auto payload = std::as_bytes(std::span{data + at + 3, length});
            at += 3 + length;
            if (type == 0)
                say(payload);
            else
                say(transport::encode_frame(static_cast<rs_packet_type>(type % 15),
                                            sequence++ + static_cast<std::uint32_t>(distance),
                                            {payload}));
        }
    };
    if (data[0] % 2 == 0)
        say_all();
    else
        loop.post([&] {
            // An honest introduction: the nonce is taken from the HELLO.
            std::byte buffer[1024];
            const auto count = ::recv(peer.get(), buffer, sizeof buffer, MSG_DONTWAIT);
            if (count < static_cast<ssize_t>(sizeof(rs_packet) + sizeof(rs_packet_hello)))
                return say_all();
            rs_packet_hello hello;
            std::memcpy(&hello, buffer + sizeof(rs_packet), sizeof hello);
            rs_packet_debuggee debuggee{};
            std::memcpy(debuggee.nonce, hello.nonce, sizeof debuggee.nonce);
            say(transport::encode_frame(RS_PACKET_DEBUGGEE, 0, {transport::bytes_of(debuggee)}));
            say_all();
        });
    if (connection->introduce(false, 2ms)) {
        connection->start();
        rs_halt_state state{};
        state.size = sizeof state;
        (void)connection->request(RS_IOC_HALT_STATE, std::as_writable_bytes(std::span{&state, 1}),
                                  4ms);
        (void)connection->drain(1ms);
    }
    ::shutdown(peer.get(), SHUT_RDWR);  // it hangs up: our good-bye need not wait
    connection->close();
    loop.wait_for(1ms);
    return 0;
}
