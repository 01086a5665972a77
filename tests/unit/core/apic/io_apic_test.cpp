// SPDX-License-Identifier: GPL-3.0-or-later
// Redirection entries, with the guest between its two accesses: the index it wrote is there again.
#include "apic/io_apic.hpp"

#include <gtest/gtest.h>

#include "support/fake_controllers.hpp"

namespace ringside::apic {
namespace {

using test::FakeControllers;

struct Machine : FakeControllers {
    explicit Machine(u32 version) {
        io_apics.resize(2);
        for (IoApic& io : io_apics) {
            io.version = version;
            io.index = 0x2b;
        }
        route(0, 10, 0x45);
        route(0, 11, 0x46);
        route(1, 3, 0x45);
        assert_line(1, 3);
    }
    ~Machine() override {
        for (const IoApic& io : io_apics)
            EXPECT_EQ(io.index, 0x2bu);
    }
};

TEST(IoApic, IsReadWhole) {
    Machine machine{0x20};
    machine.io_apics[1].id = 0x0200'0000;
    u64 entries[30] = {};
    const Contents contents = read_contents(machine, 1, entries);
    EXPECT_EQ(contents.id, 0x0200'0000u);
    EXPECT_EQ(contents.version, 0x0017'0020u);  // 24 pins
    EXPECT_EQ(entries[3], machine.entry(1, 3));
    EXPECT_EQ(entries[0], 0x1'0000u);
    EXPECT_EQ(entries[23], 0x1'0000u);
    EXPECT_EQ(entries[24], 0u);
    u64 few[2] = {};
    read_contents(machine, 1, few);  // no more than there is room for
}

TEST(IoApic, FindsWhatIsInServiceWithTheVector) {
    Machine machine{0x20};
    const Pins pins = find_in_service(machine, 0x45);
    ASSERT_EQ(pins.count, 1u);
    EXPECT_EQ(pins.pins[0].io_apic, 1);
    EXPECT_EQ(pins.pins[0].number, 3);
    EXPECT_EQ(find_in_service(machine, 0x46).count, 0u);
}

TEST(IoApic, ARemappedEntryDoesNotTellItsVector) {
    Machine machine{0x20};
    machine.entry(0, 12) = u64{1} << 48 | FakeControllers::kLevelEntry | 12;
    machine.assert_line(0, 12);
    EXPECT_EQ(find_in_service(machine, 12 + 0x20).count, 1u);
    EXPECT_TRUE(read_traits(machine).are_remapped);
}

TEST(IoApic, MasksAndLetsGo) {
    Machine machine{0x11};
    const Pins masked = mask(machine, find_in_service(machine, 0x45));
    ASSERT_EQ(masked.count, 1u);
    EXPECT_TRUE(machine.is_masked(1, 3));
    EXPECT_FALSE(machine.is_masked(0, 10));
    unmask(machine, masked);
    EXPECT_FALSE(machine.is_masked(1, 3));
}

TEST(IoApic, DoesNotMaskTwice) {
    Machine machine{0x11};
    mask(machine, find_in_service(machine, 0x45));
    EXPECT_EQ(mask(machine, find_in_service(machine, 0x45)).count, 0u);
}

TEST(IoApic, LeavesAnEntryTheGuestHasChanged) {
    Machine machine{0x11};
    const Pins masked = mask(machine, find_in_service(machine, 0x45));
    machine.entry(1, 3) = 1 << 16 | FakeControllers::kLevelEntry | 0x51;
    unmask(machine, masked);
    EXPECT_TRUE(machine.is_masked(1, 3));
}

TEST(IoApic, EndsByTheEoiRegister) {
    Machine machine{0x20};
    const Pins pins = find_in_service(machine, 0x45);
    machine.io_apics[1].pins[3].is_asserted = false;
    end(machine, pins);
    EXPECT_FALSE(machine.has_remote_irr(1, 3));
    EXPECT_EQ(machine.register_eois, std::vector<u8>{0x45});
}

TEST(IoApic, EndsByTriggerModeWithoutAnEoiRegister) {
    Machine machine{0x11};
    const u64 before = machine.entry(1, 3) & ~(u64{1} << 14);
    const Pins pins = find_in_service(machine, 0x45);
    machine.io_apics[1].pins[3].is_asserted = false;
    end(machine, pins);
    EXPECT_EQ(machine.entry(1, 3), before);  // remote IRR is gone, the rest as it was
    EXPECT_TRUE(machine.register_eois.empty());
}

TEST(IoApic, ALineStillAssertedFiresAgainBehindTheEnd) {
    Machine machine{0x11};
    machine.requested.clear();
    end(machine, find_in_service(machine, 0x45));
    EXPECT_TRUE(machine.has_remote_irr(1, 3));
    EXPECT_EQ(machine.requested.count(0x45), 1u);
}

TEST(IoApic, EoiRegistersNeedVersion20Everywhere) {
    Machine machine{0x20};
    EXPECT_TRUE(read_traits(machine).have_eoi_registers);
    EXPECT_FALSE(read_traits(machine).are_remapped);
    machine.io_apics[1].version = 0x11;
    EXPECT_FALSE(read_traits(machine).have_eoi_registers);
}

}  // namespace
}  // namespace ringside::apic
