// SPDX-License-Identifier: GPL-3.0-or-later
// The errno a module answers an RS_ERR_* code with.
#pragma once

#include <cerrno>

#include "base/types.hpp"
#include "ringside/error.h"

namespace ringside::test {

inline int error_number_of(u32 code) {
    switch (code) {
#define RS_NUMBER(name, number, errno_name, text) \
    case number:                                  \
        return errno_name;
        RS_ERROR_TABLE(RS_NUMBER)
#undef RS_NUMBER
        default:
            return 0;
    }
}

}  // namespace ringside::test
