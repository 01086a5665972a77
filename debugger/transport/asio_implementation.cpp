// SPDX-License-Identifier: GPL-3.0-or-later
// Asio's own code, compiled once for the whole program (ASIO_SEPARATE_COMPILATION).
#include <asio/impl/src.hpp>
