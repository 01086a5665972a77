// SPDX-License-Identifier: GPL-2.0-or-later
#include "link/shared_stream.hpp"

#include <atomic>
#include <bit>

#include "base/bits.hpp"
#include "base/memory.hpp"
#include "ringside/packet.h"

namespace ringside::link {
namespace {

static_assert(SharedStream::kFirstRing >= sizeof(rs_shared_link));
static_assert(std::atomic_ref<__u64>::is_always_lock_free);

// Words of shared memory. What one side stored before a word, the other sees after it.
template <class T>
T load(T& word) {
    return std::atomic_ref<T>{word}.load(std::memory_order_acquire);
}

template <class T>
void store(T& word, u64 value) {
    std::atomic_ref<T>{word}.store(static_cast<T>(value), std::memory_order_release);
}

constexpr bool is_ring(u64 offset, u64 bytes, u64 total) {
    return is_power_of_two(bytes) && bytes >= SharedStream::kSmallestRing &&
           offset >= SharedStream::kFirstRing && offset <= total && bytes <= total - offset;
}

constexpr bool is_apart(u64 first, u64 first_bytes, u64 second, u64 second_bytes) {
    return first + first_bytes <= second || second + second_bytes <= first;
}

bool is_aligned(const void* memory) {
    return memory != nullptr &&
           reinterpret_cast<std::uintptr_t>(memory) % alignof(rs_shared_link) == 0;
}

/// Copies to or from a ring, around its end where needed.
template <class Copy>
void for_pieces(u64 position, u64 ring_bytes, usize count, Copy copy) {
    const usize offset = position & (ring_bytes - 1);
    const usize to_wrap = ring_bytes - offset;
    const usize first = count < to_wrap ? count : to_wrap;
    copy(offset, usize{0}, first);
    if (first != count)
        copy(usize{0}, first, count - first);
}

}  // namespace

bool SharedStream::format(void* memory, u64 bytes) {
    detach();
    if (!is_aligned(memory) || bytes < kSmallestMemory)
        return false;
    const u64 room = bytes - kFirstRing;
    Layout layout;
    layout.to_debuggee_offset = kFirstRing;
    layout.to_debuggee_bytes = std::bit_floor(room / 4);
    layout.to_debugger_offset = kFirstRing + layout.to_debuggee_bytes;
    layout.to_debugger_bytes = std::bit_floor(room - layout.to_debuggee_bytes);

    auto& link = *static_cast<rs_shared_link*>(memory);
    store(link.magic, 0);  // seen to be gone by whoever sees one of the stores below
    store(link.link_version, RS_LINK_VERSION);
    store(link.total_bytes, bytes);
    store(link.to_debuggee_offset, layout.to_debuggee_offset);
    store(link.to_debuggee_bytes, layout.to_debuggee_bytes);
    store(link.to_debugger_offset, layout.to_debugger_offset);
    store(link.to_debugger_bytes, layout.to_debugger_bytes);
    store(link.to_debuggee.head, 0);
    store(link.to_debuggee.tail, 0);
    store(link.to_debugger.head, 0);
    store(link.to_debugger.tail, 0);
    store(link.magic, RS_SHARED_LINK_MAGIC);
    use(link, layout, Side::kDebuggee);
    return true;
}

bool SharedStream::attach(void* memory, u64 bytes, Side side) {
    detach();
    if (!is_aligned(memory) || bytes < sizeof(rs_shared_link))
        return false;
    auto& link = *static_cast<rs_shared_link*>(memory);
    if (load(link.magic) != RS_SHARED_LINK_MAGIC || load(link.link_version) != RS_LINK_VERSION)
        return false;
    const u64 total = load(link.total_bytes);
    const Layout layout = read_layout(link);
    if (total > bytes || !is_ring(layout.to_debuggee_offset, layout.to_debuggee_bytes, total) ||
        !is_ring(layout.to_debugger_offset, layout.to_debugger_bytes, total) ||
        !is_apart(layout.to_debuggee_offset, layout.to_debuggee_bytes, layout.to_debugger_offset,
                  layout.to_debugger_bytes))
        return false;
    use(link, layout, side);
    input_.position = load(*input_.own_index);
    output_.position = load(*output_.own_index);
    // What an earlier end left may be nonsense by now; then there is nothing under way.
    const u64 read_by_other = load(*output_.peer_index);
    if (output_.position - read_by_other > output_.bytes)
        output_.position = read_by_other;
    const u64 written_by_other = load(*input_.peer_index);
    if (side == Side::kDebugger || written_by_other - input_.position > input_.bytes)
        input_.position = written_by_other;
    store(*output_.own_index, output_.position);
    store(*input_.own_index, input_.position);
    return true;
}

SharedStream::Layout SharedStream::read_layout(rs_shared_link& link) {
    return {.to_debuggee_offset = load(link.to_debuggee_offset),
            .to_debuggee_bytes = load(link.to_debuggee_bytes),
            .to_debugger_offset = load(link.to_debugger_offset),
            .to_debugger_bytes = load(link.to_debugger_bytes)};
}

/// Takes a sound layout over, both rings at their beginning.
void SharedStream::use(rs_shared_link& link, const Layout& layout, Side side) {
    link_ = &link;
    layout_ = layout;
    u8* const base = reinterpret_cast<u8*>(&link);
    rs_shared_stream& in = side == Side::kDebuggee ? link.to_debuggee : link.to_debugger;
    rs_shared_stream& out = side == Side::kDebuggee ? link.to_debugger : link.to_debuggee;
    Ring to_debuggee{.data = base + layout.to_debuggee_offset, .bytes = layout.to_debuggee_bytes};
    Ring to_debugger{.data = base + layout.to_debugger_offset, .bytes = layout.to_debugger_bytes};
    input_ = side == Side::kDebuggee ? to_debuggee : to_debugger;
    input_.own_index = &in.tail;
    input_.peer_index = &in.head;
    output_ = side == Side::kDebuggee ? to_debugger : to_debuggee;
    output_.own_index = &out.head;
    output_.peer_index = &out.tail;
}

u64 SharedStream::readable() const {
    if (!is_attached())
        return 0;
    // Who asks has_input() may not be the one who reads.
    const u64 count = load(*input_.peer_index) -
                      std::atomic_ref<const u64>{input_.position}.load(std::memory_order_relaxed);
    return count <= input_.bytes ? count : 0;
}

u64 SharedStream::writable() const {
    if (!is_attached())
        return 0;
    const u64 used = output_.position - load(*output_.peer_index);
    return used <= output_.bytes ? output_.bytes - used : 0;
}

bool SharedStream::has_input() const {
    return readable() != 0;
}

usize SharedStream::write(const u8* from, usize count) {
    const u64 room = writable();
    const usize taken = count < room ? count : room;
    if (taken == 0)
        return 0;
    for_pieces(output_.position, output_.bytes, taken, [&](usize offset, usize at, usize length) {
        copy_bytes(output_.data + offset, from + at, length);
    });
    output_.position += taken;
    store(*output_.own_index, output_.position);
    return taken;
}

usize SharedStream::read(u8* to, usize count) {
    const u64 there = readable();
    const usize given = count < there ? count : there;
    if (given == 0)
        return 0;
    for_pieces(input_.position, input_.bytes, given, [&](usize offset, usize at, usize length) {
        copy_bytes(to + at, input_.data + offset, length);
    });
    std::atomic_ref<u64>{input_.position}.store(input_.position + given, std::memory_order_relaxed);
    store(*input_.own_index, input_.position);
    return given;
}

bool SharedStream::is_current() const {
    if (!is_attached() || load(link_->magic) != RS_SHARED_LINK_MAGIC)
        return false;
    const Layout now = read_layout(*link_);
    return now.to_debuggee_offset == layout_.to_debuggee_offset &&
           now.to_debuggee_bytes == layout_.to_debuggee_bytes &&
           now.to_debugger_offset == layout_.to_debugger_offset &&
           now.to_debugger_bytes == layout_.to_debugger_bytes &&
           load(*input_.own_index) == input_.position &&
           load(*output_.own_index) == output_.position &&
           load(*input_.peer_index) - input_.position <= input_.bytes &&
           output_.position - load(*output_.peer_index) <= output_.bytes;
}

}  // namespace ringside::link
