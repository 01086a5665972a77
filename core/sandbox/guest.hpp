// SPDX-License-Identifier: GPL-2.0-or-later
// What user code may ask of the interrupted guest besides its memory.
#pragma once

#include "base/types.hpp"
#include "ringside/bytecode.h"

namespace ringside::sandbox {

class Guest {
public:
    virtual u64 read_register(rs_script_full_register which) = 0;
    /// False: not a value the guest could go on with; nothing changed.
    virtual bool write_register(rs_script_full_register which, u64 value) = 0;
    /// False: the guest's RDMSR would raise #GP.
    virtual bool read_msr(u32 msr, u64& value) = 0;
    /// False: the guest's RDPMC would raise an exception.
    virtual bool read_counter(u32 counter, u64& value) = 0;
    /// Limit of the table at RS_FULL_GDTR or RS_FULL_IDTR.
    virtual u16 table_limit(rs_script_full_register table) = 0;
    /// CR3 with which the guest's kernel sees its own half.
    virtual u64 kernel_cr3() = 0;

protected:
    ~Guest() = default;
};

}  // namespace ringside::sandbox
