# SPDX-License-Identifier: GPL-3.0-or-later
# Warnings for all of our own code, near the maximum; an error in every build.
add_library(ringside_warnings INTERFACE)
target_compile_options(ringside_warnings INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual
  -Wno-missing-field-initializers # designated initialisers leave out what stays zero
  $<$<CXX_COMPILER_ID:Clang>:-Wno-deprecated-declarations> # inside libstdc++ 12's stable_sort
  -Werror)
