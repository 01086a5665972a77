// SPDX-License-Identifier: GPL-2.0-or-later
// A pointer into memory that guest context and root mode see at different virtual addresses.
#pragma once

#include "base/types.hpp"

namespace ringside {

/// Points to a `T` in shared memory. What is stored is the address root mode uses; guest context
/// subtracts the one constant `delta` (root address minus guest-context address, 0 in most
/// tests). Null in one context is null in the other.
template <class T>
class RootPointer {
public:
    constexpr RootPointer() = default;
    /// From an address valid in guest context.
    static RootPointer from_guest(T* pointer, s64 delta) {
        return pointer == nullptr
                   ? RootPointer{}
                   : RootPointer{reinterpret_cast<u64>(pointer) + static_cast<u64>(delta)};
    }
    /// From an address valid in root mode.
    static RootPointer from_root(T* pointer) { return RootPointer{reinterpret_cast<u64>(pointer)}; }
    T* in_root() const { return reinterpret_cast<T*>(root_address_); }
    T* in_guest(s64 delta) const {
        return root_address_ == 0 ? nullptr
                                  : reinterpret_cast<T*>(root_address_ - static_cast<u64>(delta));
    }
    constexpr explicit operator bool() const { return root_address_ != 0; }
    /// The stored root address, for publication through an atomic word.
    constexpr u64 value() const { return root_address_; }
    static constexpr RootPointer from_value(u64 value) { return RootPointer{value}; }

private:
    constexpr explicit RootPointer(u64 root_address) : root_address_{root_address} {}
    u64 root_address_ = 0;
};

}  // namespace ringside
