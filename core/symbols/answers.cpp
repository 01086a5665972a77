// SPDX-License-Identifier: GPL-2.0-or-later
#include "symbols/answers.hpp"

#include "base/bits.hpp"
#include "base/memory.hpp"
#include "symbols/pattern.hpp"

namespace ringside::symbols {
namespace {

/// Text in a field of fixed size; what does not fit is noticed, not cut off.
class Text {
public:
    explicit Text(std::span<char> room) : room_{room} {}

    void add(const char* text) {
        for (; *text != '\0'; ++text)
            add(*text);
    }
    /// "0x", then lower-case digits without leading zeros, as the kernel's %#lx has them.
    void add_number(u64 number) {
        add("0x");
        unsigned digits = 1;
        while (digits < 16 && number >> (4 * digits) != 0)
            ++digits;
        while (digits-- > 0)
            add("0123456789abcdef"[number >> (4 * digits) & 0xf]);
    }
    /// Fills the rest with zeros. False: it did not fit, and everything is zero.
    bool finish() {
        if (used_ >= room_.size())
            used_ = 0;
        const bool fits = used_ != 0;
        fill_bytes(room_.data() + used_, 0, room_.size() - used_);
        return fits;
    }

private:
    void add(char letter) {
        if (used_ < room_.size())
            room_[used_++] = letter;
    }

    std::span<char> room_;
    usize used_ = 0;
};

template <usize kSize>
bool has_end(const char (&text)[kSize]) {
    for (const char letter : text)
        if (letter == '\0')
            return true;
    return false;
}

u32 answer(const SymbolTable& table, rs_symbol& request) {
    if (request.reserved != 0 || !has_end(request.name))
        return RS_ERR_BAD_IMAGE;
    if (request.name[0] != '\0') {
        const auto found = table.find(&request.name[0]);
        request.address = found ? *found : 0;
        return found ? u32{RS_OK} : u32{RS_ERR_NO_SYMBOL};
    }
    const auto found = table.find(request.address);
    if (!found)
        return RS_ERR_NO_SYMBOL;
    Text text{request.name};
    text.add(found->name);
    text.add("+");
    text.add_number(request.address - found->address);
    text.add("/");
    text.add_number(found->size_bytes);
    if (found->is_in_module) {
        text.add(" [");
        text.add(found->module);
        text.add("]");
    }
    return text.finish() ? u32{RS_OK} : u32{RS_ERR_NO_SYMBOL};
}

u32 answer(const SymbolTable& table, rs_symbol_list& header, std::span<u8> room) {
    if (header.reserved != 0 || header.next > ~u32{0} || !has_end(header.pattern))
        return RS_ERR_BAD_IMAGE;
    header.count = 0;
    usize used = 0;
    header.next = table.list(&header.pattern[0], u32(header.next), [&](const Symbol& symbol) {
        const usize module_length = length_of(symbol.module);
        const usize name_length = length_of(symbol.name);
        const usize length = module_length + 1 + name_length;
        const usize bytes = sizeof(rs_symbol_entry) + align_up(length, 8);
        if (bytes > room.size() - used)
            return false;
        const rs_symbol_entry entry = {
            .address = symbol.address, .name_len = u32(length), .type = u8(symbol.type)};
        u8* const to = room.data() + used;
        copy_bytes(to, &entry, sizeof entry);
        u8* const name = to + sizeof entry;
        copy_bytes(name, symbol.module, module_length);
        name[module_length] = '!';
        copy_bytes(name + module_length + 1, symbol.name, name_length);
        fill_bytes(name + length, 0, bytes - sizeof entry - length);
        used += bytes;
        ++header.count;
        return true;
    });
    header.used_len = u32(used);
    return header.count == 0 && header.next != 0 ? u32{RS_ERR_BAD_IMAGE} : u32{RS_OK};
}

}  // namespace

u32 answer_symbol(const SymbolTable& table, rs_symbol& request) {
    return request.error = answer(table, request);
}

u32 answer_list(const SymbolTable& table, std::span<u8> image) {
    rs_symbol_list header;
    if (image.size() < sizeof header)
        return RS_ERR_BAD_IMAGE;
    copy_bytes(&header, image.data(), sizeof header);
    const bool fits = header.size >= sizeof header && header.size % 8 == 0 &&
                      header.size <= header.total_len && header.total_len <= image.size();
    header.error = fits ? answer(table, header,
                                 image.subspan(header.size, usize(header.total_len) - header.size))
                        : u32{RS_ERR_BAD_IMAGE};
    copy_bytes(image.data(), &header, sizeof header);
    return header.error;
}

}  // namespace ringside::symbols
