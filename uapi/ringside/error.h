/* SPDX-License-Identifier: (GPL-2.0-or-later WITH Linux-syscall-note) OR MIT */
/*
 * Error codes of the module, returned in the 'error' field of a request beside errno
 * (API-3). Numbers of the reference system keep their meaning; ours start at c0001000.
 * One table: number, name, errno, sentence.
 */
#ifndef RINGSIDE_ERROR_H
#define RINGSIDE_ERROR_H

/* X(name, code, errno name, sentence for the user) */
#define RS_ERROR_TABLE(X)                                                                         \
    X(NO_SUCH_TAG, 0xc0000000u, ENOENT, "no such event")                                          \
    X(BAD_ACTION_TYPE, 0xc0000001u, EINVAL, "bad action type")                                    \
    X(BAD_ACTION, 0xc0000002u, EBADMSG, "empty or bad action")                                    \
    X(BAD_EVENT_TYPE, 0xc0000003u, EOPNOTSUPP, "unknown or unimplemented event type")             \
    X(CANNOT_CREATE, 0xc0000004u, ENOMEM, "out of memory")                                        \
    X(BAD_ADDRESS, 0xc0000005u, EFAULT, "bad address")                                            \
    X(BAD_CORE, 0xc0000006u, ENXIO, "no such core")                                               \
    X(BAD_EXCEPTION_INDEX, 0xc0000007u, ERANGE, "bad exception index")                            \
    X(BAD_INTERRUPT_INDEX, 0xc0000008u, ERANGE, "vector must be 0x20 to 0xff")                    \
    X(NO_SUCH_EVENT, 0xc000000eu, ENOENT, "no such event")                                        \
    X(BAD_MODIFY, 0xc000000fu, EINVAL, "bad modification")                                        \
    X(BAD_PID, 0xc000001eu, ESRCH, "no such process")                                             \
    X(SC_NEEDS_PRE, 0xc000003au, EINVAL, "short-circuiting needs stage pre")                      \
    X(CONDITION_TOO_LARGE, 0xc0000041u, EMSGSIZE, "condition too large")                          \
    X(NO_BUFFER_MEMORY, 0xc0000044u, ENOMEM, "out of memory for the safe buffer")                 \
    X(ACTION_TOO_LARGE, 0xc0000047u, EMSGSIZE, "action too large")                                \
    X(BUFFER_TOO_LARGE, 0xc0000048u, EMSGSIZE, "safe buffer too large")                           \
    X(BAD_POOL_TYPE, 0xc0000028u, EINVAL, "unknown pool type")                                    \
    X(NO_REGULAR_EVENT, 0xc0000042u, ENOBUFS, "no regular-event is left in the pool")             \
    X(NO_BIG_EVENT, 0xc0000043u, ENOBUFS, "no big-event is left in the pool")                     \
    X(NO_REGULAR_BUFFER, 0xc0000049u, ENOBUFS, "no regular-safe-buffer is left in the pool")      \
    X(NO_BIG_BUFFER, 0xc000004au, ENOBUFS, "no big-safe-buffer is left in the pool")              \
    X(CORES_NOT_HALTED, 0xc0000050u, ETIMEDOUT, "a core did not answer")                          \
    X(BAD_IMAGE, 0xc0001000u, EINVAL, "malformed request")                                        \
    X(ABI_MISMATCH, 0xc0001001u, EINVAL, "module and program are of different versions")          \
    X(NOT_LOADED, 0xc0001002u, ENODEV, "vmm not loaded")                                          \
    X(ALREADY_LOADED, 0xc0001003u, EBUSY, "vmm is already loaded")                                \
    X(OTHER_CLIENTS, 0xc0001004u, EBUSY, "another client is using the hypervisor")                \
    X(TOO_MANY_EVENTS, 0xc0001005u, ENOSPC, "too many events")                                    \
    X(TOO_MANY_ON_VECTOR, 0xc0001006u, ENOSPC, "too many events on this vector")                  \
    X(NOT_YET, 0xc0001007u, EOPNOTSUPP, "not available in this version")                          \
    X(BREAK_NEEDS_DEBUGGER, 0xc0001008u, EOPNOTSUPP,                                              \
      "this event would break, which needs Debugger Mode")                                        \
    X(TOO_MANY_GLOBALS, 0xc0001009u, ENOSPC, "too many global variables")                         \
    X(COMMAND_TOO_LARGE, 0xc000100au, EMSGSIZE, "command text too large")                         \
    X(UNKNOWN_FIELDS, 0xc000100bu, E2BIG, "request has fields this version does not know")        \
    X(TOO_MANY_ACTIONS, 0xc000100cu, ENOSPC, "at most 16 actions per event")                      \
    X(NO_SYMBOL, 0xc000100du, ENOENT, "no such symbol")                                           \
    X(NO_SVM, 0xc0001010u, ENODEV, "this processor has neither AMD SVM nor Intel VMX")            \
    X(DISABLED_BY_FIRMWARE, 0xc0001011u, ENODEV, "virtualization is disabled by the firmware")    \
    X(OTHER_HYPERVISOR, 0xc0001012u, EBUSY, "another hypervisor module is active (kvm?)")         \
    X(UNSUPPORTED_STATE, 0xc0001013u, EOPNOTSUPP, "the kernel uses a feature not supported here") \
    X(LAUNCH_FAILED, 0xc0001014u, EIO, "a core could not be virtualized; all were rolled back")   \
    X(LOCKDOWN, 0xc0001015u, EPERM, "refused: the kernel is locked down")                         \
    X(SCRIPT_STOPPED, 0xc0001017u, ECANCELED, "script stopped")                                   \
    X(VMX_NO_TRUE_CONTROLS, 0xc0001020u, ENODEV,                                                  \
      "this processor's VMX is too old: no TRUE controls")                                        \
    X(VMX_NO_EXITING, 0xc0001021u, ENODEV,                                                        \
      "this processor's VMX cannot exit on interrupts and NMIs")                                  \
    X(VMX_NO_VIRTUAL_NMIS, 0xc0001022u, ENODEV,                                                   \
      "this processor's VMX does not track NMI blocking of the guest (virtual NMIs)")             \
    X(VMX_NO_WINDOWS, 0xc0001023u, ENODEV,                                                        \
      "this processor's VMX cannot tell when the guest can take an interrupt (windows)")          \
    X(VMX_NO_MSR_BITMAPS, 0xc0001024u, ENODEV, "this processor's VMX has no MSR bitmaps")         \
    X(VMX_NO_ACKNOWLEDGE, 0xc0001025u, ENODEV,                                                    \
      "this processor's VMX cannot acknowledge interrupts at a VM exit")                          \
    X(VMX_NO_STATE_SWITCH, 0xc0001026u, ENODEV,                                                   \
      "this processor's VMX cannot switch EFER and debug controls for 64-bit sides")              \
    X(VMX_NO_EPT, 0xc0001027u, ENODEV,                                                            \
      "this processor's VMX lacks the nested paging that npt=on needs")                           \
    X(BAD_MSR, 0xc0001030u, EACCES, "the processor refuses this MSR")                             \
    X(NO_SUCH_DEVICE, 0xc0001031u, ENXIO, "there is no such device")                              \
    X(NO_VERDICT, 0xc0001032u, EINVAL, "no event is waiting for a verdict")                       \
    X(NOT_HALTED, 0xc0001033u, EBUSY, "the debuggee runs")                                        \
    X(NO_DEBUGGER, 0xc0001034u, EOPNOTSUPP, "only in Debugger Mode")                              \
    X(RESERVE_EXHAUSTED, 0xc0001035u, ENOBUFS, "reserve exhausted; type 'g' and retry")           \
    X(HALTED_IN_CHANGE, 0xc0001036u, EBUSY,                                                       \
      "the debuggee was halted while it changed its events; type 'g' and retry")                  \
    X(PORT_IN_USE, 0xc0001037u, EBUSY, "the kernel uses this serial port")                        \
    X(NO_PORT, 0xc0001038u, ENODEV, "there is no such serial port")                               \
    X(NO_SHARED_MEMORY, 0xc0001039u, ENODEV, "this machine has no ivshmem device")                \
    X(DEBUGGER_MODE, 0xc000103au, EBUSY, "a debugger at the end of a link has this machine")      \
    X(NO_BREAKPOINT, 0xc000103bu, ENOENT, "no such breakpoint")                                   \
    X(TOO_MANY_BREAKPOINTS, 0xc000103cu, ENOSPC, "too many breakpoints")                          \
    X(BREAKPOINT_EXISTS, 0xc000103du, EEXIST, "there is a breakpoint at this address")            \
    X(NO_USER_MEMORY, 0xc000103eu, ESRCH,                                                         \
      "this process has no user memory: it is the kernel's, or has ended")                        \
    X(INTERNAL, 0xc0001fffu, EIO, "internal error")

enum rs_error {
    RS_OK = 0,
#define RS_ERROR_ENUM(name, code, errno_name, text) RS_ERR_##name = (code),
    RS_ERROR_TABLE(RS_ERROR_ENUM)
#undef RS_ERROR_ENUM
};

#endif
