// SPDX-License-Identifier: GPL-2.0-or-later
// A script image as the VM sees it. The image holds offsets only, so one that was verified on
// Linux's side of the shared memory is run in root mode from another virtual address.
#pragma once

#include "base/types.hpp"
#include "ringside/bytecode.h"

namespace ringside::script {

/// Looks at a verified image; checks nothing. Cheap to make anew from the address of the image.
class ProgramView {
public:
    constexpr ProgramView() = default;
    /// `image`: first byte of an image that verify() accepted, aligned to 8.
    explicit ProgramView(const u8* image) : image_{image} {}

    bool empty() const { return image_ == nullptr; }
    const u8* image() const { return image_; }
    const rs_script_image& header() const {
        return *reinterpret_cast<const rs_script_image*>(image_);
    }
    const rs_script_instruction* code() const {
        return at<rs_script_instruction>(header().code.offset);
    }
    u32 code_count() const { return header().code.count; }
    const rs_script_function& function(u32 index) const {
        return at<rs_script_function>(header().functions.offset)[index];
    }
    const u64* constants() const { return at<u64>(header().constants.offset); }
    const rs_script_string& string(u32 index) const {
        return at<rs_script_string>(header().strings.offset)[index];
    }
    const rs_script_string& global(u32 index) const {
        return at<rs_script_string>(header().globals.offset)[index];
    }
    u32 global_count() const { return header().globals.count; }
    const char* bytes() const { return at<char>(header().bytes.offset); }
    u32 byte_count() const { return header().bytes.count; }
    u32 function_count() const { return header().functions.count; }
    const u8* data() const { return at<u8>(header().data.offset); }
    u32 data_bytes() const { return header().data.count; }
    u32 total_len() const { return header().total_len; }
    bool is_linked() const { return (header().flags & RS_SCRIPTF_LINKED) != 0; }

private:
    template <class T>
    const T* at(u32 offset) const {
        return reinterpret_cast<const T*>(image_ + offset);
    }

    const u8* image_ = nullptr;
};

}  // namespace ringside::script
