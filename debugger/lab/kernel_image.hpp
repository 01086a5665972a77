// SPDX-License-Identifier: GPL-3.0-or-later
// Inside a kernel image: the compressed kernel of a bzImage, and what of an ELF kernel goes where.
// Sources: Linux, Documentation/x86/boot.rst "The Real-Mode Kernel Header"; System V ABI, "Program
// Header".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lab/outcome.hpp"

namespace ringside::lab {

/// The compressed kernel inside a bzImage, and the program that unpacks it from a file whose name
/// follows to stdout.
struct PackedKernel {
    std::string_view content;
    std::vector<std::string> unpacker;
};

/// `image`: a whole bzImage. Fails on what is none, and on a compression nobody here unpacks.
Outcome<PackedKernel> packed_kernel(std::string_view image);

/// The setup header of a bzImage (offset 0x1f1 up to its own end), for the boot parameters.
Outcome<std::string_view> setup_header(std::string_view image);

/// A part of an ELF kernel in the file and in memory; what `bytes` has beyond `stored` is zero.
struct Segment {
    std::uint64_t offset = 0;
    std::uint64_t stored = 0;
    std::uint64_t address = 0;  ///< physical
    std::uint64_t bytes = 0;

    bool operator==(const Segment&) const = default;
};

struct KernelLayout {
    std::uint64_t entry = 0;        ///< physical
    std::vector<Segment> segments;  ///< by ascending address
};

/// The loadable segments of an ELF kernel. Zeros at a segment's end are not counted as stored.
Outcome<KernelLayout> kernel_layout(std::string_view vmlinux);

}  // namespace ringside::lab
