// SPDX-License-Identifier: GPL-3.0-or-later
#include "transport/serial.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "link/uart.hpp"
#include "support/pty.hpp"
#include "transport/line_speed.hpp"

namespace ringside::transport {
namespace {

TEST(SerialPath, KnowsTheNamesOfPorts) {
    EXPECT_EQ(serial_path("ttyS0"), "/dev/ttyS0");
    EXPECT_EQ(serial_path("ttyS3"), "/dev/ttyS3");
    EXPECT_EQ(serial_path("com1"), "/dev/ttyS0");
    EXPECT_EQ(serial_path("COM4"), "/dev/ttyS3");
    EXPECT_EQ(serial_path("/dev/ttyUSB0"), "/dev/ttyUSB0");
    EXPECT_EQ(serial_path("./socket"), "./socket");
    for (const char* word : {"com0", "com5", "com12", "ttyS", "ttySx", "tty1", "nonsense", "1", ""})
        EXPECT_EQ(serial_path(word), std::nullopt) << word;
}

termios settings_of(int descriptor) {
    termios settings{};
    EXPECT_EQ(::tcgetattr(descriptor, &settings), 0);
    return settings;
}

TEST(OpenSerial, SetsATerminalLineUpAndGivesItBackAsItWas) {
    test::Pty pty;
    termios before = settings_of(pty.slave());
    before.c_lflag |= ECHO | ICANON | ISIG;
    before.c_iflag |= IXON | ICRNL;
    before.c_cflag |= PARENB | CSTOPB;
    ::cfsetspeed(&before, B9600);
    ASSERT_EQ(::tcsetattr(pty.slave(), TCSANOW, &before), 0);
    before = settings_of(pty.slave());
    {
        const SerialLine line = open_serial(pty.path());
        ASSERT_TRUE(line.descriptor) << line.error;
        EXPECT_EQ(line.path, pty.path());
        const termios now = settings_of(line.descriptor.get());
        EXPECT_EQ(::cfgetispeed(&now), B115200);
        EXPECT_EQ(::cfgetospeed(&now), B115200);
        EXPECT_EQ(now.c_cflag & CSIZE, unsigned{CS8});
        EXPECT_EQ(now.c_cflag & (PARENB | CSTOPB | CRTSCTS), 0u);
        EXPECT_EQ(now.c_lflag & (ECHO | ICANON | ISIG), 0u);
        EXPECT_EQ(now.c_iflag & (IXON | IXOFF | ICRNL), 0u);
        EXPECT_EQ(now.c_oflag & OPOST, 0u);
    }
    const termios after = settings_of(pty.slave());
    EXPECT_EQ(after.c_lflag, before.c_lflag);
    EXPECT_EQ(after.c_iflag, before.c_iflag);
    EXPECT_EQ(after.c_cflag, before.c_cflag);
    EXPECT_EQ(::cfgetospeed(&after), B9600);
}

TEST(OpenSerial, HasEveryBaudRateOfTheSpecification) {
    test::Pty pty;
    const auto before = line_speed(pty.slave());
    ASSERT_TRUE(before);
    for (const std::uint32_t baud : link::kBaudRates) {
        {
            const SerialLine line = open_serial(pty.path(), baud);
            ASSERT_TRUE(line.descriptor) << line.error;
            EXPECT_EQ(line_speed(line.descriptor.get()),
                      (LineSpeed{.input = baud, .output = baud}));
            const termios now = settings_of(line.descriptor.get());
            EXPECT_EQ(now.c_cflag & CSIZE, unsigned{CS8});
            EXPECT_EQ(now.c_lflag & (ECHO | ICANON | ISIG), 0u);
        }
        EXPECT_EQ(line_speed(pty.slave()), before);
    }
}

TEST(OpenSerial, GivesASpeedWithoutAConstantBack) {
    test::Pty pty;
    constexpr LineSpeed kOdd{.input = 12345, .output = 12345};
    ASSERT_EQ(set_line_speed(pty.slave(), kOdd), 0);
    for (const std::uint32_t baud : {9600u, 128000u}) {
        EXPECT_EQ(open_serial(pty.path(), baud).error, "");
        EXPECT_EQ(line_speed(pty.slave()), kOdd);
    }
}

TEST(OpenSerial, RefusesOtherBaudRates) {
    test::Pty pty;
    const SerialLine line = open_serial(pty.path(), 12345);
    EXPECT_FALSE(line.descriptor);
    EXPECT_EQ(line.error_number, EINVAL);
    EXPECT_EQ(line.error, "cannot open serial line " + pty.path() + ": bad baud rate 12345");
}

TEST(LineSpeed, IsForTerminalLines) {
    EXPECT_EQ(line_speed(-1), std::nullopt);
    EXPECT_EQ(set_line_speed(-1, {.input = 9600, .output = 9600}), EBADF);
}

TEST(OpenSerial, HasATerminalLineForItself) {
    test::Pty pty;
    SerialLine line = open_serial(pty.path());
    ASSERT_TRUE(line.descriptor);
    const SerialLine second = open_serial(pty.path());
    EXPECT_FALSE(second.descriptor);
    EXPECT_EQ(second.error_number, EBUSY);
    EXPECT_EQ(second.error, "cannot open serial line " + pty.path() + ": another program uses it");
    line = {};
    EXPECT_TRUE(open_serial(pty.path()).descriptor);
}

TEST(OpenSerial, ForgetsWhatCameBeforeItWasThere) {
    test::Pty pty;
    ASSERT_EQ(::write(pty.master(), "old", 3), 3);
    const SerialLine line = open_serial(pty.path());
    ASSERT_EQ(::write(pty.master(), "new", 3), 3);
    char text[8] = {};
    EXPECT_EQ(::read(line.descriptor.get(), text, sizeof(text)), 3);
    EXPECT_STREQ(text, "new");
}

TEST(OpenSerial, SaysWhatIsWrongWithAFile) {
    const SerialLine missing = open_serial("/dev/no-such-port");
    EXPECT_FALSE(missing.descriptor);
    EXPECT_EQ(missing.error_number, ENOENT);
    EXPECT_EQ(missing.error,
              "cannot open serial line /dev/no-such-port: No such file or directory");
    for (const char* path : {"/dev/null", "/proc/self/status", "/"}) {
        EXPECT_EQ(open_serial(path).error, std::string{"cannot open serial line "} + path +
                                               ": it is neither a terminal line nor a unix socket");
    }
}

/// A listening unix socket in a folder of its own, with a path of any length.
class UnixSocket : public testing::Test {
protected:
    UnixSocket() {
        char name[] = "/tmp/ringside-serial-XXXXXX";
        folder = ::mkdtemp(name);
    }
    ~UnixSocket() override { std::filesystem::remove_all(folder); }

    void listen(const std::filesystem::path& path) {
        listener.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const std::string short_name = folder / "s";
        std::strcpy(address.sun_path, short_name.c_str());
        ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)),
                  0);
        ASSERT_EQ(::listen(listener.get(), 1), 0);
        std::filesystem::rename(short_name, path);
    }

    std::filesystem::path folder;
    UniqueFd listener;
};

TEST_F(UnixSocket, IsConnectedTo) {
    listen(folder / "line");
    const SerialLine line = open_serial(folder / "line", 110);  // an emulator's has no speed
    ASSERT_TRUE(line.descriptor) << line.error;
    EXPECT_FALSE(line.settings);
    const UniqueFd other{::accept(listener.get(), nullptr, nullptr)};
    ASSERT_EQ(::write(other.get(), "x", 1), 1);
    char byte = 0;
    EXPECT_EQ(::read(line.descriptor.get(), &byte, 1), 1);
    EXPECT_EQ(byte, 'x');
}

TEST_F(UnixSocket, MayHaveALongerPathThanAnAddressHolds) {
    const auto deep = folder / std::string(120, 'd');
    std::filesystem::create_directory(deep);
    listen(deep / "line");
    EXPECT_TRUE(open_serial(deep / "line").descriptor);
}

TEST_F(UnixSocket, ThatNobodyListensAtIsSaid) {
    listen(folder / "line");
    listener.reset();
    const SerialLine line = open_serial(folder / "line");
    EXPECT_FALSE(line.descriptor);
    EXPECT_EQ(line.error,
              "cannot open serial line " + (folder / "line").string() + ": nobody listens there");
}

}  // namespace
}  // namespace ringside::transport
