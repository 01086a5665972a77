// SPDX-License-Identifier: GPL-2.0-or-later
// The debug link over shared memory (uapi shared_link.h): either end, over the bare memory.
#pragma once

#include "base/types.hpp"
#include "link/byte_stream.hpp"
#include "ringside/shared_link.h"

namespace ringside::link {

/// Whose end of the shared memory this is.
enum class Side { kDebuggee, kDebugger };

/// One end of a shared link. The other end may be anybody: what it writes is read once and checked,
/// and what was agreed on at the beginning (where the rings lie) is kept in this object. The worst
/// it can do is to send nonsense, or nothing.
///
/// Context: one caller at a time, root mode included; does not wait, allocate or lock. Bytes are
/// ordered by the indices alone: each is stored with release by its writer after the data was
/// copied, and loaded with acquire by the other side before.
class SharedStream final : public ByteStream {
public:
    /// The smallest ring, and the smallest memory that has room for two.
    static constexpr u64 kSmallestRing = 0x1000;
    static constexpr u64 kFirstRing = 0x1000;  ///< offset of the first ring
    static constexpr u64 kSmallestMemory = kFirstRing + 5 * kSmallestRing;

    /// Lays the streams out, empty, and becomes the debuggee's end: the magic last, so that a
    /// debugger that sees it sees everything. A debugger that was attached finds out by
    /// is_current().
    ///
    /// @param memory  aligned to 8, mapped for as long as this end is used, under this address
    /// @param bytes   of it. A quarter at most is the ring to the debuggee, the rest the other's;
    ///                each is the largest power of two that fits.
    /// @return false if it is smaller than kSmallestMemory or not aligned; nothing was written
    bool format(void* memory, u64 bytes);

    /// Becomes an end of what format() laid out, here or elsewhere.
    ///
    /// The debugger's end begins with an empty input: what is still there was sent to somebody who
    /// has gone. What the debuggee has not read yet stays.
    ///
    /// @param memory, bytes  as for format(); the layout may describe a part of it
    /// @return false if there is no magic, another version, or a layout that is not sound; nothing
    ///         was written, and this end is detached
    bool attach(void* memory, u64 bytes, Side side);

    /// Forgets the memory; nothing can be written or read.
    void detach() { *this = SharedStream{}; }
    bool is_attached() const { return link_ != nullptr; }

    usize write(const u8* from, usize count) override;
    usize read(u8* to, usize count) override;

    /// Whether there is something to read: two loads. Anybody may ask while another one reads.
    bool has_input() const;

    /// Whether the memory still looks as this end left it. False when it was formatted since
    /// attach(): the magic is gone, the layout another, one of our own indices not what we wrote
    /// last, or the other's nonsense. For the debugger's end, which then attaches anew.
    bool is_current() const;

    /// Bytes that read() has to give, and write() room for; 0 if the other's index is nonsense.
    u64 readable() const;
    u64 writable() const;

private:
    /// A ring as agreed on, and the index that is ours.
    struct Ring {
        __u64* peer_index = nullptr;  ///< of the other side, in shared memory
        __u64* own_index = nullptr;   ///< the copy of `position` for the other side
        u64 position = 0;             ///< bytes we have read, or written, since the beginning
        u8* data = nullptr;
        u64 bytes = 0;  ///< a power of two
    };
    struct Layout {
        u64 to_debuggee_offset = 0;
        u64 to_debuggee_bytes = 0;
        u64 to_debugger_offset = 0;
        u64 to_debugger_bytes = 0;
    };
    static Layout read_layout(rs_shared_link& link);
    void use(rs_shared_link& link, const Layout& layout, Side side);

    rs_shared_link* link_ = nullptr;
    Layout layout_;
    Ring input_;
    Ring output_;
};

}  // namespace ringside::link
