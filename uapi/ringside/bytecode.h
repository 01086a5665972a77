/* SPDX-License-Identifier: (GPL-2.0-or-later WITH Linux-syscall-note) OR MIT */
/*
 * The bytecode of the script language: what the debugger's compiler hands to the kernel side,
 * which verifies it (trusting nothing) and runs it in root mode. Valid C11 and C++20.
 * All facts that come in rows are tables; compiler, verifier, VM and disassembler are made
 * from them.
 */
#ifndef RINGSIDE_BYTECODE_H
#define RINGSIDE_BYTECODE_H

#include "types.h"

#define RS_SCRIPT_MAGIC 0x43535352u /* "RSSC" */
#define RS_SCRIPT_VERSION 2u

/* Limits (script language section 16). */
#define RS_SCRIPT_MAX_INSTRUCTIONS 65536u
#define RS_SCRIPT_MAX_CONSTANT_BYTES 0x10000u /* constants and string bytes together */
#define RS_SCRIPT_MAX_REGISTERS 4096u         /* virtual registers of a run, 8 bytes each */
#define RS_SCRIPT_MAX_GLOBALS 4096u           /* names in a session */
#define RS_SCRIPT_MAX_NAME_BYTES 128u         /* of one global */
#define RS_SCRIPT_MAX_TEXT_BYTES 4080u        /* printed by one call */
#define RS_SCRIPT_MAX_ARGUMENTS 64u           /* of one printf */
#define RS_SCRIPT_MAX_FUNCTIONS 1024u
#define RS_SCRIPT_MAX_PARAMETERS 32u /* of one function */
#define RS_SCRIPT_MAX_CALLS 512u     /* functions that wait for others */
#define RS_SCRIPT_MAX_OBJECT_BYTES 0x4000u
#define RS_SCRIPT_MAX_DATA_BYTES 0x10000u /* variables 'static' and 'percore' of a script */
#define RS_SCRIPT_PERCORE_COPIES 256u     /* of each 'percore' variable */
#define RS_SCRIPT_DEFAULT_BUDGET 1000000u
#define RS_SCRIPT_EVALUATE_BUDGET 200000000u

/* A run of `count` elements `offset` bytes from the start of the image, aligned to 8. */
struct rs_script_section {
    __u32 offset;
    __u32 count;
};

/* Bits of rs_script_image.flags. */
#define RS_SCRIPTF_LINKED                                                                      \
    (1u << 0)                          /* global operands are session slots; set by the kernel \
                                          side only, an image that arrives with it is refused */
#define RS_SCRIPTF_CONDITION (1u << 1) /* no output and no stores: a filter */

struct rs_script_image {                /* 0x48 bytes, then the sections */
    __u32 magic;                        /* 0x00 RS_SCRIPT_MAGIC */
    __u16 version;                      /* 0x04 RS_SCRIPT_VERSION */
    __u16 flags;                        /* 0x06 RS_SCRIPTF_* */
    __u32 total_len;                    /* 0x08 bytes of the whole image */
    __u32 reserved;                     /* 0x0c 0 */
    struct rs_script_section code;      /* 0x10 struct rs_script_instruction */
    struct rs_script_section functions; /* 0x18 struct rs_script_function, [0] is the script */
    struct rs_script_section constants; /* 0x20 __u64 */
    struct rs_script_section strings;   /* 0x28 struct rs_script_string */
    struct rs_script_section globals;   /* 0x30 struct rs_script_string: names used */
    struct rs_script_section bytes;     /* 0x38 text of strings and names */
    struct rs_script_section data;      /* 0x40 variables that outlive a run, their first values */
};
RS_STATIC_ASSERT(sizeof(struct rs_script_image) == 0x48, "rs_script_image");

struct rs_script_instruction { /* 8 bytes; operands by RS_SCRIPT_OPCODE_TABLE */
    __u16 op;                  /* enum rs_script_opcode */
    __u16 a;
    __u16 b;
    __u16 c;
};
RS_STATIC_ASSERT(sizeof(struct rs_script_instruction) == 8, "rs_script_instruction");

struct rs_script_function { /* 16 bytes: functions own the code one after the other */
    __u32 first;            /* its first instruction, where it starts */
    __u32 count;            /* instructions */
    __u32 registers;        /* virtual registers it uses, zeroed at the start */
    __u32 parameters;       /* the first registers; 0 for the script itself */
};
RS_STATIC_ASSERT(sizeof(struct rs_script_function) == 16, "rs_script_function");

struct rs_script_string { /* a piece of the section `bytes` */
    __u32 offset;         /* from the start of that section */
    __u32 length;         /* bytes, without the zero unit that follows it */
};
RS_STATIC_ASSERT(sizeof(struct rs_script_string) == 8, "rs_script_string");

/*
 * Operand kinds. A virtual register is named by its number, everything else by the index of
 * its row or element.
 */
enum rs_script_operand {
    RS_OPERAND_NONE = 0, /* must be 0 */
    RS_OPERAND_TO,       /* virtual register, written */
    RS_OPERAND_FROM,     /* virtual register, read */
    RS_OPERAND_IMM,      /* signed 16-bit number */
    RS_OPERAND_COUNT,    /* unsigned 16-bit number, meaning by opcode */
    RS_OPERAND_LOW,      /* low and high half of a signed 32-bit number */
    RS_OPERAND_HIGH,
    RS_OPERAND_TARGET,   /* instruction of the same function */
    RS_OPERAND_CONSTANT, /* section constants */
    RS_OPERAND_GLOBAL,   /* section globals; after linking a slot of the session */
    RS_OPERAND_STRING,   /* section strings */
    RS_OPERAND_FORMAT,   /* section strings, a printf format */
    RS_OPERAND_MACHINE,  /* enum rs_script_register */
    RS_OPERAND_PSEUDO,   /* enum rs_script_pseudo */
    RS_OPERAND_BUILTIN,  /* enum rs_script_builtin */
    RS_OPERAND_FIRST,    /* first of a run of virtual registers, read */
    RS_OPERAND_FUNCTION, /* section functions */
};

/*
 * X(name, kind of a, of b, of c, meaning). Virtual registers hold 64 bits; a value of a type
 * narrower than that is kept sign- or zero-extended by its type. Opcodes without width work on
 * 64 bits, S32 and U32 wrap in 32 and extend. Shifts check the count against the width.
 */
#define RS_SCRIPT_OPCODE_TABLE(X)                                                   \
    X(RETURN, NONE, NONE, NONE, "back to the caller with 0, or end of the run")     \
    X(RETURN_VALUE, FROM, NONE, NONE, "back to the caller with a")                  \
    X(CALL, TO, FIRST, FUNCTION, "a = function c; registers from b on become its")  \
    X(IMMEDIATE, TO, LOW, HIGH, "a = number")                                       \
    X(CONSTANT, TO, CONSTANT, NONE, "a = constant")                                 \
    X(MOVE, TO, FROM, NONE, "a = b")                                                \
    X(ADD, TO, FROM, FROM, "a = b + c")                                             \
    X(SUB, TO, FROM, FROM, "a = b - c")                                             \
    X(MUL, TO, FROM, FROM, "a = b * c")                                             \
    X(AND, TO, FROM, FROM, "a = b & c")                                             \
    X(OR, TO, FROM, FROM, "a = b | c")                                              \
    X(XOR, TO, FROM, FROM, "a = b ^ c")                                             \
    X(DIV_S, TO, FROM, FROM, "a = b / c, signed")                                   \
    X(DIV_U, TO, FROM, FROM, "a = b / c, unsigned")                                 \
    X(MOD_S, TO, FROM, FROM, "a = b % c, signed")                                   \
    X(MOD_U, TO, FROM, FROM, "a = b % c, unsigned")                                 \
    X(SHL, TO, FROM, FROM, "a = b << c")                                            \
    X(SHR, TO, FROM, FROM, "a = b >> c, logical")                                   \
    X(SAR, TO, FROM, FROM, "a = b >> c, arithmetic")                                \
    X(ADD_S32, TO, FROM, FROM, "a = b + c")                                         \
    X(SUB_S32, TO, FROM, FROM, "a = b - c")                                         \
    X(MUL_S32, TO, FROM, FROM, "a = b * c")                                         \
    X(DIV_S32, TO, FROM, FROM, "a = b / c")                                         \
    X(MOD_S32, TO, FROM, FROM, "a = b % c")                                         \
    X(SHL_S32, TO, FROM, FROM, "a = b << c")                                        \
    X(SAR_S32, TO, FROM, FROM, "a = b >> c, arithmetic")                            \
    X(ADD_U32, TO, FROM, FROM, "a = b + c")                                         \
    X(SUB_U32, TO, FROM, FROM, "a = b - c")                                         \
    X(MUL_U32, TO, FROM, FROM, "a = b * c")                                         \
    X(SHL_U32, TO, FROM, FROM, "a = b << c")                                        \
    X(SHR_U32, TO, FROM, FROM, "a = b >> c, logical")                               \
    X(ADD_I, TO, FROM, IMM, "a = b + number")                                       \
    X(MUL_I, TO, FROM, IMM, "a = b * number")                                       \
    X(AND_I, TO, FROM, IMM, "a = b & number")                                       \
    X(OR_I, TO, FROM, IMM, "a = b | number")                                        \
    X(XOR_I, TO, FROM, IMM, "a = b ^ number")                                       \
    X(SHL_I, TO, FROM, COUNT, "a = b << number, 0 to 63")                           \
    X(SHR_I, TO, FROM, COUNT, "a = b >> number, logical, 0 to 63")                  \
    X(SAR_I, TO, FROM, COUNT, "a = b >> number, arithmetic, 0 to 63")               \
    X(NEG, TO, FROM, NONE, "a = -b")                                                \
    X(NOT, TO, FROM, NONE, "a = ~b")                                                \
    X(BOOL, TO, FROM, NONE, "a = b != 0")                                           \
    X(SEXT8, TO, FROM, NONE, "a = low 8 bits of b, sign-extended")                  \
    X(SEXT16, TO, FROM, NONE, "a = low 16 bits of b, sign-extended")                \
    X(SEXT32, TO, FROM, NONE, "a = low 32 bits of b, sign-extended")                \
    X(ZEXT8, TO, FROM, NONE, "a = low 8 bits of b")                                 \
    X(ZEXT16, TO, FROM, NONE, "a = low 16 bits of b")                               \
    X(ZEXT32, TO, FROM, NONE, "a = low 32 bits of b")                               \
    X(EQ, TO, FROM, FROM, "a = b == c")                                             \
    X(NE, TO, FROM, FROM, "a = b != c")                                             \
    X(LT_S, TO, FROM, FROM, "a = b < c, signed")                                    \
    X(LE_S, TO, FROM, FROM, "a = b <= c, signed")                                   \
    X(LT_U, TO, FROM, FROM, "a = b < c, unsigned")                                  \
    X(LE_U, TO, FROM, FROM, "a = b <= c, unsigned")                                 \
    X(EQ_I, TO, FROM, IMM, "a = b == number")                                       \
    X(NE_I, TO, FROM, IMM, "a = b != number")                                       \
    X(JUMP, TARGET, NONE, NONE, "go to a")                                          \
    X(JZ, FROM, TARGET, NONE, "if a == 0 go to b")                                  \
    X(JNZ, FROM, TARGET, NONE, "if a != 0 go to b")                                 \
    X(JEQ, FROM, FROM, TARGET, "if a == b go to c")                                 \
    X(JNE, FROM, FROM, TARGET, "if a != b go to c")                                 \
    X(JLT_S, FROM, FROM, TARGET, "if a < b go to c, signed")                        \
    X(JLE_S, FROM, FROM, TARGET, "if a <= b go to c, signed")                       \
    X(JLT_U, FROM, FROM, TARGET, "if a < b go to c, unsigned")                      \
    X(JLE_U, FROM, FROM, TARGET, "if a <= b go to c, unsigned")                     \
    X(JEQ_I, FROM, IMM, TARGET, "if a == number go to c")                           \
    X(JNE_I, FROM, IMM, TARGET, "if a != number go to c")                           \
    X(JLT_SI, FROM, IMM, TARGET, "if a < number go to c, signed")                   \
    X(JGE_SI, FROM, IMM, TARGET, "if a >= number go to c, signed")                  \
    X(JLT_UI, FROM, IMM, TARGET, "if a < number go to c, unsigned")                 \
    X(JGE_UI, FROM, IMM, TARGET, "if a >= number go to c, unsigned")                \
    X(LOAD_GLOBAL, TO, GLOBAL, NONE, "a = global b")                                \
    X(STORE_GLOBAL, GLOBAL, FROM, NONE, "global a = b")                             \
    X(GLOBAL_ADD, GLOBAL, FROM, NONE, "global a += b, atomic")                      \
    X(GLOBAL_ADD_I, GLOBAL, IMM, NONE, "global a += number, atomic")                \
    X(GLOBAL_AND, GLOBAL, FROM, NONE, "global a &= b, atomic")                      \
    X(GLOBAL_OR, GLOBAL, FROM, NONE, "global a |= b, atomic")                       \
    X(GLOBAL_XOR, GLOBAL, FROM, NONE, "global a ^= b, atomic")                      \
    X(ADDRESS_GLOBAL, TO, GLOBAL, NONE, "a = address of global b")                  \
    X(ADDRESS_LOCAL, TO, FROM, NONE, "a = address of virtual register b")           \
    X(ADDRESS_STRING, TO, STRING, NONE, "a = address of string b")                  \
    X(READ_REGISTER, TO, MACHINE, NONE, "a = guest register b, zero-extended")      \
    X(WRITE_REGISTER, MACHINE, FROM, NONE, "guest register a = b, other bits kept") \
    X(READ_PSEUDO, TO, PSEUDO, NONE, "a = pseudo-register b")                       \
    X(LOAD8, TO, FROM, NONE, "a = byte at b")                                       \
    X(LOAD16, TO, FROM, NONE, "a = 2 bytes at b")                                   \
    X(LOAD32, TO, FROM, NONE, "a = 4 bytes at b")                                   \
    X(LOAD64, TO, FROM, NONE, "a = 8 bytes at b")                                   \
    X(LOAD8_PA, TO, FROM, NONE, "a = byte at physical b")                           \
    X(LOAD16_PA, TO, FROM, NONE, "a = 2 bytes at physical b")                       \
    X(LOAD32_PA, TO, FROM, NONE, "a = 4 bytes at physical b")                       \
    X(LOAD64_PA, TO, FROM, NONE, "a = 8 bytes at physical b")                       \
    X(STORE8, FROM, FROM, NONE, "byte at a = b; a bad address is an error")         \
    X(STORE16, FROM, FROM, NONE, "2 bytes at a = b; as STORE8")                     \
    X(STORE32, FROM, FROM, NONE, "4 bytes at a = b; as STORE8")                     \
    X(STORE64, FROM, FROM, NONE, "8 bytes at a = b; as STORE8")                     \
    X(ATOMIC_ADD, FROM, FROM, COUNT, "c (4 or 8) bytes at a += b")                  \
    X(ATOMIC_AND, FROM, FROM, COUNT, "c bytes at a &= b")                           \
    X(ATOMIC_OR, FROM, FROM, COUNT, "c bytes at a |= b")                            \
    X(ATOMIC_XOR, FROM, FROM, COUNT, "c bytes at a ^= b")                           \
    X(ADDRESS_DATA, TO, LOW, HIGH, "a = address of the section data + number")      \
    X(ZERO, FIRST, COUNT, NONE, "b registers from a on = 0")                        \
    X(CHECK_INDEX, FROM, COUNT, NONE, "stops unless a < number, unsigned")          \
    X(ELEMENTS, TO, FROM, COUNT, "a = b / number, signed; stops at a remainder")    \
    X(FADD, TO, FROM, FROM, "a = b + c, double")                                    \
    X(FSUB, TO, FROM, FROM, "a = b - c, double")                                    \
    X(FMUL, TO, FROM, FROM, "a = b * c, double")                                    \
    X(FDIV, TO, FROM, FROM, "a = b / c, double")                                    \
    X(FEQ, TO, FROM, FROM, "a = b == c, double")                                    \
    X(FLT, TO, FROM, FROM, "a = b < c, double")                                     \
    X(FLE, TO, FROM, FROM, "a = b <= c, double")                                    \
    X(DOUBLE_S, TO, FROM, NONE, "a = b, signed to double")                          \
    X(DOUBLE_U, TO, FROM, NONE, "a = b, unsigned to double")                        \
    X(FLOAT_S, TO, FROM, NONE, "a = b, signed to float")                            \
    X(FLOAT_U, TO, FROM, NONE, "a = b, unsigned to float")                          \
    X(TRUNC_S, TO, FROM, COUNT, "a = b, double to signed of c bits")                \
    X(TRUNC_U, TO, FROM, COUNT, "a = b, double to unsigned of c bits")              \
    X(WIDEN, TO, FROM, NONE, "a = b, float to double")                              \
    X(ROUND, TO, FROM, NONE, "a = b, double to float")                              \
    X(EDIT8, TO, FROM, FROM, "byte at b = c; a = 1 if written, 0 if not")           \
    X(EDIT16, TO, FROM, FROM, "2 bytes at b = c; a = written")                      \
    X(EDIT32, TO, FROM, FROM, "4 bytes at b = c; a = written")                      \
    X(EDIT64, TO, FROM, FROM, "8 bytes at b = c; a = written")                      \
    X(EDIT8_PA, TO, FROM, FROM, "byte at physical b = c; a = written")              \
    X(EDIT16_PA, TO, FROM, FROM, "2 bytes at physical b = c; a = written")          \
    X(EDIT32_PA, TO, FROM, FROM, "4 bytes at physical b = c; a = written")          \
    X(EDIT64_PA, TO, FROM, FROM, "8 bytes at physical b = c; a = written")          \
    X(CALL_BUILTIN, TO, FIRST, BUILTIN, "a = builtin c (arguments from b on)")      \
    X(PRINTF, FIRST, COUNT, FORMAT, "print with b arguments from a on")

enum rs_script_opcode {
#define RS_SCRIPT_ENUM(name, a, b, c, text) RS_OP_##name,
    RS_SCRIPT_OPCODE_TABLE(RS_SCRIPT_ENUM)
#undef RS_SCRIPT_ENUM
        RS_OPCODE_COUNT
};

/* X(name, number of arguments, meaning). A builtin without value gives 0. */
#define RS_SCRIPT_BUILTIN_TABLE(X)                                                       \
    X(PRINT, 1, "prints the number in hex and a newline")                                \
    X(TEST_STATEMENT, 1, "records the value")                                            \
    X(CHECK_ADDRESS, 1, "1 if a byte can be read there")                                 \
    X(VIRTUAL_TO_PHYSICAL, 1, "physical address, 0 if not mapped")                       \
    X(PHYSICAL_TO_VIRTUAL, 1, "address in the direct map, 0 if not RAM")                 \
    X(MEMCPY, 3, "copies between virtual addresses")                                     \
    X(MEMCPY_PA, 3, "copies between physical addresses")                                 \
    X(MEMCMP, 3, "-1, 0, 1; 2 unreadable")                                               \
    X(STRLEN, 1, "length in bytes, 0 if unreadable")                                     \
    X(WCSLEN, 1, "length in 16-bit units, 0 if unreadable")                              \
    X(STRCMP, 2, "-1, 0, 1; 2 unreadable")                                               \
    X(STRNCMP, 3, "-1, 0, 1; 2 unreadable")                                              \
    X(WCSCMP, 2, "-1, 0, 1; 2 unreadable")                                               \
    X(WCSNCMP, 3, "-1, 0, 1; 2 unreadable")                                              \
    X(INTERLOCKED_INCREMENT, 1, "new value")                                             \
    X(INTERLOCKED_DECREMENT, 1, "new value")                                             \
    X(INTERLOCKED_EXCHANGE, 2, "old value")                                              \
    X(INTERLOCKED_EXCHANGE_ADD, 2, "old value")                                          \
    X(INTERLOCKED_COMPARE_EXCHANGE, 3, "old value; stores the 2nd if it equals the 3rd") \
    X(SPINLOCK_LOCK, 1, "waits for the lock")                                            \
    X(SPINLOCK_LOCK_CUSTOM_WAIT, 2, "waits, back-off limit given")                       \
    X(SPINLOCK_UNLOCK, 1, "frees the lock")                                              \
    X(RDTSC, 0, "time-stamp counter")                                                    \
    X(EVENT_ENABLE, 1, "enables an event by its id")                                     \
    X(EVENT_DISABLE, 1, "disables an event")                                             \
    X(EVENT_CLEAR, 1, "removes an event")                                                \
    X(EVENT_SC, 1, "short-circuits the intercepted operation")                           \
    X(EVENT_INJECT, 2, "queues an event of a type and vector")                           \
    X(EVENT_INJECT_ERROR_CODE, 3, "the same with an error code")                         \
    X(WCSLEN32, 1, "length in 32-bit units, 0 if unreadable")                            \
    X(WCSCMP32, 2, "-1, 0, 1; 2 unreadable")                                             \
    X(WCSNCMP32, 3, "-1, 0, 1; 2 unreadable")                                            \
    X(DISASSEMBLE_LEN, 1, "length of the instruction there, 0 if there is none")         \
    X(DISASSEMBLE_LEN32, 1, "the same of 32-bit code")                                   \
    X(MICROSLEEP, 1, "waits that many microseconds")                                     \
    X(FLUSH, 0, "drops text that nobody has read")                                       \
    X(PAUSE, 0, "gives control to the debugger")

enum rs_script_builtin {
#define RS_SCRIPT_ENUM(name, arguments, text) RS_BUILTIN_##name,
    RS_SCRIPT_BUILTIN_TABLE(RS_SCRIPT_ENUM)
#undef RS_SCRIPT_ENUM
        RS_BUILTIN_COUNT
};

/*
 * Why a run stopped early (script language section 15): X(name, code, sentence, what the
 * value is: NONE is not shown, ADDRESS and NUMBER are shown in hex behind the sentence).
 */
#define RS_SCRIPT_ERROR_TABLE(X)                                         \
    X(INVALID_ADDRESS, 1, "invalid address", ADDRESS)                    \
    X(DIVISION_BY_ZERO, 2, "division by zero", NONE)                     \
    X(DIVISION_OVERFLOW, 3, "quotient out of range", NONE)               \
    X(SHIFT_COUNT, 4, "shift count out of range:", NUMBER)               \
    X(BUDGET, 5, "instruction budget used up", NONE)                     \
    X(TIME, 6, "time used up", NONE)                                     \
    X(STOPPED, 7, "stopped on request", NONE)                            \
    X(STACK, 8, "stack used up", NONE)                                   \
    X(LOCK_LIMIT, 9, "waited too long for the lock at", ADDRESS)         \
    X(REGISTER_REFUSED, 10, "register write refused, value", NUMBER)     \
    X(FLOAT, 11, "invalid floating-point operation", NONE)               \
    X(INDEX, 12, "index out of range:", NUMBER)                          \
    X(DEAD_VARIABLE, 13, "address of a variable that is gone:", ADDRESS) \
    X(INJECTION, 14, "injection refused", NUMBER)                        \
    X(LENGTH, 15, "length out of range:", NUMBER)                        \
    X(MISALIGNED, 16, "misaligned address", ADDRESS)                     \
    X(TOO_MANY_LOCKS, 17, "too many locks held in one run", NONE)        \
    X(NESTED, 18, "scripts nested too deeply", NONE)                     \
    X(BAD_PROGRAM, 19, "damaged program", NONE)

enum rs_script_error {
    RS_SCRIPT_OK = 0,
#define RS_SCRIPT_ENUM(name, code, text, value) RS_SCRIPT_##name = (code),
    RS_SCRIPT_ERROR_TABLE(RS_SCRIPT_ENUM)
#undef RS_SCRIPT_ENUM
};

/* Full machine registers: what crosses from root mode to the VM. */
#define RS_SCRIPT_FULL_REGISTER_TABLE(X) \
    X(RAX)                               \
    X(RBX)                               \
    X(RCX)                               \
    X(RDX)                               \
    X(RSI)                               \
    X(RDI)                               \
    X(RBP)                               \
    X(RSP)                               \
    X(R8)                                \
    X(R9)                                \
    X(R10)                               \
    X(R11)                               \
    X(R12)                               \
    X(R13)                               \
    X(R14)                               \
    X(R15)                               \
    X(RIP)                               \
    X(RFLAGS)                            \
    X(CS)                                \
    X(DS)                                \
    X(ES)                                \
    X(FS)                                \
    X(GS)                                \
    X(SS)                                \
    X(CR0)                               \
    X(CR2)                               \
    X(CR3)                               \
    X(CR4)                               \
    X(CR8)                               \
    X(DR0)                               \
    X(DR1)                               \
    X(DR2)                               \
    X(DR3)                               \
    X(DR6)                               \
    X(DR7)                               \
    X(GDTR)                              \
    X(IDTR)                              \
    X(LDTR)                              \
    X(TR)                                \
    X(GSBASE)                            \
    X(FSBASE)                            \
    X(KGSBASE)                           \
    X(EFER)                              \
    X(XCR0)                              \
    X(CPL)

enum rs_script_full_register {
#define RS_SCRIPT_ENUM(name) RS_FULL_##name,
    RS_SCRIPT_FULL_REGISTER_TABLE(RS_SCRIPT_ENUM)
#undef RS_SCRIPT_ENUM
        RS_FULL_REGISTER_COUNT
};

/* Who may write a register (script language section 11.1). */
enum rs_script_register_kind {
    RS_KIND_GENERAL, /* always */
    RS_KIND_POINTER, /* rip: checked, takes effect at resume */
    RS_KIND_FLAGS,
    RS_KIND_CONTROL, /* checked */
    RS_KIND_DEBUG,   /* checked */
    RS_KIND_SEGMENT, /* only while the machine is halted */
    RS_KIND_BASE,    /* checked */
    RS_KIND_FIXED,   /* never */
};

/* X(enumerator, name, full register, lowest bit, number of bits, kind) */
#define RS_SCRIPT_REGISTER_TABLE(X)           \
    X(RAX, "rax", RAX, 0, 64, GENERAL)        \
    X(EAX, "eax", RAX, 0, 32, GENERAL)        \
    X(AX, "ax", RAX, 0, 16, GENERAL)          \
    X(AH, "ah", RAX, 8, 8, GENERAL)           \
    X(AL, "al", RAX, 0, 8, GENERAL)           \
    X(RBX, "rbx", RBX, 0, 64, GENERAL)        \
    X(EBX, "ebx", RBX, 0, 32, GENERAL)        \
    X(BX, "bx", RBX, 0, 16, GENERAL)          \
    X(BH, "bh", RBX, 8, 8, GENERAL)           \
    X(BL, "bl", RBX, 0, 8, GENERAL)           \
    X(RCX, "rcx", RCX, 0, 64, GENERAL)        \
    X(ECX, "ecx", RCX, 0, 32, GENERAL)        \
    X(CX, "cx", RCX, 0, 16, GENERAL)          \
    X(CH, "ch", RCX, 8, 8, GENERAL)           \
    X(CL, "cl", RCX, 0, 8, GENERAL)           \
    X(RDX, "rdx", RDX, 0, 64, GENERAL)        \
    X(EDX, "edx", RDX, 0, 32, GENERAL)        \
    X(DX, "dx", RDX, 0, 16, GENERAL)          \
    X(DH, "dh", RDX, 8, 8, GENERAL)           \
    X(DL, "dl", RDX, 0, 8, GENERAL)           \
    X(RSI, "rsi", RSI, 0, 64, GENERAL)        \
    X(ESI, "esi", RSI, 0, 32, GENERAL)        \
    X(SI, "si", RSI, 0, 16, GENERAL)          \
    X(SIL, "sil", RSI, 0, 8, GENERAL)         \
    X(RDI, "rdi", RDI, 0, 64, GENERAL)        \
    X(EDI, "edi", RDI, 0, 32, GENERAL)        \
    X(DI, "di", RDI, 0, 16, GENERAL)          \
    X(DIL, "dil", RDI, 0, 8, GENERAL)         \
    X(RBP, "rbp", RBP, 0, 64, GENERAL)        \
    X(EBP, "ebp", RBP, 0, 32, GENERAL)        \
    X(BP, "bp", RBP, 0, 16, GENERAL)          \
    X(BPL, "bpl", RBP, 0, 8, GENERAL)         \
    X(RSP, "rsp", RSP, 0, 64, GENERAL)        \
    X(ESP, "esp", RSP, 0, 32, GENERAL)        \
    X(SP, "sp", RSP, 0, 16, GENERAL)          \
    X(SPL, "spl", RSP, 0, 8, GENERAL)         \
    X(R8, "r8", R8, 0, 64, GENERAL)           \
    X(R8D, "r8d", R8, 0, 32, GENERAL)         \
    X(R8W, "r8w", R8, 0, 16, GENERAL)         \
    X(R8H, "r8h", R8, 8, 8, GENERAL)          \
    X(R8L, "r8l", R8, 0, 8, GENERAL)          \
    X(R9, "r9", R9, 0, 64, GENERAL)           \
    X(R9D, "r9d", R9, 0, 32, GENERAL)         \
    X(R9W, "r9w", R9, 0, 16, GENERAL)         \
    X(R9H, "r9h", R9, 8, 8, GENERAL)          \
    X(R9L, "r9l", R9, 0, 8, GENERAL)          \
    X(R10, "r10", R10, 0, 64, GENERAL)        \
    X(R10D, "r10d", R10, 0, 32, GENERAL)      \
    X(R10W, "r10w", R10, 0, 16, GENERAL)      \
    X(R10H, "r10h", R10, 8, 8, GENERAL)       \
    X(R10L, "r10l", R10, 0, 8, GENERAL)       \
    X(R11, "r11", R11, 0, 64, GENERAL)        \
    X(R11D, "r11d", R11, 0, 32, GENERAL)      \
    X(R11W, "r11w", R11, 0, 16, GENERAL)      \
    X(R11H, "r11h", R11, 8, 8, GENERAL)       \
    X(R11L, "r11l", R11, 0, 8, GENERAL)       \
    X(R12, "r12", R12, 0, 64, GENERAL)        \
    X(R12D, "r12d", R12, 0, 32, GENERAL)      \
    X(R12W, "r12w", R12, 0, 16, GENERAL)      \
    X(R12H, "r12h", R12, 8, 8, GENERAL)       \
    X(R12L, "r12l", R12, 0, 8, GENERAL)       \
    X(R13, "r13", R13, 0, 64, GENERAL)        \
    X(R13D, "r13d", R13, 0, 32, GENERAL)      \
    X(R13W, "r13w", R13, 0, 16, GENERAL)      \
    X(R13H, "r13h", R13, 8, 8, GENERAL)       \
    X(R13L, "r13l", R13, 0, 8, GENERAL)       \
    X(R14, "r14", R14, 0, 64, GENERAL)        \
    X(R14D, "r14d", R14, 0, 32, GENERAL)      \
    X(R14W, "r14w", R14, 0, 16, GENERAL)      \
    X(R14H, "r14h", R14, 8, 8, GENERAL)       \
    X(R14L, "r14l", R14, 0, 8, GENERAL)       \
    X(R15, "r15", R15, 0, 64, GENERAL)        \
    X(R15D, "r15d", R15, 0, 32, GENERAL)      \
    X(R15W, "r15w", R15, 0, 16, GENERAL)      \
    X(R15H, "r15h", R15, 8, 8, GENERAL)       \
    X(R15L, "r15l", R15, 0, 8, GENERAL)       \
    X(RIP, "rip", RIP, 0, 64, POINTER)        \
    X(EIP, "eip", RIP, 0, 32, POINTER)        \
    X(IP, "ip", RIP, 0, 16, POINTER)          \
    X(RFLAGS, "rflags", RFLAGS, 0, 64, FLAGS) \
    X(EFLAGS, "eflags", RFLAGS, 0, 32, FLAGS) \
    X(FLAGS, "flags", RFLAGS, 0, 16, FLAGS)   \
    X(CF, "cf", RFLAGS, 0, 1, FLAGS)          \
    X(PF, "pf", RFLAGS, 2, 1, FLAGS)          \
    X(AF, "af", RFLAGS, 4, 1, FLAGS)          \
    X(ZF, "zf", RFLAGS, 6, 1, FLAGS)          \
    X(SF, "sf", RFLAGS, 7, 1, FLAGS)          \
    X(TF, "tf", RFLAGS, 8, 1, FLAGS)          \
    X(IF, "if", RFLAGS, 9, 1, FLAGS)          \
    X(DF, "df", RFLAGS, 10, 1, FLAGS)         \
    X(OF, "of", RFLAGS, 11, 1, FLAGS)         \
    X(IOPL, "iopl", RFLAGS, 12, 2, FLAGS)     \
    X(NT, "nt", RFLAGS, 14, 1, FLAGS)         \
    X(RF, "rf", RFLAGS, 16, 1, FLAGS)         \
    X(VM, "vm", RFLAGS, 17, 1, FLAGS)         \
    X(AC, "ac", RFLAGS, 18, 1, FLAGS)         \
    X(VIF, "vif", RFLAGS, 19, 1, FLAGS)       \
    X(VIP, "vip", RFLAGS, 20, 1, FLAGS)       \
    X(ID, "id", RFLAGS, 21, 1, FLAGS)         \
    X(CS, "cs", CS, 0, 16, SEGMENT)           \
    X(DS, "ds", DS, 0, 16, SEGMENT)           \
    X(ES, "es", ES, 0, 16, SEGMENT)           \
    X(FS, "fs", FS, 0, 16, SEGMENT)           \
    X(GS, "gs", GS, 0, 16, SEGMENT)           \
    X(SS, "ss", SS, 0, 16, SEGMENT)           \
    X(CR0, "cr0", CR0, 0, 64, CONTROL)        \
    X(CR2, "cr2", CR2, 0, 64, CONTROL)        \
    X(CR3, "cr3", CR3, 0, 64, CONTROL)        \
    X(CR4, "cr4", CR4, 0, 64, CONTROL)        \
    X(CR8, "cr8", CR8, 0, 64, CONTROL)        \
    X(DR0, "dr0", DR0, 0, 64, DEBUG)          \
    X(DR1, "dr1", DR1, 0, 64, DEBUG)          \
    X(DR2, "dr2", DR2, 0, 64, DEBUG)          \
    X(DR3, "dr3", DR3, 0, 64, DEBUG)          \
    X(DR6, "dr6", DR6, 0, 64, DEBUG)          \
    X(DR7, "dr7", DR7, 0, 64, DEBUG)          \
    X(GDTR, "gdtr", GDTR, 0, 64, SEGMENT)     \
    X(IDTR, "idtr", IDTR, 0, 64, SEGMENT)     \
    X(LDTR, "ldtr", LDTR, 0, 16, SEGMENT)     \
    X(TR, "tr", TR, 0, 16, SEGMENT)           \
    X(GSBASE, "gsbase", GSBASE, 0, 64, BASE)  \
    X(FSBASE, "fsbase", FSBASE, 0, 64, BASE)  \
    X(KGSBASE,                                \
      "kgsbas"                                \
      "e",                                    \
      KGSBASE, 0, 64, BASE)                   \
    X(EFER,                                   \
      "ef"                                    \
      "e"                                     \
      "r",                                    \
      EFER, 0, 64, FIXED)                     \
    X(XCR0, "xcr0", XCR0, 0, 64, FIXED)       \
    X(CPL, "cpl", CPL, 0, 64, FIXED)

enum rs_script_register {
#define RS_SCRIPT_ENUM(name, text, full, shift, width, kind) RS_REG_##name,
    RS_SCRIPT_REGISTER_TABLE(RS_SCRIPT_ENUM)
#undef RS_SCRIPT_ENUM
        RS_REGISTER_COUNT
};

/* X(enumerator, name): script language section 11.2. */
#define RS_SCRIPT_PSEUDO_TABLE(X) \
    X(PID, "pid")                 \
    X(TID, "tid")                 \
    X(CORE, "core")               \
    X(PNAME, "pname")             \
    X(PROC, "proc")               \
    X(THREAD, "thread")           \
    X(MM, "mm")                   \
    X(TEB, "teb")                 \
    X(PEB, "peb")                 \
    X(IP, "ip")                   \
    X(BUFFER, "buffer")           \
    X(CONTEXT, "context")         \
    X(EVENT_ID, "event_id")       \
    X(EVENT_TAG, "event_tag")     \
    X(EVENT_STAGE, "event_stage") \
    X(DATE, "date")               \
    X(TIME, "time")

enum rs_script_pseudo {
#define RS_SCRIPT_ENUM(name, text) RS_PSEUDO_##name,
    RS_SCRIPT_PSEUDO_TABLE(RS_SCRIPT_ENUM)
#undef RS_SCRIPT_ENUM
        RS_PSEUDO_COUNT
};

/*
 * Addresses of script variables lie in a window that is not canonical (script language
 * section 5.4): 16 bits 0x5c52, 4 bits kind, 12 bits instance, 32 bits byte offset.
 */
#define RS_SCRIPT_WINDOW 0x5c52ull
#define RS_SCRIPT_WINDOW_SHIFT 48
#define RS_SCRIPT_WINDOW_KIND_SHIFT 44
#define RS_SCRIPT_WINDOW_INSTANCE_SHIFT 32
enum rs_script_window_kind {
    RS_WINDOW_GLOBAL = 1, /* offset: slot * 8 + byte */
    RS_WINDOW_LOCAL = 2,  /* offset: virtual register * 8 + byte; instance: low bits of the run */
    RS_WINDOW_STRING = 3, /* offset: into the section bytes; read-only */
    RS_WINDOW_CLOCK = 5,  /* text of $date at 0, of $time at 16; read-only */
    RS_WINDOW_DATA = 4,   /* offset: into the section data */
};

#endif
