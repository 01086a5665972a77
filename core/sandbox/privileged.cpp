// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/privileged.hpp"

namespace ringside::sandbox {

namespace {

using Kind = Privileged::Kind;

constexpr usize kMaxInstruction = 15;

/// Reads bytes one by one; beyond the end it gives zeroes and remembers that.
class Reader {
public:
    Reader(const u8* bytes, usize count)
        : bytes_{bytes}, count_{count < kMaxInstruction ? count : kMaxInstruction} {}

    u8 next() {
        if (at_ < count_)
            return bytes_[at_++];
        is_over_ = true;
        return 0;
    }
    s32 next_s32() {
        u32 value = 0;
        for (u32 shift = 0; shift < 32; shift += 8)
            value |= u32(next()) << shift;
        return s32(value);
    }
    usize at() const { return at_; }
    bool is_over() const { return is_over_; }

private:
    const u8* bytes_;
    usize count_;
    usize at_ = 0;
    bool is_over_ = false;
};

struct Prefixes {
    bool operand = false;  ///< 0x66
    bool address = false;  ///< 0x67
    bool other = false;    ///< LOCK, REPNE, REP: other instructions begin with these
    bool repne = false;
    u8 segment = 0;
    u8 rex = 0;

    u8 rex_b() const { return u8(rex << 3 & 8); }
    u8 rex_x() const { return u8(rex << 2 & 8); }
    u8 rex_r() const { return u8(rex << 1 & 8); }
    bool rex_w() const { return rex & 8; }
};

/// Reads prefixes; returns the opcode's first byte. A REX prefix counts right before it only.
u8 read_prefixes(Reader& reader, Prefixes& found) {
    for (;;) {
        const u8 byte = reader.next();
        switch (byte) {
            case 0x66:
                found.operand = true;
                break;
            case 0x67:
                found.address = true;
                break;
            case 0xf2:
                found.repne = true;
                [[fallthrough]];
            case 0xf0:
            case 0xf3:
                found.other = true;
                break;
            case 0x26:
            case 0x2e:
            case 0x36:
            case 0x3e:
                break;
            case 0x64:
            case 0x65:
                found.segment = byte;
                break;
            default:
                if ((byte & 0xf0) != 0x40)
                    return byte;
                found.rex = byte;
                continue;
        }
        found.rex = 0;
        if (reader.is_over())
            return 0;
    }
}

void read_memory_operand(Reader& reader, const Prefixes& prefixes, u8 modrm, Privileged& to) {
    to.is_memory = true;
    to.is_short = prefixes.address;
    to.segment = prefixes.segment;
    const u8 mod = modrm >> 6;
    u8 base = modrm & 7;
    if (base == 4) {
        const u8 sib = reader.next();
        const u8 index = u8((sib >> 3 & 7) | prefixes.rex_x());
        if (index != 4) {
            to.index = index;
            to.scale = u8(1 << (sib >> 6));
        }
        base = sib & 7;
        if (base == 5 && mod == 0) {
            to.displacement = reader.next_s32();
            return;
        }
    } else if (base == 5 && mod == 0) {
        to.base = Privileged::kRip;
        to.displacement = reader.next_s32();
        return;
    }
    to.base = u8(base | prefixes.rex_b());
    if (mod == 1)
        to.displacement = s8(reader.next());
    else if (mod == 2)
        to.displacement = reader.next_s32();
}

/// The destination of SMSW, SLDT, STR: 16 bits in memory, the operand size in a register.
void read_small_operand(Reader& reader, const Prefixes& prefixes, u8 modrm, Privileged& to) {
    if (modrm >> 6 != 3) {
        to.operand_bytes = 2;
        return read_memory_operand(reader, prefixes, modrm, to);
    }
    to.operand = u8((modrm & 7) | prefixes.rex_b());
    to.operand_bytes = prefixes.rex_w() ? 8 : prefixes.operand ? 2 : 4;
}

void decode_group(Reader& reader, const Prefixes& prefixes, bool is_group7, Privileged& to) {
    const u8 modrm = reader.next();
    const u8 reg = modrm >> 3 & 7;
    const bool is_memory = modrm >> 6 != 3;
    constexpr u8 kMwaitx = 0xfb;
    if (is_group7 && modrm == kMwaitx) {
        to.kind = Kind::kWait;
        return;
    }
    if (is_group7 && reg == 4) {
        to.kind = Kind::kReadStatus;
    } else if (is_group7 && is_memory && reg <= 1) {
        to.kind = reg == 0 ? Kind::kStoreGdt : Kind::kStoreIdt;
        return read_memory_operand(reader, prefixes, modrm, to);
    } else if (!is_group7 && reg <= 1) {
        to.kind = reg == 0 ? Kind::kStoreLdt : Kind::kStoreTask;
    } else {
        return;
    }
    read_small_operand(reader, prefixes, modrm, to);
}

void decode_move(Reader& reader, const Prefixes& prefixes, bool is_debug, Privileged& to) {
    const u8 modrm = reader.next();
    to.number = u8((modrm >> 3 & 7) | prefixes.rex_r());
    to.operand = u8((modrm & 7) | prefixes.rex_b());
    constexpr u32 kControl = 1 << 0 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 8;
    constexpr u32 kDebug = 0xcf;
    if ((is_debug ? kDebug : kControl) >> to.number & 1)
        to.kind = is_debug ? Kind::kReadDebug : Kind::kReadControl;
}

/// Group 15, operation 6 on a register: UMWAIT or TPAUSE with the right prefix. Reads on only if
/// the opcode is that group's.
bool is_user_wait(Reader& reader) {
    Reader ahead = reader;
    if (ahead.next() != 0xae)
        return false;
    const u8 modrm = ahead.next();
    reader = ahead;
    return modrm >> 6 == 3 && (modrm >> 3 & 7) == 6 && !ahead.is_over();
}

}  // namespace

Privileged decode_privileged(const u8* bytes, usize count) {
    Reader reader{bytes, count};
    Prefixes prefixes;
    Privileged found;
    const u8 first = read_prefixes(reader, prefixes);
    if (first == 0x0f && (prefixes.operand || prefixes.repne) && is_user_wait(reader)) {
        found.kind = Kind::kWait;
        found.length = u8(reader.at());
        return found;
    }
    if (prefixes.other)
        return {};
    if (first == 0xfa || first == 0xfb) {
        found.kind = Kind::kNothing;
    } else if (first == 0x0f) {
        switch (reader.next()) {
            case 0x00:
                decode_group(reader, prefixes, false, found);
                break;
            case 0x01:
                decode_group(reader, prefixes, true, found);
                break;
            case 0x20:
                decode_move(reader, prefixes, false, found);
                break;
            case 0x21:
                decode_move(reader, prefixes, true, found);
                break;
            case 0x32:
                found.kind = Kind::kReadMsr;
                break;
            case 0x33:
                found.kind = Kind::kReadCounter;
                break;
            default:
                break;
        }
    }
    if (found.kind == Kind::kNone || reader.is_over())
        return {};
    found.length = u8(reader.at());
    return found;
}

}  // namespace ringside::sandbox
