// SPDX-License-Identifier: GPL-2.0-or-later
// The fields of the virtual-machine control structure and what their bits mean.
// Source: Intel SDM vol. 3C chapter 24 "Virtual Machine Control Structures", vol. 3D appendix B
// "Field Encoding in VMCS".
#pragma once

#include <type_traits>

#include "base/bits.hpp"
#include "base/types.hpp"
#include "x86/vmx_instructions.hpp"

namespace ringside::vmx {

// X(name, encoding): every field root mode uses. Bits 14:13 of an encoding give the field's width.
#define RS_VMCS_FIELDS(X)             \
    /* 16 bits */                     \
    X(Vpid, 0x0000)                   \
    X(GuestEs, 0x0800)                \
    X(GuestCs, 0x0802)                \
    X(GuestSs, 0x0804)                \
    X(GuestDs, 0x0806)                \
    X(GuestFs, 0x0808)                \
    X(GuestGs, 0x080a)                \
    X(GuestLdtr, 0x080c)              \
    X(GuestTr, 0x080e)                \
    X(HostEs, 0x0c00)                 \
    X(HostCs, 0x0c02)                 \
    X(HostSs, 0x0c04)                 \
    X(HostDs, 0x0c06)                 \
    X(HostFs, 0x0c08)                 \
    X(HostGs, 0x0c0a)                 \
    X(HostTr, 0x0c0c)                 \
    /* 64 bits */                     \
    X(MsrBitmap, 0x2004)              \
    X(TscOffset, 0x2010)              \
    X(EptPointer, 0x201a)             \
    X(XssExitBitmap, 0x202c)          \
    X(PconfigExitBitmap, 0x203e)      \
    X(GuestPhysicalAddress, 0x2400)   \
    X(VmcsLinkPointer, 0x2800)        \
    X(GuestDebugctl, 0x2802)          \
    X(GuestEfer, 0x2806)              \
    X(HostEfer, 0x2c02)               \
    /* 32 bits */                     \
    X(PinControls, 0x4000)            \
    X(ProcessorControls, 0x4002)      \
    X(PreemptionTimer, 0x482e)        \
    X(ExceptionBitmap, 0x4004)        \
    X(PageFaultMask, 0x4006)          \
    X(PageFaultMatch, 0x4008)         \
    X(Cr3TargetCount, 0x400a)         \
    X(ExitControls, 0x400c)           \
    X(ExitMsrStoreCount, 0x400e)      \
    X(ExitMsrLoadCount, 0x4010)       \
    X(EntryControls, 0x4012)          \
    X(EntryMsrLoadCount, 0x4014)      \
    X(EntryInterruption, 0x4016)      \
    X(EntryErrorCode, 0x4018)         \
    X(EntryInstructionLength, 0x401a) \
    X(SecondaryControls, 0x401e)      \
    X(InstructionError, 0x4400)       \
    X(ExitReason, 0x4402)             \
    X(ExitInterruption, 0x4404)       \
    X(ExitErrorCode, 0x4406)          \
    X(IdtVectoring, 0x4408)           \
    X(IdtVectoringErrorCode, 0x440a)  \
    X(ExitInstructionLength, 0x440c)  \
    X(GuestEsLimit, 0x4800)           \
    X(GuestCsLimit, 0x4802)           \
    X(GuestSsLimit, 0x4804)           \
    X(GuestDsLimit, 0x4806)           \
    X(GuestFsLimit, 0x4808)           \
    X(GuestGsLimit, 0x480a)           \
    X(GuestLdtrLimit, 0x480c)         \
    X(GuestTrLimit, 0x480e)           \
    X(GuestGdtrLimit, 0x4810)         \
    X(GuestIdtrLimit, 0x4812)         \
    X(GuestEsRights, 0x4814)          \
    X(GuestCsRights, 0x4816)          \
    X(GuestSsRights, 0x4818)          \
    X(GuestDsRights, 0x481a)          \
    X(GuestFsRights, 0x481c)          \
    X(GuestGsRights, 0x481e)          \
    X(GuestLdtrRights, 0x4820)        \
    X(GuestTrRights, 0x4822)          \
    X(Interruptibility, 0x4824)       \
    X(Activity, 0x4826)               \
    X(GuestSysenterCs, 0x482a)        \
    X(HostSysenterCs, 0x4c00)         \
    /* natural width */               \
    X(Cr0Mask, 0x6000)                \
    X(Cr4Mask, 0x6002)                \
    X(Cr0Shadow, 0x6004)              \
    X(Cr4Shadow, 0x6006)              \
    X(ExitQualification, 0x6400)      \
    X(GuestCr0, 0x6800)               \
    X(GuestCr3, 0x6802)               \
    X(GuestCr4, 0x6804)               \
    X(GuestEsBase, 0x6806)            \
    X(GuestCsBase, 0x6808)            \
    X(GuestSsBase, 0x680a)            \
    X(GuestDsBase, 0x680c)            \
    X(GuestFsBase, 0x680e)            \
    X(GuestGsBase, 0x6810)            \
    X(GuestLdtrBase, 0x6812)          \
    X(GuestTrBase, 0x6814)            \
    X(GuestGdtrBase, 0x6816)          \
    X(GuestIdtrBase, 0x6818)          \
    X(GuestDr7, 0x681a)               \
    X(GuestRsp, 0x681c)               \
    X(GuestRip, 0x681e)               \
    X(GuestRflags, 0x6820)            \
    X(PendingDebug, 0x6822)           \
    X(GuestSysenterEsp, 0x6824)       \
    X(GuestSysenterEip, 0x6826)       \
    X(HostCr0, 0x6c00)                \
    X(HostCr3, 0x6c02)                \
    X(HostCr4, 0x6c04)                \
    X(HostFsBase, 0x6c06)             \
    X(HostGsBase, 0x6c08)             \
    X(HostTrBase, 0x6c0a)             \
    X(HostGdtrBase, 0x6c0c)           \
    X(HostIdtrBase, 0x6c0e)           \
    X(HostSysenterEsp, 0x6c10)        \
    X(HostSysenterEip, 0x6c12)        \
    X(HostRsp, 0x6c14)                \
    X(HostRip, 0x6c16)

enum class VmcsField : u32 {
#define RS_VMCS_ENUM(name, encoding) k##name = (encoding),
    RS_VMCS_FIELDS(RS_VMCS_ENUM)
#undef RS_VMCS_ENUM
};

struct NamedField {
    VmcsField field;
    const char* name;
};
/// All of them, for reports.
inline constexpr NamedField kNamedFields[] = {
#define RS_VMCS_NAME(name, encoding) {VmcsField::k##name, #name},
    RS_VMCS_FIELDS(RS_VMCS_NAME)
#undef RS_VMCS_NAME
};

enum class FieldWidth : u32 { k16 = 0, k64 = 1, k32 = 2, kNatural = 3 };
constexpr FieldWidth width_of(VmcsField field) {
    return FieldWidth(u32(field) >> 13 & 3);
}

/// The type of a field's value.
template <VmcsField kField>
using FieldValue =
    std::conditional_t<width_of(kField) == FieldWidth::k16, u16,
                       std::conditional_t<width_of(kField) == FieldWidth::k32, u32, u64>>;

/// A field of the current VMCS. Root mode, or between VMPTRLD and VMXOFF.
template <VmcsField kField>
FieldValue<kField> read() {
    return static_cast<FieldValue<kField>>(x86::vmread(u32(kField)));
}
template <VmcsField kField>
bool write(u64 value) {
    return x86::vmwrite(u32(kField), value);
}
static_assert(std::is_same_v<FieldValue<VmcsField::kExitReason>, u32>);
static_assert(std::is_same_v<FieldValue<VmcsField::kGuestRip>, u64>);
static_assert(std::is_same_v<FieldValue<VmcsField::kGuestCs>, u16>);

/// Fields that come once a segment register, in the order of the encodings.
enum class SegmentIndex : u32 { kEs, kCs, kSs, kDs, kFs, kGs, kLdtr, kTr };
constexpr VmcsField selector_of(SegmentIndex segment) {
    return VmcsField(u32(VmcsField::kGuestEs) + 2 * u32(segment));
}
constexpr VmcsField limit_of(SegmentIndex segment) {
    return VmcsField(u32(VmcsField::kGuestEsLimit) + 2 * u32(segment));
}
constexpr VmcsField rights_of(SegmentIndex segment) {
    return VmcsField(u32(VmcsField::kGuestEsRights) + 2 * u32(segment));
}
constexpr VmcsField base_of(SegmentIndex segment) {
    return VmcsField(u32(VmcsField::kGuestEsBase) + 2 * u32(segment));
}
static_assert(selector_of(SegmentIndex::kTr) == VmcsField::kGuestTr);
static_assert(rights_of(SegmentIndex::kTr) == VmcsField::kGuestTrRights);
static_assert(base_of(SegmentIndex::kTr) == VmcsField::kGuestTrBase);

/// Access rights. Source: Intel SDM vol. 3C §24.4.1 "Guest Register State", table 24-2.
namespace rights {
using Type = Bits<0, 3>;
using System = Bits<4>;  ///< 1: code or data
using Dpl = Bits<5, 6>;
using Present = Bits<7>;
using Long = Bits<13>;
using Default = Bits<14>;
using Granularity = Bits<15>;
inline constexpr u32 kUnusable = 1u << 16;

/// From the packed form of x86::descriptor::packed_attributes().
constexpr u32 from_packed(u16 packed) {
    return (packed & 0xffu) | (packed & 0xf00u) << 4;
}
}  // namespace rights
static_assert(rights::from_packed(0xa9b) == 0xa09b);

/// Pin-based controls. Source: Intel SDM vol. 3C §24.6.1 "Pin-Based VM-Execution Controls".
namespace pin {
inline constexpr u32 kInterruptExiting = 1u << 0, kNmiExiting = 1u << 3, kVirtualNmis = 1u << 5,
                     kPreemptionTimer = 1u << 6;
}
/// Primary processor-based controls. Source: §24.6.2 "Processor-Based VM-Execution Controls".
namespace processor {
inline constexpr u32 kInterruptWindow = 1u << 2, kCr3LoadExiting = 1u << 15,
                     kCr3StoreExiting = 1u << 16, kCr8LoadExiting = 1u << 19, kNmiWindow = 1u << 22,
                     kMsrBitmaps = 1u << 28, kSecondary = 1u << 31;
}
/// Secondary controls: what the guest would lose (#UD) if they were off, and paging. ENQCMD needs
/// none.
namespace secondary {
inline constexpr u32 kEpt = 1u << 1, kRdtscp = 1u << 3, kVpid = 1u << 5, kInvpcid = 1u << 12,
                     kXsaves = 1u << 20, kUserWait = 1u << 26, kPconfig = 1u << 27;
}
/// Source: §24.7.1 "VM-Exit Controls".
namespace exit_control {
inline constexpr u32 kSaveDebug = 1u << 2, kHost64 = 1u << 9, kAcknowledgeInterrupt = 1u << 15,
                     kSaveEfer = 1u << 20, kLoadEfer = 1u << 21;
}
/// Source: §24.8.1 "VM-Entry Controls".
namespace entry_control {
inline constexpr u32 kLoadDebug = 1u << 2, kGuest64 = 1u << 9, kLoadEfer = 1u << 15;
}

/// Interruptibility state. Source: §24.4.2 "Guest Non-Register State", table 24-3.
namespace interruptibility {
inline constexpr u32 kSti = 1u << 0, kMovSs = 1u << 1, kSmi = 1u << 2, kNmi = 1u << 3,
                     kShadow = kSti | kMovSs;
}

/// Source: §24.4.2 "Guest Non-Register State".
enum class Activity : u32 { kActive = 0, kHalted = 1, kShutdown = 2, kWaitForSipi = 3 };

/// Bits of kPendingDebug.
inline constexpr u64 kPendingSingleStep = 1u << 14;

/// VM-entry and VM-exit interruption information, IDT-vectoring information.
/// Source: §24.8.3 "VM-Entry Controls for Event Injection", table 24-13.
struct Interruption {
    using Vector = Bits<0, 7>;
    using Type = Bits<8, 10>;
    using ErrorValid = Bits<11>;
    using NmiUnblocking = Bits<12>;  ///< of an exit: an IRET has ended the blocking of NMIs
    using Valid = Bits<31>;
};

/// Basic exit reasons. Source: Intel SDM vol. 3D appendix C "VMX Basic Exit Reasons".
enum class ExitCode : u32 {
    kExceptionOrNmi = 0,
    kExternalInterrupt = 1,
    kTripleFault = 2,
    kInit = 3,
    kSipi = 4,
    kInterruptWindow = 7,
    kNmiWindow = 8,
    kCpuid = 10,
    kGetsec = 11,
    kInvd = 13,
    kVmcall = 18,
    kVmclear = 19,
    kVmxon = 27,
    kCrAccess = 28,
    kReadMsr = 31,
    kWriteMsr = 32,
    kInvalidGuestState = 33,
    kMsrLoading = 34,
    kMachineCheckAtEntry = 41,
    kEptViolation = 48,
    kEptMisconfiguration = 49,
    kInvept = 50,
    kPreemptionTimer = 52,
    kInvvpid = 53,
    kWbinvd = 54,
    kXsetbv = 55,
    kVmfunc = 59,
    kSeamcall = 76,
    kTdcall = 77,
};
/// Set in the exit reason when the entry itself failed.
inline constexpr u32 kEntryFailure = 1u << 31;

/// Exit qualification of a control-register access. Source: §27.2.1 "Basic VM-Exit Information",
/// table 27-3.
struct CrAccess {
    using Number = Bits<0, 3>;
    using Kind = Bits<4, 5>;  ///< 0 MOV to CR, 1 MOV from CR, 2 CLTS, 3 LMSW
    using Gpr = Bits<8, 11>;
    using LmswSource = Bits<16, 31>;
    enum : u64 { kMovTo = 0, kMovFrom = 1, kClts = 2, kLmsw = 3 };
};

}  // namespace ringside::vmx
