// SPDX-License-Identifier: GPL-2.0-or-later
#include "script/globals.hpp"

#include "base/memory.hpp"
#include "script/opcode_info.hpp"

namespace ringside::script {

namespace {

u16 hash_of(std::span<const char> name) {
    u32 hash = 0x811c9dc5;  // FNV-1a
    for (const char c : name)
        hash = (hash ^ static_cast<u8>(c)) * 0x01000193;
    return static_cast<u16>(hash ^ (hash >> 16));
}

std::span<const char> name_in(const ProgramView& program, u32 index) {
    const rs_script_string& name = program.global(index);
    return {program.bytes() + name.offset, name.length};
}

}  // namespace

std::span<const char> GlobalTable::name(u32 slot) const {
    return {bytes_ + entries_[slot].offset, entries_[slot].length};
}

u32 GlobalTable::find(std::span<const char> wanted) const {
    const u16 hash = hash_of(wanted);
    for (u32 slot = 0; slot < count_; ++slot) {
        const Entry& entry = entries_[slot];
        if (entry.hash == hash && entry.length == wanted.size() &&
            equal_bytes(bytes_ + entry.offset, wanted.data(), wanted.size()))
            return slot;
    }
    return kNotFound;
}

bool GlobalTable::has_room(u32 new_names, u32 new_bytes) const {
    return new_names <= kCapacity - count_ && new_bytes <= kNameBytes - used_bytes_;
}

Result<u32> GlobalTable::find_or_add(std::span<const char> wanted) {
    if (const u32 slot = find(wanted); slot != kNotFound)
        return slot;
    const auto length = static_cast<u32>(wanted.size());
    if (wanted.size() > RS_SCRIPT_MAX_NAME_BYTES || !has_room(1, length))
        return Error{RS_ERR_TOO_MANY_GLOBALS, count_};
    Entry& entry = entries_[count_];
    entry.offset = used_bytes_;
    entry.length = static_cast<u16>(length);
    entry.hash = hash_of(wanted);
    copy_bytes(bytes_ + used_bytes_, wanted.data(), length);
    used_bytes_ += length;
    return count_++;
}

void GlobalTable::clear() {
    count_ = 0;
    used_bytes_ = 0;
}

Result<void> link(std::span<u8> image, GlobalTable& table) {
    const ProgramView program{image.data()};
    u32 new_names = 0;
    u32 new_bytes = 0;
    for (u32 i = 0; i < program.global_count(); ++i) {
        const auto name = name_in(program, i);
        if (table.find(name) == GlobalTable::kNotFound) {
            ++new_names;
            new_bytes += static_cast<u32>(name.size());
        }
    }
    if (!table.has_room(new_names, new_bytes))
        return Error{RS_ERR_TOO_MANY_GLOBALS, table.count() + new_names};

    // The names are in the table from here on; a repeated look-up costs one pass over the entries.
    auto* code =
        reinterpret_cast<rs_script_instruction*>(image.data() + program.header().code.offset);
    u32 last_index = GlobalTable::kNotFound;
    u16 last_slot = 0;
    const auto slot_of = [&](u32 index) {
        if (index != last_index) {
            last_slot = static_cast<u16>(*table.find_or_add(name_in(program, index)));
            last_index = index;
        }
        return last_slot;
    };
    for (u32 i = 0; i < program.global_count(); ++i)
        slot_of(i);
    for (u32 i = 0; i < program.code_count(); ++i) {
        const OpcodeInfo& info = kOpcodes[code[i].op];
        if (info.operand[0] == RS_OPERAND_GLOBAL)
            code[i].a = slot_of(code[i].a);
        if (info.operand[1] == RS_OPERAND_GLOBAL)
            code[i].b = slot_of(code[i].b);
    }
    reinterpret_cast<rs_script_image*>(image.data())->flags |= RS_SCRIPTF_LINKED;
    return {};
}

}  // namespace ringside::script
