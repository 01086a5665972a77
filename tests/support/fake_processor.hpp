// SPDX-License-Identifier: GPL-3.0-or-later
// The privileged side of a processor for tests: what x86/instructions.hpp and the assembly of root
// mode reach in ring 0.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/types.hpp"

namespace ringside::sandbox {
struct Entry;
}

namespace ringside::test {

/// Is current from its construction to its end; one at a time.
class FakeProcessor {
public:
    FakeProcessor();
    ~FakeProcessor();
    FakeProcessor(const FakeProcessor&) = delete;
    FakeProcessor& operator=(const FakeProcessor&) = delete;
    /// nullptr: this test has none.
    static FakeProcessor* current();

    u64 cr[16] = {};
    u64 dr[8] = {};
    std::map<u32, u64> msrs;  ///< others raise #GP, which no access outside of rs_safe_ may
    u64 xcr0_allowed = 0x7;   ///< XSETBV takes these bits; x87 must stay
    u64 xcr0 = 1;
    std::function<void(u32 msr, u64 value)> on_write_msr;
    std::function<u8(u16 port)> on_in;  ///< without it nobody is at any port
    std::function<void(u16 port, u8 value)> on_out;
    std::function<u32(u64 address)> on_read_device;  ///< without it a device is plain memory
    std::function<void(u64 address, u32 value)> on_write_device;
    std::function<void(sandbox::Entry&)> on_user_code;  ///< runs what was entered
    /// Halts until an NMI comes; without it nobody does.
    std::function<void(const u32* nmi_count, u32 nmi_seen)> on_wait_for_nmi;

    std::vector<std::pair<u32, u64>> control_writes;  ///< CR number, value; oldest first
    std::string debug_port;                           ///< bytes written to port 0xe9
    u32 cache_write_backs = 0;
    std::vector<u64> dropped_translations;
    u32 page_table_loads = 0;
    u64 vectors = 0;  ///< stands for x87, SSE and AVX registers
    u16 gdt_limit = 0;
    u32 nmi_openings = 0;
};

}  // namespace ringside::test
