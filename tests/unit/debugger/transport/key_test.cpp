// SPDX-License-Identifier: GPL-3.0-or-later
#include "transport/key.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace ringside::transport {
namespace {

const std::string kHex = "000102030405060708090a0b0c0d0e0fF0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";

class KeyFile : public testing::Test {
protected:
    KeyFile() {
        std::string pattern = testing::TempDir() + "ringside-key-XXXXXX";
        folder = ::mkdtemp(pattern.data());
        path = folder / "deep" / "er" / "key";
    }
    ~KeyFile() override { std::filesystem::remove_all(folder); }

    void write(const std::string& text, mode_t mode = 0600) {
        std::filesystem::create_directories(path.parent_path());
        std::ofstream{path} << text;
        ::chmod(path.c_str(), mode);
    }

    static mode_t mode_of(const std::filesystem::path& of) {
        struct stat status {};
        EXPECT_EQ(::stat(of.c_str(), &status), 0);
        return status.st_mode & 0777;
    }

    std::filesystem::path folder;
    std::filesystem::path path;
};

TEST_F(KeyFile, IsMadeOnceAndPrivate) {
    const auto made = read_or_create_key(path);
    EXPECT_EQ(made.error, "");
    EXPECT_TRUE(made.was_created);
    EXPECT_EQ(made.key.size(), kKeyBytes);
    EXPECT_EQ(mode_of(path), 0600u);
    EXPECT_EQ(mode_of(path.parent_path()), 0700u);

    const auto again = read_or_create_key(path);
    EXPECT_FALSE(again.was_created);
    EXPECT_EQ(again.key, made.key);
    EXPECT_EQ(read_key(path).key, made.key);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator{path.parent_path()}, {}), 1)
        << "no temporary file is left";
}

TEST_F(KeyFile, HoldsHex) {
    write("  " + kHex + "\n");
    const auto result = read_key(path);
    ASSERT_EQ(result.error, "");
    EXPECT_EQ(result.key[1], std::byte{1});
    EXPECT_EQ(result.key[16], std::byte{0xf0});
    EXPECT_EQ(result.key[31], std::byte{0xff});
}

TEST_F(KeyFile, MissingIsAnError) {
    const auto result = read_key(path);
    EXPECT_TRUE(result.key.empty());
    EXPECT_EQ(result.error,
              "cannot read key file '" + path.string() + "': No such file or directory");
}

TEST_F(KeyFile, WithOtherContentIsRefused) {
    for (const std::string& text :
         {std::string{}, std::string{"\n"}, kHex.substr(1), kHex + "0", kHex + kHex + kHex + kHex,
          kHex.substr(2) + "0g", kHex.substr(2) + "@0", kHex + "\nmore"}) {
        write(text);
        const auto result = read_key(path);
        EXPECT_TRUE(result.key.empty()) << text;
        EXPECT_NE(result.error.find("64 hex digits"), std::string::npos) << text;
        EXPECT_TRUE(read_or_create_key(path).key.empty()) << "and is never replaced";
    }
}

TEST_F(KeyFile, ThatOthersMayReadIsRefused) {
    write(kHex, 0640);
    EXPECT_NE(read_key(path).error.find("chmod 600"), std::string::npos);
}

TEST_F(KeyFile, ThatIsAFolderIsRefused) {
    std::filesystem::create_directories(path);
    EXPECT_NE(read_key(path).error.find("not a regular file"), std::string::npos);
}

TEST_F(KeyFile, ThatCannotBeMadeIsAnError) {
    std::ofstream{folder / "deep"} << "in the way";
    const auto result = read_or_create_key(path);
    EXPECT_TRUE(result.key.empty());
    EXPECT_FALSE(result.error.empty());
}

TEST(KeyPath, FollowsTheEnvironment) {
    ::setenv("XDG_CONFIG_HOME", "/etc/xdg-of-me", 1);
    EXPECT_EQ(default_key_path(), "/etc/xdg-of-me/ringside/key");
    ::setenv("HOME", "/home/me", 1);
    ::unsetenv("XDG_CONFIG_HOME");
    EXPECT_EQ(default_key_path(), "/home/me/.config/ringside/key");
    ::unsetenv("HOME");
    EXPECT_EQ(default_key_path(), "");
}

}  // namespace
}  // namespace ringside::transport
