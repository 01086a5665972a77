// SPDX-License-Identifier: GPL-3.0-or-later
// The debugger's end of the link, frame by frame.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <optional>
#include <thread>
#include <vector>

#include "link/frame_queue.hpp"
#include "link/frame_receiver.hpp"
#include "link/shared_stream.hpp"
#include "ringside/packet.h"
#include "support/debugged_machine.hpp"

namespace ringside::debug {

struct Frame {
    rs_packet header = {};
    std::vector<u8> payload;

    template <class T>
    T as() const {
        T value = {};
        std::memcpy(&value, payload.data(), std::min(sizeof value, payload.size()));
        return value;
    }
    u8 type() const { return header.type; }
};

template <class T>
std::span<const u8> raw(const T& value) {
    return {reinterpret_cast<const u8*>(&value), sizeof value};
}

class DebuggerEnd {
public:
    static constexpr std::chrono::seconds kPatience{20};

    explicit DebuggerEnd(test::DebuggedMachine& machine) : stream{shared} {
        EXPECT_TRUE(shared.attach(machine.link_memory, test::DebuggedMachine::kSharedBytes,
                                  link::Side::kDebugger));
    }
    explicit DebuggerEnd(link::ByteStream& line) : stream{line} {}

    void send(rs_packet_type type, std::initializer_list<std::span<const u8>> parts = {}) {
        EXPECT_TRUE(queue.push(type, parts));
        const auto start = std::chrono::steady_clock::now();
        while (!queue.is_drained() && std::chrono::steady_clock::now() - start < kPatience) {
            queue.pump(stream);
            std::this_thread::yield();
        }
    }
    /// The next frame; none after a time of silence.
    std::optional<Frame> receive(std::chrono::milliseconds patience = kPatience) {
        const auto start = std::chrono::steady_clock::now();
        while (!receiver.poll(stream)) {
            if (std::chrono::steady_clock::now() - start > patience)
                return std::nullopt;
            std::this_thread::yield();
        }
        Frame frame{receiver.header(), {receiver.payload().begin(), receiver.payload().end()}};
        receiver.consume();
        return frame;
    }
    /// The next frame, which has to be of this type.
    Frame expect(u8 type) {
        const auto frame = receive();
        EXPECT_TRUE(frame.has_value()) << "no frame of type " << u32(type);
        if (!frame)
            return {};
        EXPECT_EQ(frame->type(), type);
        return *frame;
    }
    void expect_silence() {
        const auto frame = receive(std::chrono::milliseconds{30});
        EXPECT_FALSE(frame.has_value()) << "type " << u32(frame->type());
    }

    static rs_packet_hello hello_of(u32 flags = 0, u8 nonce = 1) {
        rs_packet_hello hello = {};
        hello.link_version = RS_LINK_VERSION;
        hello.abi = RS_ABI_VERSION;
        hello.flags = RS_LINKF_DEBUG | RS_LINKF_NO_KEY | flags;
        std::memset(hello.nonce, nonce, sizeof hello.nonce);
        return hello;
    }
    rs_packet_debuggee introduce(u32 flags = 0, u8 nonce = 1) {
        send(RS_PACKET_HELLO, {raw(hello_of(flags, nonce))});
        return expect(RS_PACKET_DEBUGGEE).as<rs_packet_debuggee>();
    }
    /// Halted, by our own asking.
    rs_halt pause() {
        introduce(RS_LINKF_PAUSE);
        return expect(RS_PACKET_HALT).as<rs_halt>();
    }

    void ask(u32 number, std::span<const u8> argument, u32 id, u32 size) {
        rs_packet_request request = {};
        request.id = id;
        request.service = RS_SERVICE_IOCTL;
        request.request = RS_IOC_MAGIC << 8 | number;
        request.size = size;
        send(RS_PACKET_REQUEST, {raw(request), argument});
    }
    /// Carries out a request on an image, which is changed. @return the errno
    u32 request(u32 number, std::span<u8> image) {
        const u32 id = next_id++;
        ask(number, image, id, u32(image.size()));
        const Frame frame = expect(RS_PACKET_REPLY);
        return take_reply(frame, id, image);
    }
    u32 take_reply(const Frame& frame, u32 id, std::span<u8> image) {
        const auto reply = frame.as<rs_packet_reply>();
        EXPECT_EQ(reply.id, id);
        if (frame.payload.size() < sizeof reply)
            return ~u32{0};  // none came
        const usize count = frame.payload.size() - sizeof reply;
        EXPECT_LE(reply.offset + count, image.size());
        std::memcpy(image.data() + reply.offset, frame.payload.data() + sizeof reply, count);
        return reply.error_number;
    }
    template <class T>
    u32 request(u32 number, T& structure) {
        if constexpr (requires { structure.size; })
            structure.size = sizeof structure;
        return request(number, {reinterpret_cast<u8*>(&structure), sizeof structure});
    }
    u32 go(u32 how = RS_RUN_GO) {
        rs_run run = {};
        run.how = how;
        return request(RS_NR_RUN, run);
    }
    u32 register_event(std::vector<u8> image, u64* tag = nullptr) {
        (void)request(RS_NR_REGISTER_EVENT, std::span<u8>{image});
        rs_event_detail detail;
        std::memcpy(&detail, image.data(), sizeof detail);
        if (tag != nullptr)
            *tag = detail.tag;
        return detail.error;
    }
    u32 modify(u64 tag, u32 action) {
        rs_modify_event modify = {};
        modify.action = action;
        modify.tag = tag;
        (void)request(RS_NR_MODIFY_EVENT, modify);
        return modify.error;
    }

    link::ByteStream& stream;
    u32 next_id = 1;

private:
    link::SharedStream shared;
    std::vector<u8> send_buffer = std::vector<u8>(0x100000);
    std::vector<u8> receive_buffer = std::vector<u8>(0x100000);
    link::FrameQueue queue{send_buffer};
    link::FrameReceiver receiver{receive_buffer};
};

}  // namespace ringside::debug
