// SPDX-License-Identifier: GPL-2.0-or-later
#include "x86/code_traits.hpp"

namespace ringside::x86 {

namespace {

constexpr u8 kRsp = 4;

/// What follows an opcode that is allowed in straight code.
enum class Form : u8 {
    kRefused,
    kPlain,
    kModrm,  ///< both operands count
    kModrmImm8,
    kModrmImmediate,  ///< of the operand size, at most 4 bytes
    kGroup,           ///< the register field says which operation
    kGroupImm8,
    kGroupImmediate,
    kImm8,
    kImmediate,
    kLowRegister,  ///< a register in the opcode's low three bits
    kLowRegisterImm8,
    kLowRegisterImmediate,  ///< up to 8 bytes
    kJump8,
    kJump32,
    kMoveSystem,  ///< MOV from a control or debug register: its register operand only
};

constexpr bool is_between(u8 value, u8 first, u8 last) {
    return value >= first && value <= last;
}

Form form_of(u8 opcode) {
    if (opcode <
        0x40) {  // eight groups of arithmetic; the last two of each group of eight are others
        constexpr Form kForms[8] = {Form::kModrm, Form::kModrm,     Form::kModrm,   Form::kModrm,
                                    Form::kImm8,  Form::kImmediate, Form::kRefused, Form::kRefused};
        return kForms[opcode & 7];
    }
    if (is_between(opcode, 0x70, 0x7f) || opcode == 0xeb)
        return Form::kJump8;
    if (is_between(opcode, 0x84, 0x8b) || opcode == 0x63 || opcode == 0x8d)
        return Form::kModrm;
    if (is_between(opcode, 0x90, 0x97))
        return Form::kLowRegister;
    if (is_between(opcode, 0xb0, 0xb7))
        return Form::kLowRegisterImm8;
    if (is_between(opcode, 0xb8, 0xbf))
        return Form::kLowRegisterImmediate;
    if (is_between(opcode, 0xd0, 0xd3) || opcode == 0xf6 || opcode == 0xf7 || opcode == 0xfe ||
        opcode == 0xff)
        return Form::kGroup;
    switch (opcode) {
        case 0x69:
            return Form::kModrmImmediate;
        case 0x6b:
            return Form::kModrmImm8;
        case 0x80:
        case 0x83:
        case 0xc0:
        case 0xc1:
        case 0xc6:
            return Form::kGroupImm8;
        case 0x81:
        case 0xc7:
            return Form::kGroupImmediate;
        case 0xa8:
            return Form::kImm8;
        case 0xa9:
            return Form::kImmediate;
        case 0xe9:
            return Form::kJump32;
        case 0x98:  // CBW, CWD and what they are with other sizes
        case 0x99:
        case 0xc3:  // RET
        case 0xcc:  // INT3
        case 0xf4:  // HLT
        case 0xf5:  // flags
        case 0xf8:
        case 0xf9:
        case 0xfa:
        case 0xfb:
        case 0xfc:
        case 0xfd:
            return Form::kPlain;
        default:
            return Form::kRefused;
    }
}

Form form_of_two_bytes(u8 opcode) {
    if (is_between(opcode, 0x40, 0x4f) || is_between(opcode, 0xb0, 0xb1) ||
        is_between(opcode, 0xb6, 0xb7) || is_between(opcode, 0xbb, 0xbf) ||
        is_between(opcode, 0xc0, 0xc1))
        return Form::kModrm;  // CMOV, CMPXCHG, MOVZX, BTC, BSF, BSR, MOVSX, XADD
    if (is_between(opcode, 0x80, 0x8f))
        return Form::kJump32;
    if (is_between(opcode, 0x90, 0x9f))
        return Form::kGroup;  // SETcc
    if (is_between(opcode, 0xc8, 0xcf))
        return Form::kLowRegister;  // BSWAP
    switch (opcode) {
        case 0x1f:  // NOP
            return Form::kGroup;
        case 0x20:
        case 0x21:
            return Form::kMoveSystem;
        case 0xa3:  // BT, SHLD, BTS, SHRD, IMUL, BTR
        case 0xa5:
        case 0xab:
        case 0xad:
        case 0xaf:
        case 0xb3:
            return Form::kModrm;
        case 0xa4:
        case 0xac:
            return Form::kModrmImm8;
        case 0xba:
            return Form::kGroupImm8;
        case 0x0b:  // UD2
        case 0x31:  // RDTSC
        case 0x32:  // RDMSR
        case 0x33:  // RDPMC
        case 0xa2:  // CPUID
            return Form::kPlain;
        default:
            return Form::kRefused;
    }
}

/// Goes over code from its first byte, instruction by instruction.
class Sweep {
public:
    Sweep(const u8* bytes, usize count) : bytes_{bytes}, count_{count} {}

    bool is_straight() {
        while (at_ < count_) {
            mark(starts_, at_);
            if (!take_instruction())
                return false;
        }
        if (at_ != count_)
            return false;  // the last one ends beyond the code
        mark(starts_, count_);
        for (usize i = 0; i < sizeof targets_ / sizeof *targets_; ++i)
            if (targets_[i] & ~starts_[i])
                return false;
        return true;
    }

private:
    using Bitmap = u64[kMaxStraightBytes / 64 + 1];

    static void mark(Bitmap& bitmap, usize bit) { bitmap[bit / 64] |= u64{1} << (bit % 64); }

    /// Beyond the end there is the RET and then zeroes; is_straight() finds out.
    u8 next() { return at_ < count_ ? bytes_[at_++] : (++at_, u8{0}); }
    s32 next_signed(u32 bytes) {
        u32 value = 0;
        for (u32 i = 0; i < bytes; ++i)
            value |= u32(next()) << (8 * i);
        return bytes == 1 ? s8(value) : s32(value);
    }

    void take_prefixes() {
        constexpr u8 kOperandSize = 0x66, kFs = 0x64, kGs = 0x65, kLock = 0xf0;
        has_operand_prefix_ = false;
        rex_ = 0;
        for (;;) {
            opcode_ = next();
            if (opcode_ == kOperandSize)
                has_operand_prefix_ = true;
            else if (opcode_ != kFs && opcode_ != kGs && opcode_ != kLock)
                break;
        }
        if ((opcode_ & 0xf0) == 0x40) {
            rex_ = opcode_;
            opcode_ = next();
        }
    }

    u32 immediate_bytes() const { return has_operand_prefix_ && !(rex_ & 8) ? 2 : 4; }

    bool take_instruction() {
        take_prefixes();
        is_two_bytes_ = opcode_ == 0x0f;
        if (is_two_bytes_)
            opcode_ = next();
        const Form form = is_two_bytes_ ? form_of_two_bytes(opcode_) : form_of(opcode_);
        const u32 immediate = immediate_bytes();
        constexpr u8 kRet = 0xc3;
        switch (form) {
            case Form::kRefused:
                return false;
            case Form::kPlain:
                return opcode_ != kRet || !has_operand_prefix_;
            case Form::kModrm:
                return take_modrm(true);
            case Form::kModrmImm8:
                return take_modrm(true) && skip(1);
            case Form::kModrmImmediate:
                return take_modrm(true) && skip(immediate);
            case Form::kGroup:
                return take_modrm(false) && take_group();
            case Form::kGroupImm8:
                return take_modrm(false) && is_allowed_move() && skip(1);
            case Form::kGroupImmediate:
                return take_modrm(false) && is_allowed_move() && skip(immediate);
            case Form::kImm8:
                return skip(1);
            case Form::kImmediate:
                return skip(immediate);
            case Form::kLowRegister:
                return is_other_than_rsp(opcode_ & 7, 1);
            case Form::kLowRegisterImm8:
                return is_other_than_rsp(opcode_ & 7, 1) && skip(1);
            case Form::kLowRegisterImmediate:
                return is_other_than_rsp(opcode_ & 7, 1) && skip(rex_ & 8 ? 8 : immediate);
            case Form::kJump8:
                return take_jump(1);
            case Form::kJump32:
                return take_jump(4);
            case Form::kMoveSystem:
                return is_other_than_rsp(next() & 7, 1);
        }
        return false;
    }

    bool skip(u32 bytes) {
        at_ += bytes;
        return true;
    }
    /// `rex_bit`: the bit of REX that makes it one of the upper eight.
    bool is_other_than_rsp(u8 number, u8 rex_bit) const { return number != kRsp || rex_ & rex_bit; }

    bool take_modrm(bool is_register) {
        modrm_ = next();
        const u8 mod = modrm_ >> 6, rm = modrm_ & 7;
        if (is_register && !is_other_than_rsp(modrm_ >> 3 & 7, 4))
            return false;
        if (mod == 3)
            return is_other_than_rsp(rm, 1);
        u8 base = rm;
        if (rm == 4) {
            base = next() & 7;
            if (!is_other_than_rsp(base, 1))
                return false;
        }
        const bool has_no_base = mod == 0 && base == 5;  // an absolute address, or one behind RIP
        return skip(mod == 1 ? 1 : mod == 2 || has_no_base ? 4 : 0);
    }

    /// Of the groups the operations that neither jump nor push; TEST has an immediate.
    bool take_group() {
        const u8 operation = modrm_ >> 3 & 7;
        if (is_two_bytes_)
            return true;
        switch (opcode_) {
            case 0xf6:
                return skip(operation <= 1 ? 1 : 0);
            case 0xf7:
                return skip(operation > 1 ? 0 : immediate_bytes());
            case 0xfe:
            case 0xff:
                return operation <= 1;
            default:
                return true;
        }
    }
    /// XABORT and XBEGIN share the opcodes of MOV.
    bool is_allowed_move() const {
        return is_two_bytes_ || (opcode_ != 0xc6 && opcode_ != 0xc7) || (modrm_ >> 3 & 7) == 0;
    }

    /// With an operand-size prefix the vendors differ in the length.
    bool take_jump(u32 bytes) {
        if (has_operand_prefix_)
            return false;
        const s32 distance = next_signed(bytes);
        const u64 target = u64(at_) + u64(s64(distance));
        if (distance < 0 || target > count_)
            return false;
        mark(targets_, target);
        return true;
    }

    const u8* bytes_;
    usize count_;
    usize at_ = 0;
    Bitmap starts_ = {};
    Bitmap targets_ = {};
    u8 opcode_ = 0, rex_ = 0, modrm_ = 0;
    bool has_operand_prefix_ = false;
    bool is_two_bytes_ = false;
};

/// Looks at bytes, wherever instructions begin.
bool has_vector_opcode(const u8* bytes, usize count) {
    for (usize i = 0; i < count; ++i) {
        const u8 byte = bytes[i];
        // x87, WAIT, VEX, EVEX, XOP.
        if (is_between(byte, 0xd8, 0xdf) || byte == 0x9b || byte == 0xc4 || byte == 0xc5 ||
            byte == 0x62 || byte == 0x8f)
            return true;
        if (byte != 0x0f)
            continue;
        const u8 second = i + 1 < count ? bytes[i + 1] : u8{0xff};
        if (!is_between(second, 0x18, 0x23) && !is_between(second, 0x30, 0x37) &&
            !is_between(second, 0x40, 0x4f) && !is_between(second, 0x80, 0xad) &&
            !is_between(second, 0xaf, 0xc1) && second != 0xc3 && !is_between(second, 0xc7, 0xcf) &&
            second > 0x0b)
            return true;
    }
    return false;
}

}  // namespace

CodeTraits examine_code(const u8* bytes, usize count) {
    return {.is_straight = count <= kMaxStraightBytes && Sweep{bytes, count}.is_straight(),
            .may_use_vectors = has_vector_opcode(bytes, count)};
}

}  // namespace ringside::x86
