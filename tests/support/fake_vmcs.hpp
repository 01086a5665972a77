// SPDX-License-Identifier: GPL-3.0-or-later
// The current VMCS of a test: fields in a map, for code that reads and writes them by VMREAD and
// VMWRITE (x86/vmx_instructions.hpp).
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "vmx/vmcs.hpp"

namespace ringside::test {

/// Is current from its construction to its end; one at a time.
class FakeVmcs {
public:
    FakeVmcs();
    ~FakeVmcs();
    FakeVmcs(const FakeVmcs&) = delete;
    FakeVmcs& operator=(const FakeVmcs&) = delete;

    /// Fields nobody has written read as 0.
    u64& operator[](vmx::VmcsField field) { return fields_[u32(field)]; }

    std::vector<std::pair<vmx::VmcsField, u64>> writes;  ///< by VMWRITE, oldest first
    std::vector<std::pair<u64, u16>> invalidations;      ///< INVVPID: type, VPID

private:
    std::map<u32, u64> fields_;
};

}  // namespace ringside::test
