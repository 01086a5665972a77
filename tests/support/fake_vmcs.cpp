// SPDX-License-Identifier: GPL-3.0-or-later
#include "support/fake_vmcs.hpp"

#include <gtest/gtest.h>

namespace ringside {
namespace {
test::FakeVmcs* current = nullptr;
}

namespace test {

FakeVmcs::FakeVmcs() {
    EXPECT_EQ(current, nullptr);
    current = this;
}
FakeVmcs::~FakeVmcs() {
    current = nullptr;
}

}  // namespace test

namespace x86 {

u64 vmread(u32 field) {
    EXPECT_NE(current, nullptr) << "VMREAD without a VMCS";
    return (*current)[vmx::VmcsField(field)];
}
bool vmwrite(u32 field, u64 value) {
    EXPECT_NE(current, nullptr) << "VMWRITE without a VMCS";
    (*current)[vmx::VmcsField(field)] = value;
    current->writes.emplace_back(vmx::VmcsField(field), value);
    return true;
}
void invvpid(u64 type, u16 vpid) {
    EXPECT_NE(current, nullptr) << "INVVPID outside of VMX operation";
    current->invalidations.emplace_back(type, vpid);
}

}  // namespace x86
}  // namespace ringside
