// SPDX-License-Identifier: GPL-3.0-or-later
#include "transport/authentication.hpp"

#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <sys/random.h>

#include <cerrno>
#include <string_view>
#include <system_error>

namespace ringside::transport {
namespace {

const std::uint8_t* raw(std::span<const std::byte> bytes) {
    return reinterpret_cast<const std::uint8_t*>(bytes.data());
}

}  // namespace

AuthenticationCode authentication_code(Role role, const Key& key, std::span<const std::byte> hello,
                                       std::span<const std::byte> challenge) {
    const std::string_view label = role == Role::kDebugger ? "ringside debugger" : "ringside agent";
    const auto label_bytes = std::as_bytes(std::span{label});
    hmac_sha256_ctx context;
    hmac_sha256_set_key(&context, key.size(), raw(key));
    for (const auto part : {label_bytes, hello, challenge})
        hmac_sha256_update(&context, part.size(), raw(part));
    AuthenticationCode code;
    hmac_sha256_digest(&context, code.size(), reinterpret_cast<std::uint8_t*>(code.data()));
    return code;
}

bool is_equal(std::span<const std::byte> one, std::span<const std::byte> other) {
    return one.size() == other.size() && memeql_sec(one.data(), other.data(), one.size());
}

void fill_random(std::span<std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t count = ::getrandom(bytes.data(), bytes.size(), 0);
        if (count < 0 && errno != EINTR)
            throw std::system_error{errno, std::generic_category(), "getrandom"};
        if (count > 0)
            bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
}

}  // namespace ringside::transport
