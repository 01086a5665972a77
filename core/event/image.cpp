// SPDX-License-Identifier: GPL-2.0-or-later
#include "event/image.hpp"

#include "base/bits.hpp"
#include "base/memory.hpp"
#include "ringside/version.h"

namespace ringside::event {
namespace {

constexpr u32 kKnownFlags = RS_EVF_SHORT_CIRCUIT | RS_EVF_START_DISABLED | RS_EVF_PERSIST;

/// Takes parts, each padded with zeroes to 8, from the front of the tail.
class Tail {
public:
    explicit Tail(std::span<const u8> bytes) : bytes_{bytes} {}
    bool is_empty() const { return bytes_.empty(); }
    std::span<const u8> rest() const { return bytes_; }

    Result<std::span<const u8>> take(u64 count) {
        const u64 padded = align_up(count, 8);
        if (padded > bytes_.size())
            return Error{RS_ERR_BAD_IMAGE, count};
        for (u64 i = count; i < padded; ++i)
            if (bytes_[i] != 0)
                return Error{RS_ERR_BAD_IMAGE, i};
        const auto part = bytes_.first(count);
        bytes_ = bytes_.subspan(padded);
        return part;
    }

private:
    std::span<const u8> bytes_;
};

/// Size fields of image headers: whole quadwords, and at least up to the length that follows.
bool is_header_size(u32 size, u32 minimum, u64 available) {
    return size >= minimum && size % 8 == 0 && size <= available;
}

Result<void> check_words(const rs_event_detail& detail) {
    for (const u64 word : detail.reserved)
        if (word != 0)
            return Error{RS_ERR_BAD_IMAGE, word};
    const u64 vector = detail.optional_param[0];
    switch (detail.event_type) {
        case RS_EVENT_EXTERNAL_INTERRUPT:
            if (vector != RS_VECTOR_ALL && (vector < RS_VECTOR_FIRST || vector > RS_VECTOR_LAST))
                return Error{RS_ERR_BAD_INTERRUPT_INDEX, vector};
            break;
        case RS_EVENT_EXCEPTION:
            if (vector != RS_VECTOR_ALL && vector >= RS_VECTOR_FIRST)
                return Error{RS_ERR_BAD_EXCEPTION_INDEX, vector};
            break;
        default:
            return Error{RS_ERR_BAD_EVENT_TYPE, detail.event_type};
    }
    for (u32 i = 1; i < 6; ++i)
        if (detail.optional_param[i] != 0)
            return Error{RS_ERR_BAD_IMAGE, detail.optional_param[i]};
    if (detail.stage > RS_STAGE_ALL)
        return Error{RS_ERR_BAD_IMAGE, detail.stage};
    if ((detail.flags & ~kKnownFlags) != 0)
        return Error{RS_ERR_BAD_IMAGE, detail.flags};
    if (detail.output_count > RS_MAX_OUTPUTS)
        return Error{RS_ERR_BAD_IMAGE, detail.output_count};
    for (u32 i = detail.output_count; i < RS_MAX_OUTPUTS; ++i)
        if (detail.output_tag[i] != 0)
            return Error{RS_ERR_BAD_IMAGE, detail.output_tag[i]};
    return {};
}

Result<void> check_lengths(const rs_event_detail& detail) {
    if (detail.safe_buffer_len > RS_MAX_BUFFER_BYTES)
        return Error{RS_ERR_BUFFER_TOO_LARGE, detail.safe_buffer_len};
    if (detail.condition_len > RS_MAX_CONDITION_BYTES)
        return Error{RS_ERR_CONDITION_TOO_LARGE, detail.condition_len};
    if (detail.command_len > RS_MAX_COMMAND_BYTES)
        return Error{RS_ERR_COMMAND_TOO_LARGE, detail.command_len};
    if (detail.action_count > RS_MAX_ACTIONS)
        return Error{RS_ERR_BAD_IMAGE, detail.action_count};
    return {};
}

/// @param tag  the event_tag the header must have
Result<void> take_action(Tail& tail, ActionImage& to, u64 tag) {
    u32 size = 0;
    if (tail.rest().size() < sizeof size)
        return Error{RS_ERR_BAD_IMAGE};
    copy_bytes(&size, tail.rest().data(), sizeof size);
    if (!is_header_size(size, offsetof(rs_action, script_pointer), tail.rest().size()))
        return Error{RS_ERR_BAD_IMAGE, size};
    RS_TRY(read_request(tail.rest().first(size), &to.header, sizeof to.header));
    (void)tail.take(size);
    if ((to.header.flags & ~RS_ACTF_IMMEDIATE) != 0 || to.header.event_tag != tag)
        return Error{RS_ERR_BAD_IMAGE, to.header.flags};
    if (to.header.action_type > RS_ACT_CODE)
        return Error{RS_ERR_BAD_ACTION_TYPE, to.header.action_type};
    const bool is_break = to.header.action_type == RS_ACT_BREAK;
    if (to.header.payload_len > RS_MAX_ACTION_BYTES)
        return Error{RS_ERR_ACTION_TOO_LARGE, to.header.payload_len};
    if (is_break != (to.header.payload_len == 0))
        return Error{RS_ERR_BAD_ACTION, to.header.payload_len};
    if (to.header.action_type != RS_ACT_SCRIPT && to.header.script_pointer != 0)
        return Error{RS_ERR_BAD_IMAGE, to.header.script_pointer};
    const auto payload = tail.take(to.header.payload_len);
    if (!payload)
        return payload.error();
    to.payload = *payload;
    return {};
}

/// Combinations that are wrong.
Result<void> check_offer(const Registration& registration) {
    const rs_event_detail& detail = registration.detail;
    if ((detail.flags & RS_EVF_SHORT_CIRCUIT) != 0 && detail.stage != RS_STAGE_PRE)
        return Error{RS_ERR_SC_NEEDS_PRE, detail.stage};
    return {};
}

}  // namespace

Result<void> read_request(std::span<const u8> bytes, void* to, u32 known_bytes) {
    u32 size = 0;
    if (bytes.size() < sizeof size)
        return Error{RS_ERR_BAD_IMAGE, bytes.size()};
    copy_bytes(&size, bytes.data(), sizeof size);
    if (size < sizeof size || size > bytes.size())
        return Error{RS_ERR_BAD_IMAGE, size};
    for (u32 i = known_bytes; i < size; ++i)
        if (bytes[i] != 0)
            return Error{RS_ERR_UNKNOWN_FIELDS, i};
    fill_bytes(to, 0, known_bytes);
    copy_bytes(to, bytes.data(), size < known_bytes ? size : known_bytes);
    return {};
}

Result<void> parse_registration(std::span<const u8> image, Registration& to) {
    rs_event_detail& detail = to.detail;
    RS_TRY(read_request(image, &detail, sizeof detail));
    if (!is_header_size(detail.size, offsetof(rs_event_detail, event_type), image.size()) ||
        detail.total_len != image.size())
        return Error{RS_ERR_BAD_IMAGE, detail.total_len};
    if (detail.abi != RS_ABI_VERSION)
        return Error{RS_ERR_ABI_MISMATCH, detail.abi};
    RS_TRY(check_words(detail));
    RS_TRY(check_lengths(detail));
    if (detail.stage == 0)
        detail.stage = RS_STAGE_PRE;

    Tail tail{image.subspan(detail.size)};
    const auto condition = tail.take(detail.condition_len);
    if (!condition)
        return condition.error();
    to.condition = *condition;
    for (u32 i = 0; i < detail.action_count; ++i)
        RS_TRY(take_action(tail, to.actions[i], 0));
    const auto command = tail.take(detail.command_len);
    if (!command)
        return command.error();
    to.command = *command;
    if (!tail.is_empty())
        return Error{RS_ERR_BAD_IMAGE, tail.rest().size()};
    return check_offer(to);
}

Result<void> parse_action(std::span<const u8> image, ActionImage& to) {
    rs_action header{};
    RS_TRY(read_request(image, &header, sizeof header));
    Tail tail{image};
    RS_TRY(take_action(tail, to, header.event_tag));
    if (!tail.is_empty())
        return Error{RS_ERR_BAD_IMAGE, tail.rest().size()};
    return {};
}

Result<void> check_machine(const rs_event_detail& detail, Machine& machine) {
    if (detail.core_id != RS_ANY && !machine.core_exists(detail.core_id))
        return Error{RS_ERR_BAD_CORE, detail.core_id};
    if (detail.process_id != RS_ANY && !machine.pid_exists(detail.process_id))
        return Error{RS_ERR_BAD_PID, detail.process_id};
    return {};
}

}  // namespace ringside::event
