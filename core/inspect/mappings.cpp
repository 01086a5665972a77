// SPDX-License-Identifier: GPL-2.0-or-later
// RS_NR_MAPPINGS. As in tasks.cpp no pointer is trusted, and the number of steps has an end. Nodes
// of the tree and names of files are freed behind a grace period, which does not end while this
// core is in root mode; a vm_area_struct may become another one meanwhile, so that of it nothing is
// read but its file, as far as there is a tree. Source: Linux, include/linux/maple_tree.h,
// lib/maple_tree.c (mtree_range_walk).
#include "inspect/request.hpp"
#include "inspect/tasks.hpp"

namespace ringside::inspect {
namespace {

/// An answer is cut behind as many steps, so that the core is not held for long.
constexpr u32 kStepsOfAnAnswer = 0x2000;
constexpr u32 kMaxHeight = 31;  // MAPLE_HEIGHT_MAX
constexpr u32 kMaxDepth = 64;   // of a file in its file system

/// A pointer to a node has its type in the low byte.
struct EncodedNode {
    static constexpr u64 kAddress = ~u64{0xff};
    enum Type : u32 { kLeaf = 1, kRange = 2, kGapRange = 3 };

    u64 raw = 0;

    u64 address() const { return raw & kAddress; }
    u32 type() const { return raw >> 3 & 0xf; }
    bool is_one() const { return s64(raw) < 0; }
    /// The tree's root may also be its only entry, of index 0.
    bool is_root() const { return (raw & 3) == 2 && is_one(); }
};

struct Node {
    u64 words[32];

    u64 at(u32 offset, u32 index) const { return words[(offset / sizeof(u64) + index) % 32]; }
};

/// A mapping: its addresses, and its vm_area_struct.
struct Area {
    u64 first = 0;
    u64 last = 0;  ///< its last byte
    u64 address = 0;
};

enum class Found : u8 { kOne, kNone, kBroken };

/// A process's mappings, by ascending addresses.
class Areas {
public:
    Areas(const AddressSpace& space, const vcpu::MappingLayout& layout, u64 mm)
        : space_{space}, layout_{layout}, mm_{mm} {}

    /// The first one with an address of `from` or above, which is not below the last call's.
    Found next(u64 from, Area& area) {
        return layout_.has_tree ? next_in_tree(from, area) : next_in_list(from, area);
    }
    /// So many that another answer may go on; a list is walked from its beginning each time.
    bool has_taken_long() const { return layout_.has_tree && steps_ > kStepsOfAnAnswer; }

private:
    bool read(u64 address, u64& value) const {
        return space_.read_kernel(address, &value, sizeof value);
    }

    Found next_in_list(u64 from, Area& area) {
        if (!has_begun_ && !read(mm_ + layout_.mm_areas, at_))
            return Found::kBroken;
        has_begun_ = true;
        for (; at_ != 0; ++steps_) {
            u64 start = 0, end = 0;
            if (steps_ == kMaxSteps || !read(at_ + layout_.area_start, start) ||
                !read(at_ + layout_.area_end, end) || start >= end)
                return Found::kBroken;
            if (end > from) {
                area = {start, end - 1, at_};
                return Found::kOne;
            }
            if (!read(at_ + layout_.area_next, at_))
                return Found::kBroken;
        }
        return Found::kNone;
    }

    Found next_in_tree(u64 from, Area& area) {
        for (u64 index = from;; index = area.last + 1) {
            Walked walked;
            do {
                walked = walk_tree(index, area);
            } while (walked == Walked::kDead);
            if (walked == Walked::kBroken)
                return Found::kBroken;
            if (s64(area.address) < 0)
                return Found::kOne;
            if (area.last == ~u64{0})
                return Found::kNone;
        }
    }

    enum class Walked : u8 { kDone, kDead, kBroken };

    /// What the tree has at `index`, and from where to where. kDead: a node was replaced meanwhile.
    Walked walk_tree(u64 index, Area& found) {
        found = {0, ~u64{0}, 0};
        EncodedNode node;
        if (!read(mm_ + layout_.mm_areas, node.raw))
            return Walked::kBroken;
        if (!node.is_root())
            return Walked::kDone;  // no mapping is at address 0 alone
        for (u32 height = 0; height < kMaxHeight; ++height) {
            Node copy;
            u64 parent = 0;
            if (++steps_ > kMaxSteps || !space_.read_kernel(node.address(), &copy, sizeof copy) ||
                !read(node.address(), parent))
                return Walked::kBroken;
            // A node that was taken out of the tree is its own parent.
            if ((parent & EncodedNode::kAddress) == node.address())
                return Walked::kDead;
            const bool is_leaf = node.type() == EncodedNode::kLeaf;
            if (!is_leaf && node.type() != EncodedNode::kRange &&
                node.type() != EncodedNode::kGapRange)
                return Walked::kBroken;
            const u64 slot = find_slot(
                copy, node.type() == EncodedNode::kGapRange ? layout_.gap_range : layout_.range,
                index, found);
            if (is_leaf) {
                found.address = slot;
                return Walked::kDone;
            }
            node.raw = slot;
            if (!node.is_one())
                return Walked::kBroken;
        }
        return Walked::kBroken;
    }

    /// The slot that `index` belongs to; narrows the range down to the slot's. A pivot is the last
    /// index of its slot; a node has as many slots as it takes to reach the end of its range.
    static u64 find_slot(const Node& node, const vcpu::MapleLayout& layout, u64 index,
                         Area& range) {
        u32 slot = 0;
        for (; slot + 1 < layout.count; ++slot) {
            const u64 pivot = node.at(layout.pivots, slot);
            if ((pivot == 0 && slot != 0) || pivot >= range.last)
                break;
            if (index <= pivot) {
                range.last = pivot;
                break;
            }
            range.first = pivot + 1;
        }
        return node.at(layout.slots, slot);
    }

    const AddressSpace& space_;
    const vcpu::MappingLayout& layout_;
    u64 mm_;
    u64 at_ = 0;  ///< in the list
    bool has_begun_ = false;
    u32 steps_ = 0;
};

/// The path of a file, made from its end on.
class Path {
public:
    Path(const AddressSpace& space, const vcpu::MappingLayout& layout)
        : space_{space}, layout_{layout} {}

    /// False: the file cannot be read.
    bool make(u64 file) {
        u64 dentry = 0, mount = 0, root = 0;
        if (!read(file + layout_.file_dentry, dentry) || !read(file + layout_.file_mount, mount) ||
            !read(mount + layout_.mount_root, root) || !put_name(dentry))
            return false;
        name_begin_ = begin_;
        for (u32 depth = 0; depth < kMaxDepth; ++depth) {
            u64 parent = 0;
            // A file that is mounted itself, and one of no directory, have only their name.
            if (dentry == root || !read(dentry + layout_.dentry_parent, parent) ||
                parent == dentry || !put("/", 1))
                return true;
            dentry = parent;
            if (dentry == root) {
                is_whole_ = true;
                return true;
            }
            if (!put_name(dentry))
                return true;
        }
        return true;
    }

    bool is_whole() const { return is_whole_; }
    /// The last name alone, if it is not whole.
    std::span<const char> text() const {
        return std::span{text_}.subspan(is_whole_ ? begin_ : name_begin_);
    }

private:
    bool read(u64 address, u64& value) const {
        return space_.read_kernel(address, &value, sizeof value);
    }
    bool put(const char* text, u32 count) {
        if (count > begin_)
            return false;
        begin_ -= count;
        copy_bytes(text_ + begin_, text, count);
        return true;
    }
    bool put_name(u64 dentry) {
        u64 name = 0;
        u32 count = 0;
        if (!space_.read_kernel(dentry + layout_.dentry_name_len, &count, sizeof count) ||
            !read(dentry + layout_.dentry_name, name) || count > begin_ ||
            !space_.read_kernel(name, text_ + begin_ - count, count))
            return false;
        begin_ -= count;
        return true;
    }

    const AddressSpace& space_;
    const vcpu::MappingLayout& layout_;
    bool is_whole_ = false;
    u32 begin_ = RS_MAX_MAPPING_PATH;
    u32 name_begin_ = RS_MAX_MAPPING_PATH;
    char text_[RS_MAX_MAPPING_PATH];
};

/// Puts mappings behind the header.
class List {
public:
    List(rs_mappings& fields, std::span<u8> data) : fields_{fields}, data_{data} {}

    /// False: there is no room for it.
    bool add(const Area& area, u64 inode, const Path& path) {
        const std::span<const char> text = path.text();
        const u32 bytes = u32(sizeof(rs_mapping) + (text.size() + 7) / 8 * 8);
        if (bytes > data_.size() - fields_.used_len)
            return false;
        const rs_mapping entry{area.first, area.last + 1, inode, u32(text.size()),
                               path.is_whole() ? RS_MAPPINGF_PATH : 0};
        u8* const to = data_.data() + fields_.used_len;
        fill_bytes(to, 0, bytes);
        copy_bytes(to, &entry, sizeof entry);
        copy_bytes(to + sizeof entry, text.data(), text.size());
        fields_.used_len += bytes;
        ++fields_.count;
        return true;
    }

private:
    rs_mappings& fields_;
    std::span<u8> data_;
};

}  // namespace

u32 answer_mappings(vcpu::Vcpu& vcpu, rs_mappings& fields, std::span<u8> data) {
    fields.count = fields.used_len = 0;
    if (fields.reserved != 0 || data.size() < sizeof(rs_mapping) + RS_MAX_MAPPING_PATH)
        return RS_ERR_BAD_IMAGE;
    u64 mm = 0;
    if (const u32 error = find_mm(vcpu, fields.process_id, mm); error != RS_OK)
        return error;
    if (mm == 0)
        return RS_ERR_NO_USER_MEMORY;
    const vcpu::MappingLayout& layout = vcpu.machine->mappings;
    const AddressSpace space{vcpu};
    Areas areas{space, layout, mm};
    List list{fields, data};
    for (u64 from = fields.next;;) {
        fields.next = 0;
        Area area;
        const Found found = areas.next(from, area);
        if (found != Found::kOne)
            return found == Found::kNone ? u32{RS_OK} : u32{RS_ERR_BAD_ADDRESS};
        u64 file = 0, inode = 0;
        if (!space.read_kernel(area.address + layout.area_file, &file, sizeof file))
            return RS_ERR_BAD_ADDRESS;
        if (file != 0) {
            Path path{space, layout};
            if (!space.read_kernel(file + layout.file_inode, &inode, sizeof inode) ||
                !path.make(file))
                return RS_ERR_BAD_ADDRESS;
            if (!list.add(area, inode, path)) {
                fields.next = from;
                return RS_OK;
            }
        }
        if (area.last == ~u64{0})
            return RS_OK;
        from = area.last + 1;
        if (areas.has_taken_long()) {
            fields.next = from;
            return RS_OK;
        }
    }
}

}  // namespace ringside::inspect
