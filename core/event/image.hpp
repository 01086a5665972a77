// SPDX-License-Identifier: GPL-2.0-or-later
// Registration images: struct rs_event_detail and its tail, from bytes nobody vouches for.
// Specification section 15.2 "Event registration", errors of sections 2.1 and 15.
#pragma once

#include <span>

#include "base/result.hpp"
#include "base/types.hpp"
#include "event/machine.hpp"
#include "ringside/event.h"

namespace ringside::event {

struct ActionImage {
    rs_action header = {};
    std::span<const u8> payload;
};

/// An image that passed parse_registration(); spans lie in the caller's bytes.
struct Registration {
    rs_event_detail detail = {};  ///< fields unknown to the caller are 0, stage is never 0
    std::span<const u8> condition;
    ActionImage actions[RS_MAX_ACTIONS];
    std::span<const u8> command;
};

/// Copies a request structure of `known_bytes` that starts with its size (API-2): fields missing
/// in the request are 0; RS_ERR_UNKNOWN_FIELDS when it has more than we know and that is not zero.
/// @param bytes  the request as given; its size field may not exceed it.
Result<void> read_request(std::span<const u8> bytes, void* to, u32 known_bytes);

/// Checks everything that can be said from the image alone: structure, limits, words, then
/// combinations, then what this version does not offer. Scripts are not verified here.
Result<void> parse_registration(std::span<const u8> image, Registration& to);

/// The like for the image of RS_IOC_ADD_ACTION: one rs_action and its payload.
Result<void> parse_action(std::span<const u8> image, ActionImage& to);

/// Checks what depends on the machine: core and process exist (API-7).
Result<void> check_machine(const rs_event_detail& detail, Machine& machine);

}  // namespace ringside::event
