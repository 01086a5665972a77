// SPDX-License-Identifier: GPL-3.0-or-later
#include "link/uart.hpp"

#include <gtest/gtest.h>

#include "link/frame_queue.hpp"
#include "link/frame_receiver.hpp"
#include "unit/core/link/frames.hpp"
#include "unit/core/link/uart_model.hpp"

namespace ringside::link {
namespace {

using test::UartModel;
constexpr u16 kCom1 = 0x3f8;

TEST(BaudRate, IsOneOfTheSpecification) {
    for (const u32 baud : {110, 300, 600, 1200, 2400, 4800, 9600, 14400, 19200, 38400, 56000, 57600,
                           115200, 128000, 256000})
        EXPECT_TRUE(is_baud_rate(baud)) << baud;
    for (const u32 baud : {0u, 1u, 109u, 111u, 115201u, 230400u, 921600u, 0xffffffffu})
        EXPECT_FALSE(is_baud_rate(baud)) << baud;
    static_assert(is_baud_rate(115200));
}

TEST(BaudRate, HasTheDivisorOfTheDataSheet) {
    // PC16550D §8.3, table III, for the crystal of 1.8432 MHz.
    EXPECT_EQ(baud_divisor(110), 1047u);
    EXPECT_EQ(baud_divisor(300), 384u);
    EXPECT_EQ(baud_divisor(600), 192u);
    EXPECT_EQ(baud_divisor(1200), 96u);
    EXPECT_EQ(baud_divisor(2400), 48u);
    EXPECT_EQ(baud_divisor(4800), 24u);
    EXPECT_EQ(baud_divisor(9600), 12u);
    EXPECT_EQ(baud_divisor(14400), 8u);
    EXPECT_EQ(baud_divisor(19200), 6u);
    EXPECT_EQ(baud_divisor(38400), 3u);
    EXPECT_EQ(baud_divisor(56000), 2u);
    EXPECT_EQ(baud_divisor(57600), 2u);
    EXPECT_EQ(baud_divisor(115200), 1u);
    EXPECT_EQ(baud_divisor(128000), 1u);
    EXPECT_EQ(baud_divisor(256000), 1u);
}

TEST(Uart, SetsThePortUp) {
    UartModel port{kCom1};
    port.receive(1);
    Uart uart;
    ASSERT_TRUE(uart.open(port, kCom1, 110));
    EXPECT_TRUE(uart.is_open());
    EXPECT_EQ(port.divisor(), 1047u);
    EXPECT_EQ(port.line_control(), 0x03) << "8 bits, no parity, 1 stop bit";
    EXPECT_EQ(port.modem_control(), 0x0b) << "DTR, RTS, OUT2";
    EXPECT_EQ(port.interrupt_enable(), 0x01) << "received data";
    EXPECT_EQ(port.fifo_control() & 0xc9, 0x01) << "on, trigger level 1";
    EXPECT_EQ(port.scratch(), 0x77) << "as it was";
    EXPECT_EQ(port.received(), 0u);
    EXPECT_EQ(port.accesses_with_divisor, 0);
    u8 byte = 0;
    EXPECT_EQ(uart.read(&byte, 1), 0u) << "what came before is dropped";
    uart.close();
    EXPECT_FALSE(uart.is_open());
    EXPECT_EQ(port.interrupt_enable(), 0x00);
    EXPECT_EQ(port.modem_control() & 0x08, 0x00);
    const int accesses = port.accesses;
    uart.close();
    EXPECT_EQ(uart.read(&byte, 1), 0u);
    EXPECT_EQ(uart.write(&byte, 1), 0u);
    EXPECT_FALSE(uart.take_interrupt());
    uart.want_transmit_interrupt(true);
    EXPECT_EQ(port.accesses, accesses) << "a closed port is left alone";
}

TEST(Uart, DrainsAPortWithoutFifos) {
    UartModel port{kCom1, UartModel::Kind::k16450};
    port.receive(1);
    Uart uart;
    ASSERT_TRUE(uart.open(port, kCom1, 9600));
    EXPECT_EQ(port.received(), 0u);
    const Bytes bytes = {1, 2, 3};
    EXPECT_EQ(uart.write(bytes.data(), 3), 1u) << "one byte is all it holds";
    EXPECT_EQ(uart.write(bytes.data() + 1, 2), 0u);
    port.transmit(1);
    EXPECT_EQ(uart.write(bytes.data() + 1, 2), 1u);
}

TEST(Uart, IsNotThereOnAnEmptyBus) {
    UartModel port{kCom1};
    Uart uart;
    EXPECT_FALSE(uart.open(port, 0x2f8, 115200));
    EXPECT_FALSE(uart.is_open());
}

TEST(Uart, IsNotMemoryThatKeepsWhatIsWritten) {
    struct Latches final : PortIo {
        u8 values[8] = {0, 0, 0xff, 0, 0, 0, 0, 0};
        u8 in(u16 port) override { return values[port & 7]; }
        void out(u16 port, u8 value) override { values[port & 7] = value; }
    } latches;
    Uart uart;
    EXPECT_FALSE(uart.open(latches, kCom1, 115200));
    // A bus that keeps the last value for whoever reads next.
    struct Capacitor final : PortIo {
        u8 value = 0;
        u8 in(u16) override { return std::exchange(value, u8{0xff}); }
        void out(u16, u8 to) override { value = to; }
    } capacitor;
    EXPECT_FALSE(uart.open(capacitor, kCom1, 115200));
}

TEST(Uart, RefusesOtherBaudRates) {
    UartModel port{kCom1};
    Uart uart;
    EXPECT_FALSE(uart.open(port, kCom1, 0));
    EXPECT_FALSE(uart.open(port, kCom1, 230400));
    EXPECT_EQ(port.accesses, 0);
}

TEST(Uart, FillsTheFifoWhenItIsEmpty) {
    UartModel port{kCom1};
    Uart uart;
    ASSERT_TRUE(uart.open(port, kCom1, 115200));
    Bytes bytes(40);
    for (usize i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<u8>(i);
    EXPECT_EQ(uart.write(bytes.data(), 40), 16u);
    EXPECT_EQ(uart.write(bytes.data() + 16, 24), 0u);
    port.transmit(15);
    EXPECT_EQ(uart.write(bytes.data() + 16, 24), 0u);
    port.transmit(1);
    EXPECT_EQ(uart.write(bytes.data() + 16, 24), 16u);
    port.transmit(16);
    EXPECT_EQ(uart.write(bytes.data() + 32, 8), 8u);
    port.transmit(16);
    EXPECT_EQ(port.sent, bytes);
    EXPECT_EQ(uart.write(bytes.data(), 0), 0u);
}

TEST(Uart, ReadsWhatHasCome) {
    UartModel port{kCom1};
    Uart uart;
    ASSERT_TRUE(uart.open(port, kCom1, 115200));
    for (u8 byte = 10; byte < 20; ++byte)
        port.receive(byte);
    u8 bytes[16] = {};
    EXPECT_EQ(uart.read(bytes, 4), 4u);
    EXPECT_EQ(bytes[0], 10);
    EXPECT_EQ(bytes[3], 13);
    EXPECT_EQ(uart.read(bytes, 16), 6u);
    EXPECT_EQ(bytes[5], 19);
    EXPECT_EQ(uart.read(bytes, 16), 0u);
    EXPECT_EQ(uart.line_errors(), 0u);
}

TEST(Uart, CountsWhatTheLineDamaged) {
    UartModel port{kCom1};
    Uart uart;
    ASSERT_TRUE(uart.open(port, kCom1, 115200));
    for (int i = 0; i < 17; ++i)  // one more than fits
        port.receive(1);
    u8 bytes[32];
    EXPECT_EQ(uart.read(bytes, 32), 16u);
    EXPECT_EQ(uart.line_errors(), 1u);
    port.receive(0, 0x18);  // framing error and break
    EXPECT_EQ(uart.read(bytes, 32), 1u);
    EXPECT_EQ(uart.line_errors(), 2u);
}

TEST(Uart, ThatIsPulledOutGivesAndTakesNothing) {
    UartModel port{kCom1};
    struct Cable final : PortIo {
        PortIo* to = nullptr;
        u8 in(u16 number) override { return to ? to->in(number) : 0xff; }
        void out(u16 number, u8 value) override {
            if (to)
                to->out(number, value);
        }
    } cable;
    cable.to = &port;
    Uart uart;
    ASSERT_TRUE(uart.open(cable, kCom1, 115200));
    cable.to = nullptr;
    u8 bytes[100] = {};
    EXPECT_EQ(uart.read(bytes, sizeof bytes), 0u);
    EXPECT_EQ(uart.write(bytes, sizeof bytes), 0u);
    EXPECT_FALSE(uart.take_interrupt());
}

TEST(Uart, RaisesAnInterruptForReceivedBytesUntilTheyAreRead) {
    UartModel port{kCom1};
    Uart uart;
    ASSERT_TRUE(uart.open(port, kCom1, 115200));
    EXPECT_FALSE(port.is_interrupt_raised());
    EXPECT_FALSE(uart.take_interrupt());
    port.receive(1);
    EXPECT_TRUE(port.is_interrupt_raised());
    EXPECT_TRUE(uart.take_interrupt());
    EXPECT_TRUE(port.is_interrupt_raised()) << "nobody has read the byte yet";
    u8 byte = 0;
    EXPECT_EQ(uart.read(&byte, 1), 1u);
    EXPECT_FALSE(uart.take_interrupt());
    EXPECT_FALSE(port.is_interrupt_raised());
}

TEST(Uart, RaisesAnInterruptWhenTheTransmitterIsEmptyIfAsked) {
    UartModel port{kCom1};
    Uart uart;
    ASSERT_TRUE(uart.open(port, kCom1, 115200));
    const u8 bytes[20] = {};
    EXPECT_EQ(uart.write(bytes, 20), 16u);
    port.transmit(16);
    EXPECT_FALSE(port.is_interrupt_raised()) << "nobody asked";
    uart.want_transmit_interrupt(true);
    EXPECT_EQ(port.interrupt_enable(), 0x03);
    EXPECT_TRUE(port.is_interrupt_raised()) << "it is empty already";
    EXPECT_TRUE(uart.take_interrupt());
    EXPECT_FALSE(port.is_interrupt_raised());
    EXPECT_EQ(uart.write(bytes, 4), 4u);
    EXPECT_FALSE(port.is_interrupt_raised());
    port.transmit(4);
    EXPECT_TRUE(port.is_interrupt_raised());
    const int accesses = port.accesses;
    uart.want_transmit_interrupt(true);
    EXPECT_EQ(port.accesses, accesses) << "as it is already";
    uart.want_transmit_interrupt(false);
    EXPECT_EQ(port.interrupt_enable(), 0x01);
    EXPECT_FALSE(port.is_interrupt_raised());
}

TEST(Uart, RaisesAnInterruptForEightBytesOrFewerThatWait) {
    UartModel port{kCom1};
    Uart uart;
    ASSERT_TRUE(uart.open(port, kCom1, 115200, ReceiveTrigger::kEightBytes));
    for (u8 byte = 1; byte < 8; ++byte)
        port.receive(byte);
    EXPECT_FALSE(port.is_interrupt_raised());
    port.receive(8);
    EXPECT_TRUE(port.is_interrupt_raised());
    EXPECT_TRUE(uart.take_interrupt());
    u8 bytes[16] = {};
    EXPECT_EQ(uart.read(bytes, sizeof bytes), 8u);
    EXPECT_FALSE(uart.take_interrupt());
    port.receive(9);
    EXPECT_FALSE(port.is_interrupt_raised());
    port.pass_four_bytes();
    EXPECT_TRUE(port.is_interrupt_raised());
    EXPECT_TRUE(uart.take_interrupt());
    EXPECT_EQ(uart.read(bytes, sizeof bytes), 1u);
    EXPECT_EQ(bytes[0], 9);
    EXPECT_FALSE(uart.take_interrupt());
    EXPECT_FALSE(port.is_interrupt_raised());
}

TEST(Uart, KeepsItsInterruptsBackWhileItIsMuted) {
    UartModel port{kCom1};
    Uart uart;
    uart.mute(true);  // of a closed one: nothing
    ASSERT_TRUE(uart.open(port, kCom1, 115200));
    uart.mute(true);
    port.receive(1);
    EXPECT_FALSE(port.is_interrupt_raised());
    uart.want_transmit_interrupt(true);
    EXPECT_FALSE(port.is_interrupt_raised());
    uart.mute(false);
    EXPECT_TRUE(port.is_interrupt_raised());
    u8 byte = 0;
    EXPECT_EQ(uart.read(&byte, 1), 1u);
    uart.want_transmit_interrupt(false);
    EXPECT_FALSE(port.is_interrupt_raised());
    uart.mute(true);
    ASSERT_TRUE(uart.open(port, kCom1, 115200));  // anew: it is not any more
    port.receive(1);
    EXPECT_TRUE(port.is_interrupt_raised());
}

TEST(Uart, GivesUpOnAnInterruptThatNeverEnds) {
    struct Stuck final : PortIo {
        int accesses = 0;
        bool is_stuck = false;
        UartModel port{kCom1};
        u8 in(u16 number) override {
            ++accesses;
            return is_stuck && number == kCom1 + 2 ? u8{0xc6} : port.in(number);
        }
        void out(u16 number, u8 value) override { port.out(number, value); }
    } stuck;
    Uart uart;
    ASSERT_TRUE(uart.open(stuck, kCom1, 115200));
    stuck.is_stuck = true;
    stuck.accesses = 0;
    EXPECT_TRUE(uart.take_interrupt());
    EXPECT_LT(stuck.accesses, 100);
}

TEST(Uart, CarriesFramesBothWays) {
    UartModel here_port{kCom1};
    UartModel there_port{kCom1};
    Uart here;
    Uart there;
    ASSERT_TRUE(here.open(here_port, kCom1, 115200));
    ASSERT_TRUE(there.open(there_port, kCom1, 115200));
    Bytes queue_buffer(4096);
    FrameQueue queue{queue_buffer};
    Bytes receiver_buffer(4096);
    FrameReceiver receiver{receiver_buffer};
    Random random{20};
    const Bytes payload = noise(random, 1000);
    ASSERT_TRUE(queue.push(RS_PACKET_MESSAGES, {payload}));
    ASSERT_TRUE(queue.push(RS_PACKET_BYE));
    here.want_transmit_interrupt(true);
    std::vector<u8> types;
    for (int step = 0; step < 1000 && types.size() < 2; ++step) {
        if (here_port.is_interrupt_raised() && here.take_interrupt())
            queue.pump(here);
        here_port.transmit(16);
        for (const u8 byte : std::exchange(here_port.sent, {}))
            there_port.receive(byte);
        while (there_port.is_interrupt_raised() && there.take_interrupt())
            while (receiver.poll(there)) {
                types.push_back(receiver.header().type);
                receiver.consume();
            }
    }
    EXPECT_EQ(types, (std::vector<u8>{RS_PACKET_MESSAGES, RS_PACKET_BYE}));
    EXPECT_EQ(receiver.counts().garbage_bytes, 0u);
}

}  // namespace
}  // namespace ringside::link
