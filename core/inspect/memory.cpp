// SPDX-License-Identifier: GPL-2.0-or-later
// RS_NR_MEM: memory read, written and searched.
#include "inspect/address_space.hpp"
#include "inspect/request.hpp"
#include "inspect/tasks.hpp"

namespace ringside::inspect {
namespace {

constexpr u64 room_in_page(u64 address) {
    return kPageSize - (address & kPageMask);
}

constexpr u64 smaller(u64 a, u64 b) {
    return a < b ? a : b;
}

void note_failure(rs_mem& fields, u64 address, const Reach& reach) {
    fields.failed_address = address;
    fields.failed_level = reach.failed_level;
    fields.failed_entry = reach.failed_entry;
}

/// The byte `offset` behind the request's address; there is none behind the highest address.
Reach reach_at(const AddressSpace& space, const rs_mem& fields, u64 offset, bool for_writing) {
    const u64 address = fields.address + offset;
    return address < fields.address ? Reach{} : space.reach(address, for_writing);
}

u32 read(const AddressSpace& space, rs_mem& fields, std::span<u8> data) {
    if (fields.length > RS_MAX_MEM_BYTES || fields.length > data.size())
        return RS_ERR_BAD_IMAGE;
    while (fields.done < fields.length) {
        const u64 address = fields.address + fields.done;
        const Reach from = reach_at(space, fields, fields.done, false);
        if (!from.host) {
            note_failure(fields, address, from);
            return RS_ERR_BAD_ADDRESS;
        }
        const u64 part = smaller(fields.length - fields.done, room_in_page(address));
        copy_bytes(data.data() + fields.done, from.host, part);
        fields.done += part;
    }
    return RS_OK;
}

u32 write(const AddressSpace& space, rs_mem& fields, std::span<u8> data) {
    if (fields.length > RS_MAX_MEM_BYTES || fields.length > data.size())
        return RS_ERR_BAD_IMAGE;
    // Where all pages are first: then nothing can come in between.
    constexpr u32 kMaxPages = RS_MAX_MEM_BYTES / kPageSize + 1;
    Reach pages[kMaxPages];
    u32 count = 0;
    for (u64 offset = 0; offset < fields.length; offset += room_in_page(fields.address + offset)) {
        pages[count] = reach_at(space, fields, offset, true);
        if (!pages[count].host) {
            note_failure(fields, fields.address + offset, pages[count]);
            return RS_ERR_BAD_ADDRESS;
        }
        ++count;
    }
    for (u32 i = 0; i < count; ++i) {
        const u64 part =
            smaller(fields.length - fields.done, room_in_page(fields.address + fields.done));
        copy_bytes(pages[i].host, data.data() + fields.done, part);
        if (pages[i].leaf)
            memory::mark_accessed({.leaf = pages[i].leaf}, true);
        fields.done += part;
    }
    return RS_OK;
}

/// One search: goes over the memory a page at a time, with the next one in view.
class Search {
public:
    Search(const AddressSpace& space, rs_mem& fields, std::span<u8> data)
        : space_{space}, fields_{fields}, data_{data} {
        // The hits are written where the pattern is read.
        copy_bytes(pattern_, data.data(), fields.pattern_len);
    }

    u32 run() {
        const u64 room = data_.size() / sizeof(u64);
        room_ = room < RS_MAX_MEM_HITS ? room : u64{RS_MAX_MEM_HITS};
        Page page = find(0);
        while (page.reach.host) {
            const bool has_next = page.end < fields_.length;
            const Page next = has_next ? find(page.end) : Page{};
            if (!look_at(page, next.reach.host))
                return RS_OK;  // no room for more hits; `done` is where to go on
            fields_.done = page.end;
            if (!has_next)
                return RS_OK;
            page = next;
        }
        if (fields_.length == 0)
            return RS_OK;
        note_failure(fields_, fields_.address + page.start, page.reach);
        return RS_ERR_BAD_ADDRESS;
    }

private:
    /// A piece that does not cross a page's end; offsets from the request's address.
    struct Page {
        u64 start = 0;
        u64 end = 0;
        Reach reach;
    };

    Page find(u64 offset) const {
        Page page{.start = offset};
        if (offset == fields_.length)
            return page;
        page.end =
            offset + smaller(fields_.length - offset, room_in_page(fields_.address + offset));
        page.reach = reach_at(space_, fields_, offset, false);
        return page;
    }

    /// Notes every hit that begins in `page`; false: there is no room for one.
    bool look_at(const Page& page, const u8* next) {
        const u8* memory = page.reach.host;
        const u64 size = page.end - page.start;
        const u64 unit = fields_.unit;
        const u64 end = next ? fields_.length : page.end;  // of what can be reached
        for (u64 at = (page.start + unit - 1) / unit * unit; at < page.end; at += unit) {
            const u64 here = at - page.start;
            if (memory[here] != pattern_[0] || fields_.pattern_len > end - at)
                continue;
            const u64 in_page = smaller(fields_.pattern_len, size - here);
            // A pattern is shorter than a page: what is left of it lies in the next one.
            if (!equal_bytes(memory + here, pattern_, in_page) ||
                (in_page < fields_.pattern_len &&
                 !equal_bytes(next, pattern_ + in_page, fields_.pattern_len - in_page)))
                continue;
            if (fields_.hit_count == room_) {
                fields_.done = at;
                return false;
            }
            const u64 address = fields_.address + at;
            copy_bytes(data_.data() + sizeof(u64) * fields_.hit_count++, &address, sizeof address);
        }
        return true;
    }

    const AddressSpace& space_;
    rs_mem& fields_;
    std::span<u8> data_;
    u64 room_ = 0;
    u8 pattern_[RS_MAX_MEM_PATTERN] = {};
};
static_assert(RS_MAX_MEM_PATTERN < kPageSize);

u32 search(const AddressSpace& space, rs_mem& fields, std::span<u8> data) {
    const bool has_unit = fields.unit == 1 || fields.unit == 4 || fields.unit == 8;
    if (!has_unit || fields.pattern_len == 0 || fields.pattern_len > RS_MAX_MEM_PATTERN ||
        fields.pattern_len > data.size() || data.size() < sizeof(u64) ||
        fields.length > RS_MAX_MEM_SEARCH)
        return RS_ERR_BAD_IMAGE;
    return Search{space, fields, data}.run();
}

}  // namespace

u32 answer_memory(vcpu::Vcpu& vcpu, rs_mem& fields, std::span<u8> data) {
    fields.hit_count = 0;
    fields.done = 0;
    fields.failed_address = 0;
    fields.failed_level = 0;
    fields.failed_entry = 0;
    if (fields.reserved || fields.flags & ~RS_MEMF_PHYSICAL)
        return RS_ERR_BAD_IMAGE;
    AddressSpace space{vcpu};
    if (fields.flags & RS_MEMF_PHYSICAL)
        space.use_physical();
    else if (const u32 error = use_process(vcpu, space, fields.process_id); error != RS_OK)
        return error;
    switch (fields.operation) {
        case RS_MEM_READ:
            return read(space, fields, data);
        case RS_MEM_WRITE:
            return write(space, fields, data);
        case RS_MEM_SEARCH:
            return search(space, fields, data);
        default:
            return RS_ERR_BAD_IMAGE;
    }
}

}  // namespace ringside::inspect
