// SPDX-License-Identifier: GPL-3.0-or-later
// Root mode's end of the debug link. The first byte chooses: frames out of any bytes in any cuts,
// or shared memory whose every byte, the header's words above all, belongs to a stranger.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "link/frame_receiver.hpp"
#include "link/shared_stream.hpp"
#include "ringside/packet.h"

namespace {

using namespace ringside;

void require(bool condition) {
    if (!condition)
        std::abort();
}

/// Gives the input in pieces whose lengths the input names.
class Pieces final : public link::ByteStream {
public:
    explicit Pieces(std::span<const u8> bytes) : bytes_{bytes} {}
    bool is_empty() const { return bytes_.empty(); }
    usize write(const u8*, usize) override { return 0; }
    usize read(u8* to, usize count) override {
        if (bytes_.empty())
            return 0;
        const usize given = std::min({count, bytes_.size(), usize{bytes_[0]} + 1});
        std::copy_n(bytes_.begin(), given, to);
        bytes_ = bytes_.subspan(given);
        return given;
    }

private:
    std::span<const u8> bytes_;
};

void frames(std::span<const u8> bytes) {
    std::vector<u8> buffer(1024);
    link::FrameReceiver receiver{buffer};
    Pieces stream{bytes};
    usize in_frames = 0;
    while (receiver.poll(stream) || !stream.is_empty()) {
        if (!receiver.is_ready())
            continue;
        require(receiver.payload().size() <= buffer.size() - sizeof(rs_packet));
        in_frames += sizeof(rs_packet) + receiver.payload().size();
        receiver.consume();
    }
    require(in_frames + receiver.counts().garbage_bytes + receiver.buffered() == bytes.size());
}

/// A stranger writes `bytes` over the header, before and after an end attaches, and between its
/// reads and writes. The memory is as large as the end is told: ASan guards what lies behind.
void shared_memory(std::span<const u8> bytes, link::Side side, bool is_formatted) {
    constexpr usize kBytes = link::SharedStream::kSmallestMemory;
    std::vector<u64> memory(kBytes / sizeof(u64));
    link::SharedStream stream;
    if (is_formatted)
        require(stream.format(memory.data(), kBytes));
    auto* const header = reinterpret_cast<u8*>(memory.data());
    // Records: a place among the header's words, and eight bytes for it.
    const auto disturb = [&] {
        if (bytes.size() < 9)
            return false;
        const usize place = bytes[0] % (sizeof(rs_shared_link) / 8);
        std::memcpy(header + 8 * place, bytes.data() + 1, 8);
        bytes = bytes.subspan(9);
        return true;
    };
    if (!is_formatted || side == link::Side::kDebugger) {
        for (int i = 0; i < 4; ++i)
            (void)disturb();
        (void)stream.attach(memory.data(), kBytes, side);
    }
    u8 piece[300] = {};
    do {
        require(stream.readable() <= kBytes && stream.writable() <= kBytes);
        require(stream.read(piece, sizeof(piece)) <= sizeof(piece));
        require(stream.write(piece, sizeof(piece)) <= sizeof(piece));
        if (!stream.is_current())
            (void)stream.attach(memory.data(), kBytes, side);
    } while (disturb());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    if (size == 0)
        return 0;
    const std::span<const u8> bytes{data + 1, size - 1};
    switch (data[0] % 4) {
        case 0:
            frames(bytes);
            break;
        case 1:
            shared_memory(bytes, link::Side::kDebuggee, true);
            break;
        case 2:
            shared_memory(bytes, link::Side::kDebugger, true);
            break;
        default:
            shared_memory(bytes, link::Side::kDebugger, false);
            break;
    }
    return 0;
}
