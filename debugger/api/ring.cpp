// SPDX-License-Identifier: GPL-3.0-or-later
// A core's message ring, mapped (API-13).
#include <poll.h>
#include <sys/mman.h>

#include <cerrno>
#include <memory>

#include "handle.hpp"
#include "ring_walk.hpp"

namespace api = ringside::api;

struct rs_ring_reader {
    ~rs_ring_reader() {
        (void)hand_back();
        if (mapping != nullptr)
            ::munmap(mapping, bytes);
    }

    int hand_back() {
        if (walk.position() == returned)
            return 0;
        const auto answer = handle->debuggee().ring(
            {.core = core, .position = walk.position(), .generation = generation});
        if (!answer)
            return api::fail(answer.failure());
        returned = walk.position();
        return 0;
    }

    rs_handle* handle = nullptr;
    std::uint32_t core = 0;
    std::uint64_t generation = 0;
    std::uint64_t returned = 0;  ///< position last handed back
    void* mapping = nullptr;
    std::size_t bytes = 0;  ///< of the mapping
    api::RingWalk walk;
};

int rs_ring_open(struct rs_handle* handle, uint32_t core, struct rs_ring_reader** reader) {
    *reader = nullptr;
    return api::guarded([&] {
        const int descriptor = handle->debuggee().descriptor();
        const auto ring = handle->debuggee().ring({.core = core});
        if (!ring)
            return api::fail(ring.failure());
        if (descriptor < 0)
            return api::fail(EOPNOTSUPP, "rings can be mapped on this machine only");
        auto made = std::make_unique<rs_ring_reader>();
        made->bytes = RS_RING_HEAD_BYTES + ring->ring_bytes;
        void* const mapping = ::mmap(nullptr, made->bytes, PROT_READ, MAP_SHARED, descriptor,
                                     static_cast<off_t>(core * RS_RING_STRIDE));
        if (mapping == MAP_FAILED)
            return api::fail(errno);
        made->mapping = mapping;
        made->handle = handle;
        made->core = core;
        made->generation = ring->generation;
        made->returned = ring->tail;
        const auto* const first = static_cast<const std::byte*>(mapping);
        made->walk = {static_cast<const std::uint64_t*>(mapping),
                      {first + RS_RING_HEAD_BYTES, ring->ring_bytes},
                      ring->client,
                      ring->tail};
        *reader = made.release();
        return 0;
    });
}

int rs_ring_next(struct rs_ring_reader* reader, const struct rs_msg** message, int timeout_ms) {
    *message = nullptr;
    return api::guarded([&] {
        // What was returned last has been read by now. A quarter of the ring is worth a call.
        if (reader->walk.position() - reader->returned > (reader->bytes - RS_RING_HEAD_BYTES) / 4)
            if (const int code = reader->hand_back(); code != 0)
                return code;
        if ((*message = reader->walk.next()) != nullptr)
            return 0;
        if (reader->walk.is_damaged())
            return api::fail(EBADMSG);
        // Only what is new may end the wait. Messages of other cores end it as well.
        if (const int code = reader->hand_back(); code != 0)
            return code;
        if ((*message = reader->walk.next()) != nullptr)
            return 0;
        ::pollfd ready{
            .fd = reader->handle->debuggee().descriptor(), .events = POLLIN, .revents = 0};
        if (timeout_ms != 0 && ::poll(&ready, 1, timeout_ms) < 0)
            return api::fail(errno);
        *message = reader->walk.next();
        return *message != nullptr ? 0 : api::fail(ETIMEDOUT);
    });
}

int rs_ring_close(struct rs_ring_reader* reader) {
    return api::guarded([&] {
        delete reader;
        return 0;
    });
}
