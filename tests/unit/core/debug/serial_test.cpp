// SPDX-License-Identifier: GPL-3.0-or-later
// The debug link over a serial port (MOD-4): a PC's UART whose interrupt comes as an NMI, beside
// the guest's own NMIs, and the ways in which it cannot be opened.
#include "../link/uart_model.hpp"
#include "debug/debugger.hpp"
#include "debugger_end.hpp"
#include "support/fake_controllers.hpp"
#include "support/fake_processor.hpp"
#include "x86/instructions.hpp"
#include "x86/msr.hpp"

namespace ringside::debug {
namespace {

using test::FakeControllers;

constexpr u16 kPort = 0x3f8;
constexpr u32 kIrq = 4;
constexpr u64 kMasked = 0x1'0000;
constexpr u64 kBootCore = 0x10;  // the APIC id of core 0 here

struct Serial : testing::Test {
    /// The other end of the line, which is as fast as the port.
    struct Line final : link::ByteStream {
        explicit Line(Serial& owner) : serial{owner} {}
        usize write(const u8* from, usize count) override {
            const std::lock_guard guard{serial.mutex};
            serial.incoming.insert(serial.incoming.end(), from, from + count);
            return count;
        }
        usize read(u8* to, usize count) override {
            const std::lock_guard guard{serial.mutex};
            serial.carry();
            const usize given = std::min(count, serial.uart.sent.size() - serial.heard);
            std::copy_n(serial.uart.sent.begin() + long(serial.heard), given, to);
            serial.heard += given;
            return given;
        }
        Serial& serial;
    };

    Serial() {
        processor.msrs[x86::IA32_APIC_BASE] = 0xfee0'0900;
        processor.on_in = [this](u16 port) {
            const std::lock_guard guard{mutex};
            carry();
            const u8 value = has_uart ? uart.in(port) : u8{0xff};
            carry();
            return value;
        };
        processor.on_out = [this](u16 port, u8 value) {
            const std::lock_guard guard{mutex};
            if (has_uart)
                uart.out(port, value);
            carry();
        };
        processor.on_read_device = [this](u64 offset) {
            return controllers.read_io_apic(0, apic::IoApicRegister(offset));
        };
        processor.on_write_device = [this](u64 offset, u32 value) {
            controllers.write_io_apic(0, apic::IoApicRegister(offset), value);
        };
        controllers.io_apics.resize(1);
    }
    ~Serial() {
        // Those whose threads have ended do not stand while the pin is changed back.
        for (u32 core = 1; machine && core < machine->machine->core_count; ++core) {
            machine->stop();
            machine->vcpu(core).is_virtualized = false;
        }
    }

    void make(u32 cores, u64 ticks_per_ms = test::DebuggedMachine::kTicksPerMs) {
        machine.emplace(cores);
        machine->machine->short_circuit.ticks_per_ms = ticks_per_ms;
        machine->machine->io_apic_count = 1;  // its registers begin at address 0
        auto& setup = machine->get().setup;
        setup.kind = RS_LINK_SERIAL;
        setup.port = kPort;
        setup.irq = kIrq;
        setup.baud = 115200;
    }
    /// Cores that the test has exit by itself.
    void open(u32 cores = 1, u64 ticks_per_ms = test::DebuggedMachine::kTicksPerMs) {
        make(cores, ticks_per_ms);
        if (cores == 1) {
            ASSERT_EQ(machine->open(), u32{RS_OK});
        } else {
            // The others stand while the pin is changed.
            machine->start();
            u32 error = RS_ERR_INTERNAL;
            machine->happen(0, [&] { error = machine->open(); }).wait();
            machine->stop();
            ASSERT_EQ(error, u32{RS_OK});
            for (u32 core = 0; core < cores; ++core)
                machine->vcpu(core).owed_nmi = 0;  // they have come
        }
        debugger.emplace(line);
    }
    void start(u32 cores = 2) {
        open(cores);
        machine->on_round = [this](u32 core) {
            if (core == 0)
                ring();
        };
        machine->start();
    }
    /// The line goes on; the caller has the mutex.
    void carry() {
        uart.transmit(16);
        while (!incoming.empty() && uart.received() < 16) {
            uart.receive(incoming.front());
            incoming.pop_front();
        }
        const bool is_raised = uart.is_interrupt_raised();
        has_edge |= is_raised && !was_raised;
        was_raised = is_raised;
    }
    /// What came over the line interrupts core 0, if its pin says so. @return whether it did
    bool ring() {
        const std::lock_guard guard{mutex};
        carry();
        const bool rings = std::exchange(has_edge, false) && routed();
        if (rings)
            machine->take_nmi(0);
        return rings;
    }
    /// Until neither side has anything to say.
    void converse() {
        for (u32 i = 0; i < 1000 && ring(); ++i)
            machine->exit(vcpu::ExitReason::kNmi);
    }
    bool routed() { return controllers.entry(0, kIrq) == (kBootCore << 56 | 0x400); }
    void say_hello() { debugger->send(RS_PACKET_HELLO, {raw(DebuggerEnd::hello_of())}); }
    u32 guest_nmis(u32 core = 0) {
        u32 count = 0;
        for (const vcpu::PendingEvent& event : machine->backend(core).injected)
            count += event.type == vcpu::EventType::kNmi;
        return count;
    }
    /// Nothing of a link that did not open is left.
    void expect_closed() {
        EXPECT_EQ(machine->machine->has_link, 0u);
        EXPECT_EQ(machine->machine->debugger, nullptr);
        EXPECT_FALSE(machine->get().has_doorbell());
        EXPECT_EQ(machine->vcpu().core_state->halter, nullptr);
        EXPECT_EQ(uart.interrupt_enable(), 0);
    }

    test::FakeProcessor processor;
    FakeControllers controllers;
    std::mutex mutex;
    test::UartModel uart{kPort};
    bool has_uart = true;
    bool was_raised = false;
    bool has_edge = false;
    std::deque<u8> incoming;
    usize heard = 0;
    Line line{*this};
    std::optional<test::DebuggedMachine> machine;
    std::optional<DebuggerEnd> debugger;
};

// ---- opening and closing ----

TEST_F(Serial, IsOpenedAndClosed) {
    open();
    EXPECT_TRUE(routed());
    EXPECT_TRUE(machine->get().has_doorbell());
    EXPECT_EQ(uart.divisor(), 1);
    EXPECT_EQ(uart.line_control(), 3);
    EXPECT_EQ(uart.interrupt_enable(), 1);
    EXPECT_EQ(machine->machine->has_link, 1u);
    machine->get().close(machine->vcpu());
    EXPECT_EQ(controllers.entry(0, kIrq) & kMasked, kMasked);
    expect_closed();
}

TEST_F(Serial, WithoutAUartNothingIsChanged) {
    make(1);
    has_uart = false;
    EXPECT_EQ(machine->open(), u32{RS_ERR_NO_PORT});
    EXPECT_EQ(controllers.entry(0, kIrq) & kMasked, kMasked);
    expect_closed();
    has_uart = true;  // another try
    EXPECT_EQ(machine->open(), u32{RS_OK});
    EXPECT_TRUE(routed());
}

TEST_F(Serial, APortTheKernelUsesIsLeftAlone) {
    make(1);
    controllers.entry(0, kIrq) = 0x34;
    EXPECT_EQ(machine->open(), u32{RS_ERR_PORT_IN_USE});
    EXPECT_EQ(controllers.entry(0, kIrq), 0x34u);
    EXPECT_EQ(uart.accesses, 0);
    expect_closed();
}

TEST_F(Serial, WithoutAnIoApicThePortIsPolled) {
    make(1);
    machine->machine->io_apic_count = 0;
    EXPECT_EQ(machine->open(), u32{RS_OK});
    EXPECT_FALSE(machine->get().has_doorbell());
}

TEST_F(Serial, SharedMemoryThatIsTooSmallIsNone) {
    make(1);
    auto& setup = machine->get().setup;
    setup.kind = RS_LINK_SHARED_MEMORY;
    setup.shared_bytes = 64;
    EXPECT_EQ(machine->open(), u32{RS_ERR_NO_SHARED_MEMORY});
    EXPECT_EQ(uart.accesses, 0);
    EXPECT_EQ(controllers.entry(0, kIrq) & kMasked, kMasked);
    expect_closed();
}

// ---- frames ----

TEST_F(Serial, FramesComeAndGo) {
    start();
    EXPECT_EQ(debugger->introduce().kind, u32{RS_LINK_SERIAL});
    rs_version version = {};
    EXPECT_EQ(debugger->request(RS_NR_VERSION, version), 0u);
    EXPECT_STREQ(version.kernel, "6.1.0-fake");
    for (u32 round = 1; round <= 3; ++round) {
        rs_pause pause = {};
        EXPECT_EQ(debugger->request(RS_NR_PAUSE, pause), 0u);
        EXPECT_EQ(debugger->expect(RS_PACKET_HALT).as<rs_halt>().generation, round);
        rs_registers registers = {};
        EXPECT_EQ(debugger->request(RS_NR_REGISTERS, registers), 0u);
        EXPECT_EQ(debugger->go(), 0u);
    }
    debugger->send(RS_PACKET_BYE);
    debugger->expect(RS_PACKET_BYE);
    machine->stop();
    EXPECT_EQ(guest_nmis(0), 0u);
    EXPECT_EQ(guest_nmis(1), 0u);
    EXPECT_EQ(machine->machine->halt.halts, 3u);
}

TEST_F(Serial, NoiseOnTheLineIsNoFrame) {
    start();
    const std::vector<u8> noise(100, 0xa5);
    (void)line.write(noise.data(), noise.size());
    EXPECT_EQ(debugger->introduce().kind, u32{RS_LINK_SERIAL});
}

// ---- whose NMI ----

TEST_F(Serial, TheLinksNmiIsNotTheGuests) {
    open();
    say_hello();
    converse();
    EXPECT_EQ(guest_nmis(), 0u);
    debugger->expect(RS_PACKET_DEBUGGEE);
    EXPECT_FALSE(uart.is_interrupt_raised());  // or no other edge would come
}

TEST_F(Serial, AnNmiWhileThePortIsSilentIsTheGuests) {
    open();
    machine->take_nmi();
    machine->exit(vcpu::ExitReason::kNmi);
    EXPECT_EQ(guest_nmis(), 1u);
}

/// The bytes were read before their NMI was looked at: it comes for nothing, soon.
TEST_F(Serial, AnNmiForBytesThatWereReadAlreadyIsNotTheGuests) {
    open(1, 10'000'000);
    say_hello();
    EXPECT_TRUE(ring());
    machine->exit(vcpu::ExitReason::kNmi);
    machine->take_nmi();
    machine->exit(vcpu::ExitReason::kNmi);
    EXPECT_EQ(guest_nmis(), 0u);
}

TEST_F(Serial, AnNmiThatComesLaterIsTheGuests) {
    constexpr u64 kTicksPerMs = 5'000'000, kEchoMs = 20;  // some 50 ms
    open(1, kTicksPerMs);
    say_hello();
    converse();
    EXPECT_EQ(guest_nmis(), 0u);
    const u64 start = x86::read_tsc();
    while (x86::read_tsc() - start < kEchoMs * kTicksPerMs)
        std::this_thread::yield();
    machine->take_nmi();
    machine->exit(vcpu::ExitReason::kNmi);
    EXPECT_EQ(guest_nmis(), 1u);
}

/// The port interrupts one core: another one's NMI is the guest's whatever the port has to say.
TEST_F(Serial, AnotherCoresNmiIsTheGuests) {
    open(2, 10'000'000);
    say_hello();
    machine->take_nmi(1);
    machine->exit(vcpu::ExitReason::kNmi, 1);
    EXPECT_EQ(guest_nmis(1), 1u);
    EXPECT_EQ(uart.received(), 0u);  // it was served on the way
    converse();
    EXPECT_EQ(guest_nmis(0), 0u);
    debugger->expect(RS_PACKET_DEBUGGEE);
}

/// Without a doorbell no NMI is the link's.
TEST_F(Serial, OfAPolledPortNoNmiIsTheLinks) {
    make(1);
    machine->machine->io_apic_count = 0;
    ASSERT_EQ(machine->open(), u32{RS_OK});
    debugger.emplace(line);
    say_hello();
    machine->take_nmi();
    machine->exit(vcpu::ExitReason::kNmi);
    EXPECT_EQ(guest_nmis(), 1u);
    EXPECT_FALSE(ring());
    for (u32 tick = 0; tick < 100; ++tick)
        (void)machine->get().tend(machine->vcpu(), true);
    debugger->expect(RS_PACKET_DEBUGGEE);
}

TEST_F(Serial, AnOwedNmiIsNobodysWithALinkToo) {
    open();
    machine->vcpu().owed_nmi = 1;
    machine->take_nmi();
    machine->exit(vcpu::ExitReason::kNmi);
    EXPECT_EQ(guest_nmis(), 0u);
    EXPECT_EQ(machine->vcpu().owed_nmi, 0u);
}

TEST_F(Serial, OnceTheLinkIsLetGoNmisAreTheGuestsAgain) {
    open();
    say_hello();
    converse();
    machine->get().close(machine->vcpu());
    say_hello();
    EXPECT_FALSE(ring());
    machine->take_nmi();
    machine->exit(vcpu::ExitReason::kNmi);
    EXPECT_EQ(guest_nmis(), 1u);
}

}  // namespace
}  // namespace ringside::debug
