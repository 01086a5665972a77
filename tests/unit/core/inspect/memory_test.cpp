// SPDX-License-Identifier: GPL-3.0-or-later
#include "support/inspected_machine.hpp"

namespace ringside::inspect {
namespace {

class InspectMemory : public test::InspectedMachine {
protected:
    InspectMemory() { guest.map(kSecond).map(kFirst); }

    static rs_mem header(u32 operation, u64 address, u64 length) {
        rs_mem request{};
        request.operation = operation;
        request.address = address;
        request.length = length;
        request.process_id = RS_ANY;
        return request;
    }
    u32 read(rs_mem& request) {
        data.resize(request.length);
        return ask(RS_NR_MEM, request, data);
    }
    /// Addresses of hits.
    std::vector<u64> search(rs_mem& request, const std::string& pattern, usize room = 64) {
        data.assign(std::max(pattern.size(), room), 0);
        std::copy(pattern.begin(), pattern.end(), data.begin());
        request.pattern_len = u32(pattern.size());
        request.unit = request.unit ? request.unit : 1;
        result = ask(RS_NR_MEM, request, data);
        std::vector<u64> hits(request.hit_count);
        for (usize i = 0; i < hits.size(); ++i)
            std::memcpy(&hits[i], data.data() + i * sizeof(u64), sizeof(u64));
        return hits;
    }
    void put(Gva at, const std::string& text) {
        for (char character : text) {
            *guest.at(at) = u8(character);
            at = at + 1;
        }
    }
    std::string text() const { return {data.begin(), data.end()}; }

    std::vector<u8> data;
    u32 result = 0;
};

TEST_F(InspectMemory, ReadsAcrossPages) {
    put(kSecond + (0 - u64{3}), "abcdef");
    rs_mem request = header(RS_MEM_READ, kSecond.value() - 3, 6);
    EXPECT_EQ(read(request), u32{RS_OK});
    EXPECT_EQ(text(), "abcdef");
    EXPECT_EQ(request.done, 6u);
}

TEST_F(InspectMemory, SaysWhichPageIsMissingAtWhichLevel) {
    put(kSecond + 0xffd, "xyz");
    guest.entry(kSecond + 0x1000, 1) = 0x1234'5000;  // not present
    rs_mem request = header(RS_MEM_READ, kSecond.value() + 0xffd, 8);
    EXPECT_EQ(read(request), u32{RS_ERR_BAD_ADDRESS});
    EXPECT_EQ(request.done, 3u);
    EXPECT_EQ(text().substr(0, 3), "xyz");
    EXPECT_EQ(request.failed_address, kSecond.value() + 0x1000);
    EXPECT_EQ(request.failed_level, 1u);
    EXPECT_EQ(request.failed_entry, 0x1234'5000u);

    request = header(RS_MEM_READ, 0xffff'c980'0000'0000, 1);  // nothing in the top level
    EXPECT_EQ(read(request), u32{RS_ERR_BAD_ADDRESS});
    EXPECT_EQ(request.failed_level, 4u);
    EXPECT_EQ(request.failed_entry, 0u);
    EXPECT_EQ(request.done, 0u);
}

TEST_F(InspectMemory, SaysOfANonCanonicalAddressThatTheTopIsMissing) {
    rs_mem request = header(RS_MEM_READ, 0x0000'8000'0000'0000, 1);
    EXPECT_EQ(read(request), u32{RS_ERR_BAD_ADDRESS});
    EXPECT_EQ(request.failed_level, 4u);
    EXPECT_EQ(request.failed_address, 0x0000'8000'0000'0000u);
}

TEST_F(InspectMemory, ReadsUpToTheHighestByteAndNotAround) {
    const Gva last{0xffff'ffff'ffff'f000};
    guest.map(last).map(Gva{0});
    rs_mem request = header(RS_MEM_READ, last.value() + 0xffc, 8);
    EXPECT_EQ(read(request), u32{RS_ERR_BAD_ADDRESS});
    EXPECT_EQ(request.done, 4u);
    EXPECT_EQ(request.failed_address, 0u);
}

TEST_F(InspectMemory, ReachesNeitherDevicesNorRootMode) {
    guest.map(kSecond, Hpa{0xfee0'0000}, test::kKernelData);
    own(guest.physical(kFirst));
    for (const Gva at : {kFirst, kSecond}) {
        for (const u32 operation : {RS_MEM_READ, RS_MEM_WRITE}) {
            rs_mem request = header(operation, at.value(), 4);
            EXPECT_EQ(read(request), u32{RS_ERR_BAD_ADDRESS});
            EXPECT_EQ(request.failed_level, 0u);
            EXPECT_EQ(request.failed_entry, guest.entry(at, 1));
        }
    }
    for (const u64 physical : {guest.physical(kFirst).value(), u64{0xfee0'0000}, u64{0}}) {
        rs_mem request = header(RS_MEM_READ, physical, 4);
        request.flags = RS_MEMF_PHYSICAL;
        EXPECT_EQ(read(request), u32{RS_ERR_BAD_ADDRESS}) << physical;
    }
}

TEST_F(InspectMemory, TellsNothingOfATableThatIsRootModes) {
    own(machine->window.address_of(&guest.entry(kFirst, 1)));
    rs_mem request = header(RS_MEM_READ, kFirst.value(), 4);
    EXPECT_EQ(read(request), u32{RS_ERR_BAD_ADDRESS});
    EXPECT_EQ(request.failed_level, 2u);
    EXPECT_EQ(request.failed_entry, guest.entry(kFirst, 2));
}

TEST_F(InspectMemory, CopiesPhysicalMemory) {
    rs_mem request = header(RS_MEM_WRITE, guest.physical(kFirst).value() + 8, 4);
    request.flags = RS_MEMF_PHYSICAL;
    request.process_id = 4711;  // means nothing
    data = {'w', 'x', 'y', 'z'};
    EXPECT_EQ(ask(RS_NR_MEM, request, data), u32{RS_OK});
    EXPECT_EQ(*guest.at(kFirst + 11), 'z');
    request = header(RS_MEM_READ, guest.ram_end() - 2, 4);
    request.flags = RS_MEMF_PHYSICAL;
    EXPECT_EQ(read(request), u32{RS_ERR_BAD_ADDRESS});
    EXPECT_EQ(request.done, 2u);
    EXPECT_EQ(request.failed_address, guest.ram_end());
}

TEST_F(InspectMemory, WritesAllOrNothing) {
    rs_mem request = header(RS_MEM_WRITE, kSecond.value() - 2, 4);
    data = {'a', 'b', 'c', 'd'};
    EXPECT_EQ(ask(RS_NR_MEM, request, data), u32{RS_OK});
    EXPECT_EQ(request.done, 4u);
    EXPECT_EQ(*guest.at(kSecond + 1), 'd');
    EXPECT_EQ(guest.entry(kFirst, 1) & 0x60, 0x60u);  // accessed, dirty

    guest.map(kSecond, test::kReadOnly);
    request = header(RS_MEM_WRITE, kSecond.value() - 2, 4);
    data = {'1', '2', '3', '4'};
    EXPECT_EQ(ask(RS_NR_MEM, request, data), u32{RS_ERR_BAD_ADDRESS});
    EXPECT_EQ(request.done, 0u);
    EXPECT_EQ(request.failed_address, kSecond.value());
    EXPECT_EQ(request.failed_level, 0u);
    EXPECT_EQ(*guest.at(kSecond + (0 - u64{2})), 'a');
}

TEST_F(InspectMemory, WritesTheLargestPieceFromAnyByteOn) {
    const Gva first{0xffff'c910'0000'0000};
    for (u64 page = 0; page <= RS_MAX_MEM_BYTES; page += kPageSize)
        guest.map(first + page);
    rs_mem request = header(RS_MEM_WRITE, first.value() + 0xfff, RS_MAX_MEM_BYTES);
    data.assign(RS_MAX_MEM_BYTES, 0x5a);
    EXPECT_EQ(ask(RS_NR_MEM, request, data), u32{RS_OK});
    EXPECT_EQ(*guest.at(first + 0xffe), 0);
    EXPECT_EQ(*guest.at(first + 0xfff), 0x5a);
    EXPECT_EQ(*guest.at(first + (0xffe + RS_MAX_MEM_BYTES)), 0x5a);
    EXPECT_EQ(*guest.at(first + (0xfff + RS_MAX_MEM_BYTES)), 0);
}

TEST_F(InspectMemory, FindsPatternsAlsoAcrossPages) {
    put(kFirst + 0x10, "needle");
    put(kSecond + (0 - u64{3}), "needle");
    put(kSecond + 0x800, "needle");
    rs_mem request = header(RS_MEM_SEARCH, kFirst.value(), 0x2000);
    const std::vector<u64> all{kFirst.value() + 0x10, kSecond.value() - 3, kSecond.value() + 0x800};
    EXPECT_EQ(search(request, "needle"), all);
    EXPECT_EQ(result, u32{RS_OK});
    EXPECT_EQ(request.done, 0x2000u);
    request = header(RS_MEM_SEARCH, kFirst.value(), 0x2000);
    request.unit = 4;  // only two of them lie on one
    EXPECT_EQ(search(request, "needle").size(), 2u);
    request = header(RS_MEM_SEARCH, kFirst.value() + 1, 0x1fff);
    request.unit = 4;  // counted from the address on
    EXPECT_EQ(search(request, "needle").size(), 1u);
}

TEST_F(InspectMemory, FindsNothingThatReachesBehindTheEnd) {
    put(kFirst + 0x10, "needle");
    rs_mem request = header(RS_MEM_SEARCH, kFirst.value(), 0x15);
    EXPECT_TRUE(search(request, "needle").empty());
    request = header(RS_MEM_SEARCH, kFirst.value(), 0x16);
    EXPECT_EQ(search(request, "needle").size(), 1u);
    request = header(RS_MEM_SEARCH, kFirst.value(), 0);
    EXPECT_TRUE(search(request, "needle").empty());
    EXPECT_EQ(result, u32{RS_OK});
}

TEST_F(InspectMemory, StopsASearchAtAMissingPageWithWhatItFoundBefore) {
    put(kFirst + 0x10, "aa");
    put(kSecond + 0xfff, "a");
    rs_mem request = header(RS_MEM_SEARCH, kFirst.value(), 0x3000);
    EXPECT_EQ(search(request, "aa"), std::vector<u64>{kFirst.value() + 0x10});
    EXPECT_EQ(result, u32{RS_ERR_BAD_ADDRESS});
    EXPECT_EQ(request.done, 0x2000u);
    EXPECT_EQ(request.failed_address, kFirst.value() + 0x2000);
}

TEST_F(InspectMemory, SaysWhereToGoOnWhenThereIsNoRoomForHits) {
    put(kFirst, "ababababab");
    rs_mem request = header(RS_MEM_SEARCH, kFirst.value(), 0x1000);
    EXPECT_EQ(search(request, "ab", 16), (std::vector<u64>{kFirst.value(), kFirst.value() + 2}));
    EXPECT_EQ(request.done, 4u);
    EXPECT_EQ(result, u32{RS_OK});
}

TEST_F(InspectMemory, TakesAnotherProcessesTables) {
    const Hpa table = guest.take_page();
    add_process(77, "other", table);
    add_process(78, "kernel thread");
    // The process's table leads to the user page of ours.
    guest.map(kUser, test::kUserData);
    std::memcpy(guest.host(table), &guest.entry(kUser, 4), 8);
    put(kUser, "mine");
    rs_mem request = header(RS_MEM_READ, kUser.value(), 4);
    request.process_id = 77;
    EXPECT_EQ(read(request), u32{RS_OK});
    EXPECT_EQ(text(), "mine");

    // Kernel addresses by the kernel's tables.
    put(kFirst, "kern");
    request = header(RS_MEM_READ, kFirst.value(), 4);
    request.process_id = 77;
    EXPECT_EQ(read(request), u32{RS_OK});
    EXPECT_EQ(text(), "kern");

    request = header(RS_MEM_READ, kUser.value(), 4);
    request.process_id = 78;
    EXPECT_EQ(read(request), u32{RS_ERR_BAD_ADDRESS});
    EXPECT_EQ(request.failed_level, 4u);

    request = header(RS_MEM_READ, kUser.value(), 4);
    request.process_id = 79;
    EXPECT_EQ(read(request), u32{RS_ERR_BAD_PID});
}

TEST_F(InspectMemory, RefusesWhatIsMalformed) {
    const auto refuses = [&](auto change) {
        rs_mem request = header(RS_MEM_READ, kFirst.value(), 8);
        request.unit = 1;
        request.pattern_len = 1;
        data.assign(16, 0);
        change(request);
        return ask(RS_NR_MEM, request, data) == RS_ERR_BAD_IMAGE;
    };
    EXPECT_TRUE(refuses([](rs_mem& r) { r.operation = 3; }));
    EXPECT_TRUE(refuses([](rs_mem& r) { r.flags = 2; }));
    EXPECT_TRUE(refuses([](rs_mem& r) { r.reserved = 1; }));
    EXPECT_TRUE(refuses([](rs_mem& r) { r.length = 17; }));
    EXPECT_TRUE(refuses([](rs_mem& r) { r.length = ~u64{0}; }));
    const auto searches = [&](auto change) {
        return refuses([&](rs_mem& r) {
            r.operation = RS_MEM_SEARCH;
            change(r);
        });
    };
    EXPECT_FALSE(searches([](rs_mem&) {}));
    EXPECT_TRUE(searches([](rs_mem& r) { r.unit = 0; }));
    EXPECT_TRUE(searches([](rs_mem& r) { r.unit = 2; }));
    EXPECT_TRUE(searches([](rs_mem& r) { r.pattern_len = 0; }));
    EXPECT_TRUE(searches([](rs_mem& r) { r.pattern_len = 17; }));
    EXPECT_TRUE(searches([](rs_mem& r) { r.length = RS_MAX_MEM_SEARCH + 1; }));
}

}  // namespace
}  // namespace ringside::inspect
