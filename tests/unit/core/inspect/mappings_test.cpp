// SPDX-License-Identifier: GPL-3.0-or-later
// Mappings of a process in structures that the test makes, sound ones and hostile ones.
#include <tuple>

#include "inspect/tasks.hpp"
#include "support/inspected_machine.hpp"

namespace ringside::inspect {
namespace {

class InspectMappings : public test::InspectedMachine {
protected:
    // Where these structures have their fields.
    static constexpr u32 kTree = 0x60, kStart = 0x00, kEnd = 0x08, kNext = 0x10, kFile = 0xa0,
                         kFileMount = 0x10, kFileDentry = 0x18, kFileInode = 0x20, kMountRoot = 0x8,
                         kParent = 0x18, kNameLen = 0x24, kName = 0x28;
    static constexpr u64 kEndOfAll = ~u64{0};
    enum Type : u64 { kLeaf = 1, kRange = 2, kGapRange = 3 };

    struct Slot {
        u64 entry;
        u64 pivot;  ///< its last index
    };
    struct Mapping {
        u64 start, end, inode;
        std::string path;
        bool is_path;
        bool operator==(const Mapping&) const = default;
    };

    InspectMappings() {
        machine->mappings = {.has_tree = true,
                             .mm_areas = kTree,
                             .area_start = kStart,
                             .area_end = kEnd,
                             .area_file = kFile,
                             .area_next = kNext,
                             .file_dentry = kFileDentry,
                             .file_mount = kFileMount,
                             .file_inode = kFileInode,
                             .mount_root = kMountRoot,
                             .dentry_parent = kParent,
                             .dentry_name = kName,
                             .dentry_name_len = kNameLen,
                             .range = {0x08, 0x80, 16},
                             .gap_range = {0x08, 0x50, 10}};
        process = add_process(7, "p", guest.take_page());
        mm = word(process + kMm);
        root = dentry("/", 0);
        mount = take();
        set_word(mount + kMountRoot, root);
    }

    /// A node; as in the kernel the last pivot is left out if there is no room, and 0 or the node's
    /// own end stand where a node is not full.
    u64 node(Type type, std::initializer_list<Slot> slots) {
        const u64 at = take();
        const bool has_gaps = type == kGapRange;
        u32 i = 0;
        for (const Slot& slot : slots) {
            set_word(at + (has_gaps ? 0x50 : 0x80) + i * 8, slot.entry);
            if (i < (has_gaps ? 9u : 15u))
                set_word(at + 8 + i * 8, slot.pivot);
            ++i;
        }
        return at | type << 3 | 4;
    }
    void set_tree(u64 node) { set_word(mm + kTree, node | 2); }
    /// A vm_area_struct; of the list it has what the tree would tell, too.
    u64 area(u64 file, u64 start = 0, u64 end = 0) {
        const u64 at = take();
        set_word(at + kFile, file);
        set_word(at + kStart, start);
        set_word(at + kEnd, end);
        return at;
    }
    u64 dentry(const std::string& name, u64 parent) {
        const u64 at = take();
        set_word(at + kParent, parent ? parent : at);
        const u32 length = u32(name.size());
        std::memcpy(host(at + kNameLen), &length, sizeof length);
        set_word(at + kName, at + 0x100);
        std::memcpy(host(at + 0x100), name.data(), name.size());
        return at;
    }
    u64 file(u64 dentry, u64 inode) {
        const u64 at = take();
        set_word(at + kFileMount, mount);
        set_word(at + kFileDentry, dentry);
        set_word(at + kFileInode, inode);
        return at;
    }

    std::vector<Mapping> mappings(u32 process_id = 7, u64 next = 0,
                                  usize room = sizeof(rs_mapping) + RS_MAX_MAPPING_PATH) {
        request = {};
        request.process_id = process_id;
        request.next = next;
        std::vector<u8> data(room);
        result = ask(RS_NR_MAPPINGS, request, data);
        std::vector<Mapping> all;
        for (usize at = 0; all.size() < request.count;) {
            rs_mapping entry;
            std::memcpy(&entry, data.data() + at, sizeof entry);
            at += sizeof entry;
            all.push_back({entry.start, entry.end, entry.inode,
                           std::string(reinterpret_cast<char*>(data.data()) + at, entry.path_len),
                           (entry.flags & RS_MAPPINGF_PATH) != 0});
            at += (entry.path_len + 7) / 8 * 8;
            EXPECT_LE(at, request.used_len);
        }
        return all;
    }
    /// Of all answers, which have room for `room` bytes each.
    std::vector<Mapping> all_mappings(usize room) {
        std::vector<Mapping> all;
        u64 next = 0;
        do {
            const auto some = mappings(7, next, room);
            EXPECT_EQ(result, u32{RS_OK});
            all.insert(all.end(), some.begin(), some.end());
            EXPECT_TRUE(request.next == 0 || request.next > next);
            next = request.next;
        } while (next != 0);
        return all;
    }

    u64 process = 0, mm = 0, root = 0, mount = 0;
    rs_mappings request{};
    u32 result = 0;
};

TEST_F(InspectMappings, AreReadFromALeaf) {
    const u64 usr = dentry("usr", root);
    const u64 program = file(dentry("program", usr), 0x77);
    set_tree(node(kLeaf, {{0, 0x3f'ffff},
                          {area(program), 0x40'0fff},
                          {area(0), 0x40'1fff},  // of no file
                          {area(program), 0x40'4fff},
                          {0, kEndOfAll}}));
    const std::vector<Mapping> expected{{0x40'0000, 0x40'1000, 0x77, "/usr/program", true},
                                        {0x40'2000, 0x40'5000, 0x77, "/usr/program", true}};
    EXPECT_EQ(mappings(), expected);
    EXPECT_EQ(result, u32{RS_OK});
    EXPECT_EQ(request.next, 0u);
    // It is the process that is interrupted.
    current = process;
    EXPECT_EQ(mappings(RS_ANY), expected);
    // From the middle of one on.
    EXPECT_EQ(mappings(7, 0x40'1800).size(), 1u);
    EXPECT_EQ(mappings(7, 0x40'5000).size(), 0u);
    EXPECT_EQ(result, u32{RS_OK});
}

TEST_F(InspectMappings, AreReadFromEveryKindOfNode) {
    const u64 one = file(dentry("one", root), 1);
    const u64 two = file(dentry("two", root), 2);
    // A full leaf has no pivot for its last slot, one that is not full ends with 0.
    const u64 full = node(kLeaf, {{area(one), 0x0fff},
                                  {0, 0x1fff},
                                  {area(one), 0x2fff},
                                  {0, 0x3fff},
                                  {area(one), 0x4fff},
                                  {0, 0x5fff},
                                  {area(one), 0x6fff},
                                  {0, 0x7fff},
                                  {area(one), 0x8fff},
                                  {0, 0x9fff},
                                  {area(one), 0xafff},
                                  {0, 0xbfff},
                                  {area(one), 0xcfff},
                                  {0, 0xdfff},
                                  {area(one), 0xefff},
                                  {area(two), 0}});
    const u64 cut = node(kLeaf, {{0, 0x1'1fff}, {area(two), 0x1'2fff}, {area(two), 0}});
    const u64 rest = node(kLeaf, {{0, 0x7fff'ffff'efff}, {area(one), 0x7fff'ffff'ffff}, {0, 0}});
    const u64 inner = node(kRange, {{full, 0xffff}, {cut, 0x1'3fff}});
    set_tree(node(kGapRange, {{inner, 0x1'3fff}, {rest, kEndOfAll}}));
    const auto all = mappings(7, 0, 0x4000);
    ASSERT_EQ(all.size(), 12u);
    EXPECT_EQ(all[7], (Mapping{0xe000, 0xf000, 1, "/one", true}));
    EXPECT_EQ(all[8], (Mapping{0xf000, 0x1'0000, 2, "/two", true}));
    EXPECT_EQ(all[9], (Mapping{0x1'2000, 0x1'3000, 2, "/two", true}));
    EXPECT_EQ(all[10], (Mapping{0x1'3000, 0x1'4000, 2, "/two", true}));
    EXPECT_EQ(all[11], (Mapping{0x7fff'ffff'f000, 0x8000'0000'0000, 1, "/one", true}));
    // In as many answers as it takes.
    EXPECT_EQ(all_mappings(sizeof(rs_mapping) + RS_MAX_MAPPING_PATH), all);
}

TEST_F(InspectMappings, GoOnWhereThereWasNoRoom) {
    u64 folder = root;
    for (int i = 0; i < 4; ++i)
        folder = dentry(std::string(200, 'd'), folder);
    const u64 program = file(dentry("p", folder), 3);
    set_tree(node(kLeaf, {{area(program), 0xfff}, {area(program), 0x1fff}, {0, kEndOfAll}}));
    EXPECT_EQ(mappings().size(), 1u);
    EXPECT_EQ(request.next, 0x1000u);
    EXPECT_EQ(all_mappings(sizeof(rs_mapping) + RS_MAX_MAPPING_PATH).size(), 2u);
    mappings(7, 0, sizeof(rs_mapping) + RS_MAX_MAPPING_PATH - 8);
    EXPECT_EQ(result, u32{RS_ERR_BAD_IMAGE});
}

TEST_F(InspectMappings, HaveANameWhereThereIsNoPath) {
    // Neither what has no directory, nor a file that is mounted, nor what is not below the mount.
    const u64 memory = file(dentry("memfd:x", 0), 1);
    const u64 mounted = file(root, 2);
    const u64 elsewhere = file(dentry("f", dentry("lost", 0)), 3);
    u64 folder = root;
    for (int i = 0; i < 5; ++i)
        folder = dentry(std::string(255, 'd'), folder);
    const u64 too_long = file(dentry("end", folder), 4);
    folder = root;
    for (int i = 0; i < 80; ++i)
        folder = dentry("d", folder);
    const u64 too_deep = file(dentry("deep", folder), 5);
    set_tree(node(kLeaf, {{area(memory), 0xfff},
                          {area(mounted), 0x1fff},
                          {area(elsewhere), 0x2fff},
                          {area(too_long), 0x3fff},
                          {area(too_deep), 0x4fff},
                          {0, kEndOfAll}}));
    const std::vector<Mapping> expected{{0, 0x1000, 1, "memfd:x", false},
                                        {0x1000, 0x2000, 2, "/", false},
                                        {0x2000, 0x3000, 3, "f", false},
                                        {0x3000, 0x4000, 4, "end", false},
                                        {0x4000, 0x5000, 5, "deep", false}};
    EXPECT_EQ(mappings(7, 0, 0x4000), expected);
    // Folders that are each other's.
    const u64 inner = dentry("a", root);
    const u64 outer = dentry("b", inner);
    set_word(inner + kParent, outer);
    set_tree(node(kLeaf, {{area(file(outer, 6)), 0xfff}, {0, kEndOfAll}}));
    EXPECT_EQ(mappings(), (std::vector<Mapping>{{0, 0x1000, 6, "b", false}}));
}

TEST_F(InspectMappings, AreOfProcessesThatHaveMemory) {
    EXPECT_TRUE(mappings().empty());  // an empty tree
    EXPECT_EQ(result, u32{RS_OK});
    mappings(8);
    EXPECT_EQ(result, u32{RS_ERR_BAD_PID});
    mappings(0);
    EXPECT_EQ(result, u32{RS_ERR_NO_USER_MEMORY});
    add_process(2, "kthreadd");
    mappings(2);
    EXPECT_EQ(result, u32{RS_ERR_NO_USER_MEMORY});
    mappings(RS_ANY);  // the idle task
    EXPECT_EQ(result, u32{RS_ERR_NO_USER_MEMORY});
    // The first thread has ended.
    const u64 program = file(dentry("p", root), 1);
    set_tree(node(kLeaf, {{area(program), 0xfff}, {0, kEndOfAll}}));
    add_thread(process, 9, "t");
    set_word(process + kMm, 0);
    EXPECT_EQ(mappings().size(), 1u);
    request.reserved = 1;
    std::vector<u8> data(0x1000);
    EXPECT_EQ(ask(RS_NR_MAPPINGS, request, data), u32{RS_ERR_BAD_IMAGE});
}

TEST_F(InspectMappings, AreReadFromAList) {
    machine->mappings.has_tree = false;
    const u64 program = file(dentry("p", root), 1);
    const u64 first = area(program, 0x1000, 0x2000);
    const u64 second = area(0, 0x2000, 0x3000);
    const u64 third = area(program, 0x5000, 0x6000);
    set_word(mm + kTree, first);
    set_word(first + kNext, second);
    set_word(second + kNext, third);
    const std::vector<Mapping> expected{{0x1000, 0x2000, 1, "/p", true},
                                        {0x5000, 0x6000, 1, "/p", true}};
    EXPECT_EQ(mappings(), expected);
    EXPECT_EQ(mappings(7, 0x2000).size(), 1u);
    set_word(third + kNext, first);  // round and round
    mappings();
    EXPECT_EQ(result, u32{RS_ERR_BAD_ADDRESS});
    set_word(third + kNext, 0x1234);
    mappings();
    EXPECT_EQ(result, u32{RS_ERR_BAD_ADDRESS});
    set_word(third + kEnd, 0x5000);
    EXPECT_EQ(mappings().size(), 1u);
    EXPECT_EQ(result, u32{RS_ERR_BAD_ADDRESS});
}

TEST_F(InspectMappings, EndInTreesThatDoNot) {
    // A node that leads to itself.
    const u64 inner = node(kRange, {{0, kEndOfAll}});
    set_word((inner & ~u64{0xff}) + 0x80, inner);
    set_tree(inner);
    mappings();
    EXPECT_EQ(result, u32{RS_ERR_BAD_ADDRESS});
    // One that says it was replaced, and never is.
    const u64 dead = node(kLeaf, {{0, kEndOfAll}});
    set_word(dead & ~u64{0xff}, dead & ~u64{0xff});
    set_tree(dead);
    mappings();
    EXPECT_EQ(result, u32{RS_ERR_BAD_ADDRESS});
    // A leaf below itself, with holes: there is always more to come, and always further on.
    const u64 program = file(dentry("p", root), 1);
    const u64 leaf = node(kLeaf, {{area(program), 0}, {0, 1}, {area(program), 2}, {0, 3}});
    set_tree(node(kRange, {{leaf, 7}, {leaf, 0xf}, {leaf, 0x17}, {leaf, kEndOfAll}}));
    u64 next = 0;
    for (int i = 0; i < 100; ++i) {
        mappings(7, next);
        if (request.next == 0)
            break;
        EXPECT_GT(request.next, next);
        next = request.next;
    }
    EXPECT_EQ(request.next, 0u);
}

TEST_F(InspectMappings, HavePivotsInNoOrder) {
    const u64 program = area(file(dentry("p", root), 1));
    set_tree(node(kLeaf, {{program, 0x5000},
                          {program, 0x1000},
                          {program, 0x9000},
                          {program, 0x9000},
                          {program, 0x7000},
                          {0, kEndOfAll}}));
    const auto all = mappings(7, 0, 0x4000);
    EXPECT_EQ(result, u32{RS_OK});
    for (usize i = 0; i < all.size(); ++i)
        EXPECT_LT(all[i].start, all[i].end);
    EXPECT_LT(all.size(), 10u);
}

TEST_F(InspectMappings, FollowNoBadPointer) {
    const u64 good = file(dentry("p", root), 1);
    const u64 bad_addresses[] = {0x1234, kDirectMap + 0xfee0'0000, ~u64{0} - 7, ~u64{0} - 0x1000};
    for (const u64 bad : bad_addresses) {
        SCOPED_TRACE(bad);
        const auto expect_refused = [&] {
            mappings();
            EXPECT_EQ(result, u32{RS_ERR_BAD_ADDRESS});
        };
        const u64 kernel_half = bad | u64{1} << 63;
        set_tree((kernel_half & ~u64{0xff}) | kLeaf << 3);
        expect_refused();
        set_tree(node(kRange, {{bad, kEndOfAll}}));
        expect_refused();
        set_tree(node(kLeaf, {{kernel_half, 0xfff}, {0, kEndOfAll}}));
        expect_refused();
        set_tree(node(kLeaf, {{area(bad), 0xfff}, {0, kEndOfAll}}));
        expect_refused();
        for (const u32 field : {kFileMount, kFileDentry}) {
            const u64 broken = file(dentry("p", root), 1);
            set_word(broken + field, bad);
            set_tree(node(kLeaf, {{area(broken), 0xfff}, {0, kEndOfAll}}));
            expect_refused();
        }
        const u64 name = dentry("p", root);
        set_word(name + kName, bad);
        set_tree(node(kLeaf, {{area(file(name, 1)), 0xfff}, {0, kEndOfAll}}));
        expect_refused();
        // A folder: the name is known.
        set_tree(node(kLeaf, {{area(file(dentry("p", bad), 1)), 0xfff}, {0, kEndOfAll}}));
        EXPECT_EQ(mappings(), (std::vector<Mapping>{{0, 0x1000, 1, "p", false}}));
        set_word(mm + kTree, bad & ~u64{3});  // no node
        EXPECT_TRUE(mappings().empty());
        EXPECT_EQ(result, u32{RS_OK});
        set_word(process + kMm, bad);
        expect_refused();
        set_word(process + kMm, mm);
    }
    // A name longer than any.
    const u64 name = dentry("p", root);
    const u32 length = 0xffff'ffff;
    std::memcpy(host(name + kNameLen), &length, sizeof length);
    set_tree(node(kLeaf, {{area(file(name, 1)), 0xfff}, {0, kEndOfAll}}));
    mappings();
    EXPECT_EQ(result, u32{RS_ERR_BAD_ADDRESS});
    // Kinds of nodes there are none of, and the kernel's own marks instead of a mapping.
    for (u64 type = 0; type < 16; ++type) {
        if (type >= kLeaf && type <= kGapRange)
            continue;
        set_tree((node(kLeaf, {{area(good), 0xfff}, {0, kEndOfAll}}) & ~u64{0x78}) | type << 3);
        mappings();
        EXPECT_EQ(result, u32{RS_ERR_BAD_ADDRESS});
    }
    set_tree(node(kLeaf, {{0x406, 0xfff}, {area(good), 0x1fff}, {0, kEndOfAll}}));
    EXPECT_EQ(mappings().size(), 1u);
}

TEST_F(InspectMappings, ShowNothingOfRootMode) {
    const u64 program = file(dentry("p", root), 1);
    const u64 leaf = node(kLeaf, {{area(program), 0xfff}, {0, kEndOfAll}});
    set_tree(leaf);
    EXPECT_EQ(mappings().size(), 1u);
    own(Hpa{(leaf & ~u64{0xff}) - kDirectMap});
    mappings();
    EXPECT_EQ(result, u32{RS_ERR_BAD_ADDRESS});
}

}  // namespace
}  // namespace ringside::inspect
