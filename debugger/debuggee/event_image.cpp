// SPDX-License-Identifier: GPL-3.0-or-later
#include "debuggee/event_image.hpp"

#include <algorithm>

#include "ringside/version.h"

namespace ringside::debuggee {
namespace {

void append_padded(std::vector<std::byte>& bytes, std::span<const std::byte> part) {
    bytes.insert(bytes.end(), part.begin(), part.end());
    bytes.resize((bytes.size() + 7) / 8 * 8);
}

}  // namespace

EventImage::EventImage(std::uint32_t event_type) {
    detail_.size = sizeof(detail_);
    detail_.abi = RS_ABI_VERSION;
    detail_.event_type = event_type;
    detail_.stage = RS_STAGE_PRE;
    detail_.core_id = RS_ANY;
    detail_.process_id = RS_ANY;
    detail_.optional_param[0] = RS_VECTOR_ALL;
}

EventImage& EventImage::vector(std::uint64_t vector) {
    detail_.optional_param[0] = vector;
    return *this;
}

EventImage& EventImage::core(std::uint32_t core) {
    detail_.core_id = core;
    return *this;
}

EventImage& EventImage::process(std::uint32_t pid) {
    detail_.process_id = pid;
    return *this;
}

EventImage& EventImage::stage(std::uint32_t stage) {
    detail_.stage = stage;
    return *this;
}

EventImage& EventImage::flags(std::uint32_t flags) {
    detail_.flags = flags;
    return *this;
}

EventImage& EventImage::safe_buffer(std::uint32_t size_bytes) {
    detail_.safe_buffer_len = size_bytes;
    return *this;
}

EventImage& EventImage::cookie(std::uint64_t cookie) {
    detail_.cookie = cookie;
    return *this;
}

EventImage& EventImage::command(std::string_view text) {
    command_ = text;
    return *this;
}

EventImage& EventImage::output(std::uint64_t tag) {
    if (detail_.output_count < RS_MAX_OUTPUTS)
        detail_.output_tag[detail_.output_count++] = tag;
    return *this;
}

EventImage& EventImage::condition(std::span<const std::byte> code) {
    condition_.assign(code.begin(), code.end());
    return *this;
}

EventImage& EventImage::add_break(bool immediate) {
    return add_action(RS_ACT_BREAK, {}, 0, immediate);
}

EventImage& EventImage::add_script(std::span<const std::byte> program, std::uint32_t instructions,
                                   bool immediate) {
    return add_action(RS_ACT_SCRIPT, program, instructions, immediate);
}

EventImage& EventImage::add_code(std::span<const std::byte> code, bool immediate) {
    return add_action(RS_ACT_CODE, code, 0, immediate);
}

EventImage& EventImage::add_action(std::uint32_t type, std::span<const std::byte> payload,
                                   std::uint32_t instructions, bool immediate) {
    rs_action action{};
    action.size = sizeof(action);
    action.action_type = type;
    action.flags = immediate ? RS_ACTF_IMMEDIATE : 0;
    action.payload_len = static_cast<std::uint32_t>(payload.size());
    action.script_pointer = instructions;
    append_padded(actions_, std::as_bytes(std::span{&action, 1}));
    append_padded(actions_, payload);
    ++detail_.action_count;
    return *this;
}

std::vector<std::byte> EventImage::bytes() const {
    std::vector<std::byte> image;
    append_padded(image, std::as_bytes(std::span{&detail_, 1}));
    append_padded(image, condition_);
    append_padded(image, actions_);
    append_padded(image, std::as_bytes(std::span{command_}));
    rs_event_detail detail = detail_;
    detail.total_len = image.size();
    detail.condition_len = static_cast<std::uint32_t>(condition_.size());
    detail.command_len = static_cast<std::uint32_t>(command_.size());
    std::ranges::copy(std::as_bytes(std::span{&detail, 1}), image.begin());
    return image;
}

}  // namespace ringside::debuggee
