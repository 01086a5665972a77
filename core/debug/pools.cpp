// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/pools.hpp"

namespace ringside::debug {

Pools::Need Pools::need_of(const event::Registration& registration) const {
    bool is_big = registration.condition.size() > RS_REGULAR_CONDITION_BYTES;
    for (u32 i = 0; i < registration.detail.action_count; ++i)
        is_big |= registration.actions[i].payload.size() > RS_REGULAR_ACTION_BYTES;
    Need need{.event = is_big ? u32{RS_POOL_BIG_EVENT} : u32{RS_POOL_REGULAR_EVENT},
              .buffer = RS_POOL_COUNT,
              .error = RS_OK};
    // What fits a regular object may take a big one when there are no regular ones left.
    if (!is_big && available_[RS_POOL_REGULAR_EVENT] == 0 && available_[RS_POOL_BIG_EVENT] != 0)
        need.event = RS_POOL_BIG_EVENT;
    if (available_[need.event] == 0)
        need.error = is_big ? RS_ERR_NO_BIG_EVENT : RS_ERR_NO_REGULAR_EVENT;
    const u32 buffer = registration.detail.safe_buffer_len;
    if (buffer == 0)
        return need;
    const bool is_big_buffer = buffer > RS_REGULAR_BUFFER_BYTES;
    need.buffer = is_big_buffer ? RS_POOL_BIG_BUFFER : RS_POOL_REGULAR_BUFFER;
    if (!is_big_buffer && available_[RS_POOL_REGULAR_BUFFER] == 0 &&
        available_[RS_POOL_BIG_BUFFER] != 0)
        need.buffer = RS_POOL_BIG_BUFFER;
    if (buffer > RS_BIG_BUFFER_BYTES)
        need.error = RS_ERR_BUFFER_TOO_LARGE;
    else if (need.error == RS_OK && available_[need.buffer] == 0)
        need.error = is_big_buffer ? RS_ERR_NO_BIG_BUFFER : RS_ERR_NO_REGULAR_BUFFER;
    return need;
}

u32 Pools::take(const event::Registration& registration) {
    last_ = need_of(registration);
    if (last_.error != RS_OK)
        return last_.error;
    --available_[last_.event];
    ++in_use_[last_.event];
    if (last_.buffer != RS_POOL_COUNT) {
        --available_[last_.buffer];
        ++in_use_[last_.buffer];
    }
    return RS_OK;
}

void Pools::put_back(const event::Registration&) {
    ++available_[last_.event];
    --in_use_[last_.event];
    if (last_.buffer != RS_POOL_COUNT) {
        ++available_[last_.buffer];
        --in_use_[last_.buffer];
    }
}

u64 Pools::promised() const {
    u64 bytes = 0;
    for (u32 type = 0; type < RS_POOL_COUNT; ++type)
        bytes += available_[type] * kPoolObjectBytes[type];
    return bytes;
}

u32 Pools::add(u32 type, u32 count, u64 reserve_free) {
    if (type >= RS_POOL_COUNT)
        return RS_ERR_BAD_POOL_TYPE;
    if (promised() + count * kPoolObjectBytes[type] > reserve_free)
        return RS_ERR_RESERVE_EXHAUSTED;
    available_[type] += count;
    extra_[type] += count;
    return RS_OK;
}

void Pools::refill(u64 reserve_free) {
    for (u32 type = 0; type < RS_POOL_COUNT; ++type) {
        in_use_[type] = 0;
        const u32 wanted = kPoolStock[type] + extra_[type];
        while (available_[type] < wanted && promised() + kPoolObjectBytes[type] <= reserve_free)
            ++available_[type];
    }
}

}  // namespace ringside::debug
