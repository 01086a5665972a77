// SPDX-License-Identifier: GPL-3.0-or-later
// The decoder of the link, fed in pieces: frames or counted garbage, in bounded memory. The first
// byte says how long the pieces are.
#include <cstdlib>
#include <span>

#include "transport/frame_codec.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace ringside::transport;
    if (size == 0)
        return 0;
    const std::size_t piece = data[0] + 1u;
    const auto stream = std::as_bytes(std::span{data + 1, size - 1});
    FrameDecoder decoder;
    decoder.set_limit(4096);
    if (data[0] % 2 != 0)
        decoder.let_hello_interrupt();
    for (std::size_t at = 0; at < stream.size(); at += piece) {
        decoder.feed(stream.subspan(at, std::min(piece, stream.size() - at)));
        while (const auto frame = decoder.next())
            if (frame->payload.size() > 4096)
                std::abort();
        if (decoder.buffered() > 4096 + sizeof(rs_packet) + piece)
            std::abort();
    }
    return 0;
}
