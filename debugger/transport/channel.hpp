// SPDX-License-Identifier: GPL-3.0-or-later
// Frames over a byte stream: a TCP or unix socket, a serial line, one end of a socket pair. The
// stream is a descriptor, so every transport is a way to get one.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "transport/frame_codec.hpp"
#include "transport/unique_fd.hpp"

namespace ringside::transport {

using Deadline = std::chrono::steady_clock::time_point;

/// Both directions of a link. Sending queues and returns; one reader at a time receives. Used from
/// the loop's thread; whoever awaits one of its operations keeps a shared pointer to it.
class Channel : public std::enable_shared_from_this<Channel> {
public:
    /// Queued bytes above which wait_for_room() waits, unless set_room() says otherwise. A frame is
    /// taken whole, so the queue holds at most this and one frame of each sender that waits.
    static constexpr std::size_t kRoomBytes = 256 * 1024;

    static std::shared_ptr<Channel> create(asio::io_context& context, UniqueFd stream);

    /// Why receive() gave no frame.
    enum class End { kNone, kClosed, kTimedOut };
    struct Received {
        std::optional<Frame> frame;
        End end = End::kNone;
    };
    /// Waits for the next frame. kTimedOut leaves the channel usable.
    asio::awaitable<Received> receive(Deadline deadline = Deadline::max());

    /// Queues a frame; its payload is the given parts one behind the other. Nothing happens on a
    /// closed channel.
    void send(rs_packet_type type, std::initializer_list<std::span<const std::byte>> parts = {});

    /// What is queued is what everybody behind it waits for: less for a slow stream.
    void set_room(std::size_t bytes) { room_bytes_ = bytes; }

    /// Waits until no more than the room's bytes are queued, or the channel is closed or was told
    /// to stop receiving.
    /// @param beyond  more bytes that may be queued all the same: a sender that must get its turn
    ///                asks for more than those take who send whenever there is room
    asio::awaitable<void> wait_for_room(std::size_t beyond = 0);

    /// Sends what is queued and says that nothing follows, then waits until the other side hangs up
    /// too (so that it has read our last frame) or the deadline has passed, and closes.
    asio::awaitable<void> finish(Deadline deadline);

    /// Makes receive() end with kClosed from now on; what is sent still goes out.
    void stop_receiving();
    /// Takes stop_receiving() back: on a line the next debugger comes over the same stream.
    void resume_receiving() { is_receiving_ = true; }

    /// Forgets the queued frames of which nothing has been sent yet.
    void discard_queued();

    void close();
    bool is_open() const { return stream_.is_open(); }
    std::size_t queued_bytes() const { return queued_bytes_; }
    /// Bytes that have come so far, of frames or not: somebody is there while this grows.
    std::uint64_t received_bytes() const { return received_bytes_; }
    FrameDecoder& decoder() { return decoder_; }

private:
    Channel(asio::io_context& context, UniqueFd stream);
    asio::awaitable<std::size_t> read_some(Deadline deadline, bool& is_late);
    void write_next();

    asio::posix::stream_descriptor stream_;
    asio::cancellation_signal cancel_read_;
    asio::steady_timer room_;  ///< never expires; cancelled whenever the queue shrinks
    FrameDecoder decoder_;
    std::vector<std::byte> read_buffer_;
    std::deque<std::vector<std::byte>> queue_;
    std::size_t queued_bytes_ = 0;
    std::size_t room_bytes_ = kRoomBytes;
    std::uint64_t received_bytes_ = 0;
    std::size_t written_ = 0;  ///< bytes of the queue's first frame already on their way
    std::uint32_t sequence_ = 0;
    bool is_writing_ = false;
    bool is_receiving_ = true;
};

/// A structure as the bytes that travel.
template <class T>
std::span<const std::byte> bytes_of(const T& value) {
    return std::as_bytes(std::span{&value, 1});
}

}  // namespace ringside::transport
