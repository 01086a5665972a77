// SPDX-License-Identifier: GPL-2.0-or-later
#include "x86/instruction_length.hpp"

namespace ringside::x86 {

namespace {

/// A bit an opcode: bit n of word n / 64.
struct OpcodeSet {
    u64 words[4];
    constexpr bool has(u8 opcode) const { return (words[opcode / 64] >> opcode % 64 & 1) != 0; }
};

constexpr OpcodeSet set_of(const u8 (*ranges)[2], u32 count) {
    OpcodeSet set{};
    for (u32 i = 0; i < count; ++i)
        for (u32 opcode = ranges[i][0]; opcode <= ranges[i][1]; ++opcode)
            set.words[opcode / 64] |= u64{1} << opcode % 64;
    return set;
}

template <u32 kCount>
constexpr OpcodeSet set_of(const u8 (&ranges)[kCount][2]) {
    return set_of(ranges, kCount);
}

// One-byte opcodes.
constexpr OpcodeSet kModrm = set_of({{0x00, 0x03},
                                     {0x08, 0x0b},
                                     {0x10, 0x13},
                                     {0x18, 0x1b},
                                     {0x20, 0x23},
                                     {0x28, 0x2b},
                                     {0x30, 0x33},
                                     {0x38, 0x3b},
                                     {0x62, 0x63},
                                     {0x69, 0x69},
                                     {0x6b, 0x6b},
                                     {0x80, 0x8f},
                                     {0xc0, 0xc1},
                                     {0xc4, 0xc7},
                                     {0xd0, 0xd3},
                                     {0xd8, 0xdf},
                                     {0xf6, 0xf7},
                                     {0xfe, 0xff}});
constexpr OpcodeSet kImm8 =
    set_of({{0x04, 0x04}, {0x0c, 0x0c}, {0x14, 0x14}, {0x1c, 0x1c}, {0x24, 0x24},
            {0x2c, 0x2c}, {0x34, 0x34}, {0x3c, 0x3c}, {0x6a, 0x6b}, {0x70, 0x7f},
            {0x80, 0x80}, {0x82, 0x83}, {0xa8, 0xa8}, {0xb0, 0xb7}, {0xc0, 0xc1},
            {0xc6, 0xc6}, {0xcd, 0xcd}, {0xd4, 0xd5}, {0xe0, 0xe7}, {0xeb, 0xeb}});
/// 2 bytes with an operand-size prefix, else 4.
constexpr OpcodeSet kImmediate = set_of({{0x05, 0x05},
                                         {0x0d, 0x0d},
                                         {0x15, 0x15},
                                         {0x1d, 0x1d},
                                         {0x25, 0x25},
                                         {0x2d, 0x2d},
                                         {0x35, 0x35},
                                         {0x3d, 0x3d},
                                         {0x68, 0x69},
                                         {0x81, 0x81},
                                         {0xa9, 0xa9},
                                         {0xc7, 0xc7}});
constexpr OpcodeSet kNotIn64 = set_of({{0x06, 0x07},
                                       {0x0e, 0x0e},
                                       {0x16, 0x17},
                                       {0x1e, 0x1f},
                                       {0x27, 0x27},
                                       {0x2f, 0x2f},
                                       {0x37, 0x37},
                                       {0x3f, 0x3f},
                                       {0x60, 0x61},
                                       {0x82, 0x82},
                                       {0x9a, 0x9a},
                                       {0xce, 0xce},
                                       {0xd4, 0xd6},
                                       {0xea, 0xea}});
// Opcodes behind 0F.
constexpr OpcodeSet kModrm2 = set_of({{0x00, 0x03},
                                      {0x0d, 0x0d},
                                      {0x0f, 0x23},
                                      {0x28, 0x2f},
                                      {0x40, 0x76},
                                      {0x78, 0x7f},
                                      {0x90, 0x9f},
                                      {0xa3, 0xa7},
                                      {0xab, 0xc7},
                                      {0xd0, 0xff}});
constexpr OpcodeSet kImm8Behind2 = set_of({{0x0f, 0x0f},
                                           {0x70, 0x73},
                                           {0xa4, 0xa4},
                                           {0xac, 0xac},
                                           {0xba, 0xba},
                                           {0xc2, 0xc2},
                                           {0xc4, 0xc6}});
constexpr OpcodeSet kPlain2 = set_of({{0x05, 0x09},
                                      {0x0b, 0x0b},
                                      {0x0e, 0x0e},
                                      {0x30, 0x35},
                                      {0x37, 0x37},
                                      {0x77, 0x77},
                                      {0x80, 0x8f},
                                      {0xa0, 0xa2},
                                      {0xa8, 0xaa},
                                      {0xc8, 0xcf}});

class Decoder {
public:
    Decoder(const u8* bytes, u32 count, bool is_64_bit)
        : bytes_{bytes}, count_{count}, is_64_{is_64_bit} {}

    u32 length() {
        take_prefixes();
        if (!take_opcode() || at_ > count_ || at_ > kMaxInstructionBytes)
            return 0;
        return at_;
    }

private:
    u8 peek() const { return at_ < count_ ? bytes_[at_] : u8{0}; }
    u8 next() {
        const u8 byte = peek();
        ++at_;
        return byte;
    }
    bool skip(u32 bytes) {
        at_ += bytes;
        return true;
    }
    u32 immediate_bytes() const { return has_operand_prefix_ && !is_wide_ ? 2 : 4; }

    void take_prefixes() {
        for (; at_ < count_; ++at_) {
            switch (peek()) {
                case 0x66:
                    has_operand_prefix_ = true;
                    break;
                case 0x67:
                    has_address_prefix_ = true;
                    break;
                case 0x26:
                case 0x2e:
                case 0x36:
                case 0x3e:
                case 0x64:
                case 0x65:
                case 0xf0:
                case 0xf3:
                    break;
                case 0xf2:
                    has_repeat_prefix_ = true;
                    break;
                default:
                    if (!is_64_ || (peek() & 0xf0) != 0x40)
                        return;
                    // REX counts only right before the opcode.
                    if (const u8 after = at_ + 1 < count_ ? bytes_[at_ + 1] : u8{0};
                        !is_prefix(after)) {
                        is_wide_ = (peek() & 8) != 0;
                        ++at_;
                        return;
                    }
                    break;
            }
        }
    }
    bool is_prefix(u8 byte) const {
        return byte == 0x66 || byte == 0x67 || byte == 0x26 || byte == 0x2e || byte == 0x36 ||
               byte == 0x3e || byte == 0x64 || byte == 0x65 || byte == 0xf0 || byte == 0xf2 ||
               byte == 0xf3 || (byte & 0xf0) == 0x40;
    }

    bool take_opcode() {
        const u8 opcode = next();
        if (opcode == 0x0f)
            return take_two_bytes();
        // In 32-bit code VEX and EVEX are LES, LDS and BOUND with two registers.
        const bool has_registers = is_64_ || peek() >> 6 == 3;
        if ((opcode == 0xc4 || opcode == 0xc5) && has_registers)
            return take_vex(opcode);
        if (opcode == 0x62 && has_registers)
            return take_evex();
        if (opcode == 0x8f && (peek() & 0x1f) >= 8)
            return take_xop();
        if (is_64_ && kNotIn64.has(opcode))
            return false;
        if (kModrm.has(opcode) && !take_modrm())
            return false;
        switch (opcode) {
            case 0x9a:
            case 0xea:
                return skip(immediate_bytes() + 2);
            case 0xa0:
            case 0xa1:
            case 0xa2:
            case 0xa3:
                return skip(is_64_ ? (has_address_prefix_ ? 4 : 8) : has_address_prefix_ ? 2 : 4);
            case 0xc2:
            case 0xca:
                return skip(2);
            case 0xc8:
                return skip(3);
            case 0xe8:
            case 0xe9:
                // In 64-bit mode the operand size is fixed on Intel's processors.
                return skip(is_64_ ? 4 : immediate_bytes());
            case 0xf6:
                return skip((modrm_ >> 3 & 7) <= 1 ? 1 : 0);
            case 0xf7:
                return skip((modrm_ >> 3 & 7) <= 1 ? immediate_bytes() : 0);
            default:
                break;
        }
        if ((opcode & 0xf8) == 0xb8)
            return skip(is_wide_ ? 8 : immediate_bytes());
        return skip(kImm8.has(opcode) ? 1 : kImmediate.has(opcode) ? immediate_bytes() : 0);
    }

    bool take_two_bytes() {
        const u8 opcode = next();
        if (opcode == 0x38) {
            next();
            return take_modrm();
        }
        if (opcode == 0x3a) {
            next();
            return take_modrm() && skip(1);
        }
        if (kModrm2.has(opcode))
            return (opcode >= 0x20 && opcode <= 0x23 ? skip(1) : take_modrm()) &&
                   // EXTRQ and INSERTQ have two immediates, VMREAD none.
                   skip(opcode == 0x78 && (has_operand_prefix_ || has_repeat_prefix_) ? 2
                        : kImm8Behind2.has(opcode)                                    ? 1
                                                                                      : 0);
        if (opcode >= 0x80 && opcode <= 0x8f)
            return skip(is_64_ ? 4 : immediate_bytes());
        return kPlain2.has(opcode);
    }

    bool take_vex(u8 kind) {
        u8 map = 1;
        if (kind == 0xc4) {
            map = next() & 0x1f;
            if (map < 1 || map > 3)
                return false;
        }
        next();
        const u8 opcode = next();
        if (map == 1 && opcode == 0x77)
            return true;  // VZEROUPPER, VZEROALL
        return take_modrm() && skip(map == 3 || (map == 1 && kImm8Behind2.has(opcode)) ? 1 : 0);
    }

    bool take_evex() {
        const u8 map = next() & 7;
        if (map < 1 || map > 6 || map == 4)
            return false;
        at_ += 2;
        const u8 opcode = next();
        return take_modrm() && skip(map == 3 || (map == 1 && kImm8Behind2.has(opcode)) ? 1 : 0);
    }

    bool take_xop() {
        const u8 map = next() & 0x1f;
        if (map > 10)
            return false;
        at_ += 2;
        return take_modrm() && skip(map == 8 ? 1 : map == 10 ? 4 : 0);
    }

    bool take_modrm() {
        modrm_ = next();
        const u8 mod = modrm_ >> 6, rm = modrm_ & 7;
        if (mod == 3)
            return true;
        if (!is_64_ && has_address_prefix_)
            return skip(mod == 1 ? 1 : mod == 2 || rm == 6 ? 2 : 0);
        u8 base = rm;
        if (rm == 4)
            base = next() & 7;
        return skip(mod == 1 ? 1 : mod == 2 || base == 5 ? 4 : 0);
    }

    const u8* bytes_;
    u32 count_;
    bool is_64_;
    u32 at_ = 0;
    u8 modrm_ = 0;
    bool has_operand_prefix_ = false;
    bool has_address_prefix_ = false;
    bool has_repeat_prefix_ = false;  ///< F2
    bool is_wide_ = false;
};

}  // namespace

u32 instruction_length(const u8* bytes, u32 count, bool is_64_bit) {
    return Decoder{bytes, count, is_64_bit}.length();
}

u32 nop_length(const u8* bytes, u32 count, bool is_64_bit) {
    u32 at = 0;
    while (at < count && bytes[at] == 0x66)
        ++at;
    const bool is_short = at < count && bytes[at] == 0x90;
    const bool is_long =
        at + 2 < count && bytes[at] == 0x0f && bytes[at + 1] == 0x1f && (bytes[at + 2] & 0x38) == 0;
    return is_short || is_long ? instruction_length(bytes, count, is_64_bit) : 0;
}

}  // namespace ringside::x86
