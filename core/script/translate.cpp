// SPDX-License-Identifier: GPL-2.0-or-later
// From bytecode to machine code, instruction by instruction. Virtual registers live in memory; the
// one computed last is known to be in RAX, too. Source: Intel SDM vol. 2, instruction encodings.
#include <initializer_list>

#include "script/machine_code.hpp"
#include "script/machine_state.hpp"
#include "script/opcode_info.hpp"

namespace ringside::script {

namespace {

constexpr u32 kNothing = ~u32{0};

// RBX: virtual registers of the function. R12: state. R13: globals. R15: operations left.
enum Gpr : u8 { kRax = 0, kRcx = 1, kRdx = 2, kRbx = 3, kRsi = 6, kRdi = 7 };

/// Condition codes of Jcc and SETcc.
enum Condition : u8 {
    kBelow = 2,
    kAboveEqual = 3,
    kEqual = 4,
    kNotEqual = 5,
    kBelowEqual = 6,
    kAbove = 7,
    kLess = 12,
    kGreaterEqual = 13,
    kLessEqual = 14,
    kGreater = 15,
};
constexpr u8 inverse(u8 condition) {
    return condition ^ 1;
}

#define RS_STATE_OFFSET(member) __builtin_offsetof(MachineState, member)
constexpr u8 kRegisters = RS_STATE_OFFSET(registers), kGlobals = RS_STATE_OFFSET(globals),
             kStop = RS_STATE_OFFSET(stop), kRemaining = RS_STATE_OFFSET(remaining),
             kPc = RS_STATE_OFFSET(pc), kValue = RS_STATE_OFFSET(value),
             kHasValue = RS_STATE_OFFSET(has_value), kHelpers = RS_STATE_OFFSET(helpers);
#undef RS_STATE_OFFSET
static_assert(kRegisters == 0 && kHelpers < 0x80, "the encodings used here take no more");

/// Instructions after which counting begins anew: the interpreter looks at its count there.
bool ends_block(u16 op) {
    switch (op) {
        case RS_OP_RETURN:
        case RS_OP_RETURN_VALUE:
        case RS_OP_CALL:
        case RS_OP_CALL_BUILTIN:
        case RS_OP_PRINTF:
            return true;
        default: {
            const OpcodeInfo& info = kOpcodes[op];
            return info.operand[0] == RS_OPERAND_TARGET || info.operand[1] == RS_OPERAND_TARGET ||
                   info.operand[2] == RS_OPERAND_TARGET;
        }
    }
}

u32 target_of(const rs_script_instruction& in) {
    const OpcodeInfo& info = kOpcodes[in.op];
    return info.operand[0] == RS_OPERAND_TARGET   ? in.a
           : info.operand[1] == RS_OPERAND_TARGET ? in.b
           : info.operand[2] == RS_OPERAND_TARGET ? in.c
                                                  : kNothing;
}

class Translator {
public:
    Translator(const ProgramView& program, std::span<u8> to, std::span<u32> offsets)
        : program_{program}, to_{to}, offsets_{offsets} {}

    usize run() {
        mark_leaders();
        // No instruction's length depends on where a jump leads: the second pass knows all offsets.
        emit();
        emit();
        for (u32 pc = 0; pc < program_.code_count(); ++pc)
            offsets_[pc] &= ~kLeader;
        return at_;
    }

private:
    /// Kept in the offset of an instruction that begins a block.
    static constexpr u32 kLeader = 1u << 31;

    void emit() {
        at_ = 0;
        prologue();
        for (u32 pc = 0; pc < program_.code_count(); ++pc) {
            offsets_[pc] = (offsets_[pc] & kLeader) | at_;
            if (is_leader(pc)) {
                spoil();
                block_end_ = end_of_block(pc);
                bytes({0x49, 0x81, 0xef});  // sub r15, operations of the block
                u32_at(block_end_ - pc);
            }
            instruction(pc, program_.code()[pc]);
        }
    }

    void mark_leaders() {
        const u32 count = program_.code_count();
        for (u32 pc = 0; pc < count; ++pc)
            offsets_[pc] = 0;
        for (u32 i = 0; i < program_.function_count(); ++i)
            offsets_[program_.function(i).first] = kLeader;
        for (u32 pc = 0; pc < count; ++pc) {
            const rs_script_instruction& in = program_.code()[pc];
            if (const u32 target = target_of(in); target != kNothing)
                offsets_[target] = kLeader;
            if (ends_block(in.op) && pc + 1 < count)
                offsets_[pc + 1] = kLeader;
        }
    }
    bool is_leader(u32 pc) const { return (offsets_[pc] & kLeader) != 0; }
    u32 end_of_block(u32 pc) const {
        do
            ++pc;
        while (pc < program_.code_count() && !is_leader(pc));
        return pc;
    }

    // ---- bytes ----
    /// Behind the end of the room bytes are only counted.
    void byte(u8 value) {
        if (at_ < to_.size())
            to_[at_] = value;
        ++at_;
    }
    void bytes(std::initializer_list<u8> values) {
        for (const u8 value : values)
            byte(value);
    }
    void u32_at(u32 value) {
        for (u32 i = 0; i < 4; ++i)
            byte(static_cast<u8>(value >> 8 * i));
    }
    void u64_at(u64 value) {
        u32_at(static_cast<u32>(value));
        u32_at(static_cast<u32>(value >> 32));
    }
    /// REX.W, an opcode, and virtual register `index` in memory as the other operand.
    void with_register(std::initializer_list<u8> opcode, u8 gpr, u32 index, bool is_wide = true) {
        if (is_wide)
            byte(0x48);
        bytes(opcode);
        const u32 offset = index * 8;
        if (offset < 0x80) {
            byte(static_cast<u8>(0x40 | gpr << 3 | kRbx));
            byte(static_cast<u8>(offset));
        } else {
            byte(static_cast<u8>(0x80 | gpr << 3 | kRbx));
            u32_at(offset);
        }
    }
    /// The same with a global variable.
    void with_global(u8 opcode, u8 gpr, u32 slot) {
        bytes({0x49, opcode, static_cast<u8>(0x85 | gpr << 3)});
        u32_at(slot * 8);
    }
    /// The same with a field of the state.
    void with_state(std::initializer_list<u8> opcode, u8 gpr, u32 offset, u8 rex = 0x49) {
        byte(rex);
        bytes(opcode);
        bytes({static_cast<u8>(0x44 | gpr << 3), 0x24, static_cast<u8>(offset)});
    }

    void load(u8 gpr, u32 index) { with_register({0x8b}, gpr, index); }
    void load_rax(u32 index) {
        if (cached_ != index)
            load(kRax, index);
        cached_ = index;
    }
    void store_rax(u32 index) {
        with_register({0x89}, kRax, index);
        cached_ = index;
    }
    /// RAX no longer holds a virtual register's value.
    void spoil() { cached_ = kNothing; }

    // ---- jumps ----
    /// A jump forward within what one instruction takes; land() ends it.
    u32 jump_short(u8 condition) {
        bytes({static_cast<u8>(0x70 | condition), 0});
        return at_;
    }
    u32 jump_short() {
        bytes({0xeb, 0});
        return at_;
    }
    void land(u32 from) { patch(from - 1, static_cast<u8>(at_ - from)); }
    void patch(u32 at, u8 value) {
        if (at < to_.size())
            to_[at] = value;
    }

    void relative(u32 offset) { u32_at(offset - (at_ + 4)); }
    void jump_to(u32 target) {
        byte(0xe9);
        relative(offsets_[target] & ~kLeader);
    }

    // ---- the frame of it all ----
    /// u32 entry(MachineState*): an error, 0 for none.
    void prologue() {
        // push rbx, rbp, r12, r13, r15; the stack is aligned then
        bytes({0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x57});
        bytes({0x49, 0x89, 0xfc});              // mov r12, rdi
        bytes({0x48, 0x8b, 0x1f});              // mov rbx, [rdi]
        bytes({0x4c, 0x8b, 0x6f, kGlobals});    // mov r13, [rdi+globals]
        bytes({0x4c, 0x8b, 0x7f, kRemaining});  // mov r15, [rdi+remaining]
        const u32 over = jump_short();
        exit_ = at_;
        with_state({0x89}, 7, kRemaining, 0x4d);                        // mov [r12+remaining], r15
        bytes({0x41, 0x5f, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xc3});  // pop all; ret
        land(over);
    }
    /// Ends the run with the error in EAX, at instruction `pc`.
    void leave(u32 pc) {
        bytes({0x49, 0xc7, 0x44, 0x24, kPc});  // mov qword [r12+pc], imm32
        u32_at(pc);
        // The block was counted as a whole.
        if (const u32 rest = block_end_ - (pc + 1); pc != kNothing && rest > 0 && rest < 0x10000) {
            bytes({0x49, 0x81, 0xc7});  // add r15, rest
            u32_at(rest);
        }
        byte(0xe9);
        relative(exit_);
    }
    /// The same for an error of the code's own; its value is in RCX.
    void fail(u32 pc, rs_script_error error) {
        with_state({0x89}, kRcx, kValue);  // mov [r12+value], rcx
        bytes({0x49, 0xc7, 0x44, 0x24, kHasValue});
        u32_at(1);
        byte(0xb8);  // mov eax, error
        u32_at(error);
        leave(pc);
    }
    void call(Helper helper) {
        bytes({0x4c, 0x89, 0xe7});           // mov rdi, r12
        with_state({0x8b}, kRax, kHelpers);  // mov rax, [r12+helpers]
        bytes({0xff, 0x50, static_cast<u8>(8 * static_cast<u32>(helper))});  // call [rax+helper]
        spoil();
    }
    void move_immediate(u8 gpr, u32 value) {
        byte(static_cast<u8>(0xb8 | gpr));
        u32_at(value);
    }
    /// Leaves if EAX holds an error.
    void check_error(u32 pc) {
        bytes({0x85, 0xc0});  // test eax, eax
        const u32 fine = jump_short(kEqual);
        leave(pc);
        land(fine);
    }
    void save_remaining() { with_state({0x89}, 7, kRemaining, 0x4d); }
    void restore_remaining() { with_state({0x8b}, 7, kRemaining, 0x4d); }

    /// Any instruction that does not jump, by the interpreter.
    void step(u32 pc) {
        save_remaining();
        bytes({0x48, 0x89, 0xde});  // mov rsi, rbx
        move_immediate(kRdx, pc);
        call(Helper::kStep);
        restore_remaining();
        check_error(pc);
    }
    /// What the interpreter looks at behind expensive instructions.
    void check_limits(u32 pc) {
        bytes({0x4d, 0x85, 0xff});  // test r15, r15
        const u32 fine = jump_short(kGreater);
        save_remaining();
        call(Helper::kLimits);
        restore_remaining();
        check_error(pc);
        land(fine);
    }
    /// What it looks at before it jumps back; errors are told of the instruction before the target.
    void check_backward(u32 target) {
        with_state({0x8b}, kRax, kStop);  // mov rax, [r12+stop]
        bytes({0x83, 0x38, 0x00});        // cmp dword [rax], 0
        const u32 goes_on = jump_short(kEqual);
        bytes({0x31, 0xc9});  // xor ecx, ecx
        // Nothing of this block is left to count.
        const u32 kept = block_end_;
        block_end_ = target;
        fail(target - 1, RS_SCRIPT_STOPPED);
        land(goes_on);
        check_limits(target - 1);
        block_end_ = kept;
        spoil();
    }
    void branch(u32 pc, u8 condition, u32 target) {
        if (target <= pc) {
            // jcc over; checks; jmp
            bytes({0x0f, static_cast<u8>(0x80 | inverse(condition))});
            const u32 field = at_;
            u32_at(0);
            const u32 cached = cached_;
            check_backward(target);
            jump_to(target);
            const u32 distance = at_ - (field + 4);
            for (u32 i = 0; i < 4; ++i)
                patch(field + i, static_cast<u8>(distance >> 8 * i));
            cached_ = cached;
            return;
        }
        bytes({0x0f, static_cast<u8>(0x80 | condition)});
        relative(offsets_[target] & ~kLeader);
    }
    void jump(u32 pc, u32 target) {
        if (target <= pc)
            check_backward(target);
        jump_to(target);
    }

    // ---- instructions ----
    void binary(const rs_script_instruction& in, std::initializer_list<u8> opcode, bool is_wide) {
        load_rax(in.b);
        with_register(opcode, kRax, in.c, is_wide);
    }
    void sign_extend() { bytes({0x48, 0x63, 0xc0}); }  // movsxd rax, eax
    void immediate(u8 opcode, u16 value) {             // op rax, imm32
        bytes({0x48, opcode});
        u32_at(static_cast<u32>(static_cast<s32>(static_cast<s16>(value))));
    }
    void set(u8 condition, u32 to) {
        bytes({0x0f, static_cast<u8>(0x90 | condition), 0xc0, 0x0f, 0xb6, 0xc0});
        store_rax(to);
    }
    void compare(u32 left, u32 right) {
        load_rax(left);
        with_register({0x3b}, kRax, right);
    }
    void compare_immediate(u32 left, u16 value) {
        load_rax(left);
        immediate(0x3d, value);
    }
    void shift(u32 pc, const rs_script_instruction& in, u8 operation, bool is_wide, bool extends) {
        load(kRcx, in.c);
        bytes({0x48, 0x83, 0xf9, static_cast<u8>(is_wide ? 64 : 32)});  // cmp rcx, width
        const u32 fine = jump_short(kBelow);
        fail(pc, RS_SCRIPT_SHIFT_COUNT);
        land(fine);
        load_rax(in.b);
        if (is_wide)
            byte(0x48);
        bytes({0xd3, operation});
        if (extends)
            sign_extend();
        store_rax(in.a);
    }
    void divide(u32 pc, const rs_script_instruction& in, bool is_remainder) {
        load_rax(in.b);
        load(kRcx, in.c);
        bytes({0x48, 0x85, 0xc9});  // test rcx, rcx
        const u32 fine = jump_short(kNotEqual);
        bytes({0x48, 0x89, 0xc1});  // mov rcx, rax: the dividend is told
        fail(pc, RS_SCRIPT_DIVISION_BY_ZERO);
        land(fine);
        bytes({0x31, 0xd2, 0x48, 0xf7, 0xf1});  // xor edx, edx; div rcx
        if (is_remainder)
            bytes({0x48, 0x89, 0xd0});  // mov rax, rdx
        store_rax(in.a);
    }
    void unary(const rs_script_instruction& in, std::initializer_list<u8> code) {
        load_rax(in.b);
        bytes(code);
        store_rax(in.a);
    }
    void load_memory(u32 pc, const rs_script_instruction& in, u32 size) {
        with_register({0x8d}, kRsi, in.a);  // lea rsi, [to]
        load(kRdx, in.b);
        move_immediate(kRcx, size);
        call(Helper::kLoad);
        check_error(pc);
    }
    void value_of(const rs_script_instruction& in, Helper helper) {
        move_immediate(kRsi, in.b);
        call(helper);
        store_rax(in.a);
    }
    /// With no error, that is what EAX must hold.
    void finish() {
        bytes({0x31, 0xc0});  // xor eax, eax
        byte(0xe9);
        relative(exit_);
    }
    void call_function(u32 pc, const rs_script_instruction& in) {
        bytes({0x48, 0x89, 0xde});
        move_immediate(kRdx, pc);
        call(Helper::kCall);
        check_error(pc);
        bytes({0x49, 0x8b, 0x1c, 0x24});  // mov rbx, [r12]
        const u32 first = program_.function(in.c).first;
        check_backward(first);
        jump_to(first);
    }
    void return_value(u32 from) {
        if (program_.function_count() == 1) {
            finish();
            return;
        }
        if (from == kNothing)
            bytes({0x31, 0xd2});  // xor edx, edx
        else
            load(kRdx, from);
        bytes({0x48, 0x89, 0xde});
        call(Helper::kReturn);
        bytes({0x48, 0x85, 0xc0});  // test rax, rax
        const u32 goes_on = jump_short(kNotEqual);
        finish();
        land(goes_on);
        bytes({0x49, 0x8b, 0x1c, 0x24});  // mov rbx, [r12]
        bytes({0xff, 0xe0});              // jmp rax
    }

    void instruction(u32 pc, const rs_script_instruction& in);

    u32 exit_ = 0;
    u32 block_end_ = 0;
    u32 cached_ = kNothing;  ///< the virtual register whose value RAX holds
    const ProgramView& program_;
    std::span<u8> to_;
    std::span<u32> offsets_;
    u32 at_ = 0;
};

void Translator::instruction(u32 pc, const rs_script_instruction& in) {
    switch (in.op) {
        case RS_OP_RETURN:
            return return_value(kNothing);
        case RS_OP_RETURN_VALUE:
            return return_value(in.a);
        case RS_OP_CALL:
            return call_function(pc, in);
        case RS_OP_IMMEDIATE:
            bytes({0x48, 0xc7, 0xc0});  // mov rax, imm32, sign-extended
            u32_at(in.b | static_cast<u32>(in.c) << 16);
            return store_rax(in.a);
        case RS_OP_CONSTANT:
            bytes({0x48, 0xb8});
            u64_at(program_.constants()[in.b]);
            return store_rax(in.a);
        case RS_OP_MOVE:
            load_rax(in.b);
            return store_rax(in.a);
        case RS_OP_ADD:
            binary(in, {0x03}, true);
            return store_rax(in.a);
        case RS_OP_SUB:
            binary(in, {0x2b}, true);
            return store_rax(in.a);
        case RS_OP_MUL:
            binary(in, {0x0f, 0xaf}, true);
            return store_rax(in.a);
        case RS_OP_AND:
            binary(in, {0x23}, true);
            return store_rax(in.a);
        case RS_OP_OR:
            binary(in, {0x0b}, true);
            return store_rax(in.a);
        case RS_OP_XOR:
            binary(in, {0x33}, true);
            return store_rax(in.a);
        case RS_OP_DIV_U:
            return divide(pc, in, false);
        case RS_OP_MOD_U:
            return divide(pc, in, true);
        case RS_OP_SHL:
            return shift(pc, in, 0xe0, true, false);
        case RS_OP_SHR:
            return shift(pc, in, 0xe8, true, false);
        case RS_OP_SAR:
            return shift(pc, in, 0xf8, true, false);
        case RS_OP_SHL_S32:
            return shift(pc, in, 0xe0, false, true);
        case RS_OP_SAR_S32:
            return shift(pc, in, 0xf8, false, true);
        case RS_OP_SHL_U32:
            return shift(pc, in, 0xe0, false, false);
        case RS_OP_SHR_U32:
            return shift(pc, in, 0xe8, false, false);
        case RS_OP_ADD_S32:
        case RS_OP_ADD_U32:
            binary(in, {0x03}, false);
            break;
        case RS_OP_SUB_S32:
        case RS_OP_SUB_U32:
            binary(in, {0x2b}, false);
            break;
        case RS_OP_MUL_S32:
        case RS_OP_MUL_U32:
            binary(in, {0x0f, 0xaf}, false);
            break;
        case RS_OP_ADD_I:
            load_rax(in.b);
            immediate(0x05, in.c);
            return store_rax(in.a);
        case RS_OP_MUL_I:
            load_rax(in.b);
            bytes({0x48, 0x69, 0xc0});
            u32_at(static_cast<u32>(static_cast<s32>(static_cast<s16>(in.c))));
            return store_rax(in.a);
        case RS_OP_AND_I:
            load_rax(in.b);
            immediate(0x25, in.c);
            return store_rax(in.a);
        case RS_OP_OR_I:
            load_rax(in.b);
            immediate(0x0d, in.c);
            return store_rax(in.a);
        case RS_OP_XOR_I:
            load_rax(in.b);
            immediate(0x35, in.c);
            return store_rax(in.a);
        case RS_OP_SHL_I:
            return unary(in, {0x48, 0xc1, 0xe0, static_cast<u8>(in.c)});
        case RS_OP_SHR_I:
            return unary(in, {0x48, 0xc1, 0xe8, static_cast<u8>(in.c)});
        case RS_OP_SAR_I:
            return unary(in, {0x48, 0xc1, 0xf8, static_cast<u8>(in.c)});
        case RS_OP_NEG:
            return unary(in, {0x48, 0xf7, 0xd8});
        case RS_OP_NOT:
            return unary(in, {0x48, 0xf7, 0xd0});
        case RS_OP_SEXT8:
            return unary(in, {0x48, 0x0f, 0xbe, 0xc0});
        case RS_OP_SEXT16:
            return unary(in, {0x48, 0x0f, 0xbf, 0xc0});
        case RS_OP_SEXT32:
            return unary(in, {0x48, 0x63, 0xc0});
        case RS_OP_ZEXT8:
            return unary(in, {0x0f, 0xb6, 0xc0});
        case RS_OP_ZEXT16:
            return unary(in, {0x0f, 0xb7, 0xc0});
        case RS_OP_ZEXT32:
            return unary(in, {0x89, 0xc0});
        case RS_OP_BOOL:
            compare_immediate(in.b, 0);
            return set(kNotEqual, in.a);
        case RS_OP_EQ:
            compare(in.b, in.c);
            return set(kEqual, in.a);
        case RS_OP_NE:
            compare(in.b, in.c);
            return set(kNotEqual, in.a);
        case RS_OP_LT_S:
            compare(in.b, in.c);
            return set(kLess, in.a);
        case RS_OP_LE_S:
            compare(in.b, in.c);
            return set(kLessEqual, in.a);
        case RS_OP_LT_U:
            compare(in.b, in.c);
            return set(kBelow, in.a);
        case RS_OP_LE_U:
            compare(in.b, in.c);
            return set(kBelowEqual, in.a);
        case RS_OP_EQ_I:
            compare_immediate(in.b, in.c);
            return set(kEqual, in.a);
        case RS_OP_NE_I:
            compare_immediate(in.b, in.c);
            return set(kNotEqual, in.a);
        case RS_OP_JUMP:
            return jump(pc, in.a);
        case RS_OP_JZ:
            compare_immediate(in.a, 0);
            return branch(pc, kEqual, in.b);
        case RS_OP_JNZ:
            compare_immediate(in.a, 0);
            return branch(pc, kNotEqual, in.b);
        case RS_OP_JEQ:
            compare(in.a, in.b);
            return branch(pc, kEqual, in.c);
        case RS_OP_JNE:
            compare(in.a, in.b);
            return branch(pc, kNotEqual, in.c);
        case RS_OP_JLT_S:
            compare(in.a, in.b);
            return branch(pc, kLess, in.c);
        case RS_OP_JLE_S:
            compare(in.a, in.b);
            return branch(pc, kLessEqual, in.c);
        case RS_OP_JLT_U:
            compare(in.a, in.b);
            return branch(pc, kBelow, in.c);
        case RS_OP_JLE_U:
            compare(in.a, in.b);
            return branch(pc, kBelowEqual, in.c);
        case RS_OP_JEQ_I:
            compare_immediate(in.a, in.b);
            return branch(pc, kEqual, in.c);
        case RS_OP_JNE_I:
            compare_immediate(in.a, in.b);
            return branch(pc, kNotEqual, in.c);
        case RS_OP_JLT_SI:
            compare_immediate(in.a, in.b);
            return branch(pc, kLess, in.c);
        case RS_OP_JGE_SI:
            compare_immediate(in.a, in.b);
            return branch(pc, kGreaterEqual, in.c);
        case RS_OP_JLT_UI:
            compare_immediate(in.a, in.b);
            return branch(pc, kBelow, in.c);
        case RS_OP_JGE_UI:
            compare_immediate(in.a, in.b);
            return branch(pc, kAboveEqual, in.c);
        case RS_OP_LOAD_GLOBAL:
            with_global(0x8b, kRax, in.b);
            return store_rax(in.a);
        case RS_OP_STORE_GLOBAL:
            load_rax(in.b);
            return with_global(0x89, kRax, in.a);
        case RS_OP_GLOBAL_ADD:
            load_rax(in.b);
            byte(0xf0);
            return with_global(0x01, kRax, in.a);
        case RS_OP_GLOBAL_AND:
            load_rax(in.b);
            byte(0xf0);
            return with_global(0x21, kRax, in.a);
        case RS_OP_GLOBAL_OR:
            load_rax(in.b);
            byte(0xf0);
            return with_global(0x09, kRax, in.a);
        case RS_OP_GLOBAL_XOR:
            load_rax(in.b);
            byte(0xf0);
            return with_global(0x31, kRax, in.a);
        case RS_OP_GLOBAL_ADD_I:
            bytes({0xf0, 0x49, 0x81, 0x85});
            u32_at(static_cast<u32>(in.a) * 8);
            return u32_at(static_cast<u32>(static_cast<s32>(static_cast<s16>(in.b))));
        case RS_OP_READ_PSEUDO:
            return value_of(in, Helper::kPseudo);
        case RS_OP_READ_REGISTER:
            return value_of(in, Helper::kRegister);
        case RS_OP_LOAD8:
            return load_memory(pc, in, 1);
        case RS_OP_LOAD16:
            return load_memory(pc, in, 2);
        case RS_OP_LOAD32:
            return load_memory(pc, in, 4);
        case RS_OP_LOAD64:
            return load_memory(pc, in, 8);
        case RS_OP_CALL_BUILTIN:
        case RS_OP_PRINTF:
            step(pc);
            return check_limits(pc);
        default:
            return step(pc);
    }
    // 32-bit results: unsigned ones are extended already.
    if (in.op == RS_OP_ADD_S32 || in.op == RS_OP_SUB_S32 || in.op == RS_OP_MUL_S32)
        sign_extend();
    store_rax(in.a);
}

}  // namespace

usize translate(const ProgramView& program, std::span<u8> to, std::span<u32> offsets) {
    return Translator{program, to, offsets}.run();
}

}  // namespace ringside::script
