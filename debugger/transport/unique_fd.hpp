// SPDX-License-Identifier: GPL-3.0-or-later
// A file descriptor with an owner.
#pragma once

#include <unistd.h>

#include <utility>

namespace ringside::transport {

/// Closes its descriptor at the end of its life; -1 is none.
class UniqueFd {
public:
    UniqueFd() = default;
    explicit UniqueFd(int descriptor) : descriptor_{descriptor} {}
    UniqueFd(UniqueFd&& other) noexcept : descriptor_{other.release()} {}
    UniqueFd& operator=(UniqueFd&& other) noexcept {
        if (this != &other)
            reset(other.release());
        return *this;
    }
    ~UniqueFd() { reset(); }

    int get() const { return descriptor_; }
    explicit operator bool() const { return descriptor_ >= 0; }
    int release() { return std::exchange(descriptor_, -1); }
    void reset(int descriptor = -1) {
        if (descriptor_ >= 0)
            ::close(descriptor_);
        descriptor_ = descriptor;
    }

private:
    int descriptor_ = -1;
};

}  // namespace ringside::transport
