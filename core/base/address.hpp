// SPDX-License-Identifier: GPL-2.0-or-later
// The four address kinds, each its own type, so that one cannot be passed for another.
#pragma once

#include <compare>

#include "base/types.hpp"

namespace ringside {

/// An address of one kind. Construction is explicit and there is no arithmetic between kinds;
/// `.value()` steps outside.
template <class Kind>
class Address {
public:
    constexpr Address() = default;
    constexpr explicit Address(u64 value) : value_{value} {}
    constexpr u64 value() const { return value_; }
    constexpr Address operator+(u64 offset) const { return Address{value_ + offset}; }
    constexpr u64 page_offset() const { return value_ & kPageMask; }
    constexpr Address page() const { return Address{value_ & ~kPageMask}; }
    constexpr auto operator<=>(const Address&) const = default;

private:
    u64 value_ = 0;
};

using Gva = Address<struct GvaKind>;  ///< guest virtual
using Gpa = Address<struct GpaKind>;  ///< guest physical
using Hva = Address<struct HvaKind>;  ///< host (root mode) virtual
using Hpa = Address<struct HpaKind>;  ///< host physical

}  // namespace ringside
