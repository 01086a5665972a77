# SPDX-License-Identifier: GPL-2.0-or-later
# Flags of the freestanding core, each with its reason.
add_library(ringside_freestanding INTERFACE)
target_compile_definitions(ringside_freestanding INTERFACE RS_FREESTANDING=1)
target_compile_options(ringside_freestanding INTERFACE
  -ffreestanding            # no libc below us
  -fno-pic -fno-pie -mcmodel=kernel # linked into a kernel module
  -mno-red-zone             # exceptions arrive on our stack
  -mgeneral-regs-only       # vector and FPU state stay the guest's
  -fno-stack-protector      # the canary lives behind the kernel's GS
  -fcf-protection=none      # no indirect call comes from the kernel into the core
  -mindirect-branch=keep -mfunction-return=keep # the kernel's thunks are not mapped in root mode
  -fno-jump-tables          # as the kernel does; keeps indirect jumps out of the exit path
  -fno-strict-aliasing      # guest memory is looked at as many things
  -fno-delete-null-pointer-checks
  -fno-tree-loop-distribute-patterns # loops stay loops: no calls to memset/memcpy
  -fvisibility=hidden
  -fno-asynchronous-unwind-tables -fno-unwind-tables
  $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions>
  $<$<COMPILE_LANGUAGE:CXX>:-fno-rtti>
  $<$<COMPILE_LANGUAGE:CXX>:-fno-threadsafe-statics>
  $<$<COMPILE_LANGUAGE:CXX>:-fno-use-cxa-atexit>)
