// SPDX-License-Identifier: GPL-3.0-or-later
#include "transport/device.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "ringside/ioctl.h"

namespace ringside::transport {
namespace {

TEST(DevicePath, CanBeReplaced) {
    ::unsetenv("RINGSIDE_DEVICE");
    EXPECT_EQ(device_path(), "/dev/ringside");
    ::setenv("RINGSIDE_DEVICE", "", 1);
    EXPECT_EQ(device_path(), "/dev/ringside");
    ::setenv("RINGSIDE_DEVICE", "/dev/other", 1);
    EXPECT_EQ(device_path(), "/dev/other");
    ::unsetenv("RINGSIDE_DEVICE");
}

TEST(Device, SaysWhyItCannotBeOpened) {
    const auto opened = open_device("/nowhere/ringside");
    EXPECT_FALSE(opened.file);
    EXPECT_EQ(opened.error_number, ENOENT);
}

// A FIFO stands in for the device: it can be read without waiting, and refuses our requests.
class FifoDevice : public testing::Test {
protected:
    FifoDevice() {
        std::string pattern = testing::TempDir() + "ringside-device-XXXXXX";
        folder = ::mkdtemp(pattern.data());
        path = folder + "/device";
        EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
        opened = open_device(path);
    }
    ~FifoDevice() override {
        ::unlink(path.c_str());
        ::rmdir(folder.c_str());
    }

    std::string folder;
    std::string path;
    OpenedDevice opened;
    std::array<std::byte, 64> buffer{};
};

TEST_F(FifoDevice, ReadsWithoutWaiting) {
    ASSERT_TRUE(opened.file);
    EXPECT_EQ(opened.file->read(buffer).error_number, EAGAIN);
    ASSERT_EQ(::write(opened.file->poll_descriptor(), "abc", 3), 3);
    const auto result = opened.file->read(buffer);
    EXPECT_EQ(result.error_number, 0);
    EXPECT_EQ(result.bytes, 3u);
    EXPECT_EQ(std::memcmp(buffer.data(), "abc", 3), 0);
}

TEST_F(FifoDevice, ReturnsTheErrnoOfARequest) {
    ASSERT_TRUE(opened.file);
    EXPECT_EQ(opened.file->request(RS_IOC_VERSION, buffer), ENOTTY);
}

TEST_F(FifoDevice, IsNotInheritedByPrograms) {
    ASSERT_TRUE(opened.file);
    EXPECT_NE(::fcntl(opened.file->poll_descriptor(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(FifoDevice, ClosesItsDescriptor) {
    ASSERT_TRUE(opened.file);
    const int descriptor = opened.file->poll_descriptor();
    opened.file.reset();
    EXPECT_EQ(::fcntl(descriptor, F_GETFD), -1);
}

}  // namespace
}  // namespace ringside::transport
