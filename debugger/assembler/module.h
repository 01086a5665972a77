/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the assembler module exports. It stands in a shared object of its own, loaded when the first
 * block of assembly is seen: the library inside it is several megabytes that no other command
 * needs.
 */
#ifndef RINGSIDE_ASSEMBLER_MODULE_H
#define RINGSIDE_ASSEMBLER_MODULE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Receives what the assembler found, in this order: messages; or else bytes, symbols, relocations.
 * `user` is the caller's. Texts are valid during the call only. */
struct ringside_assembler_sink {
    void* user;
    /* line and column count from 1; column 0: the whole line */
    void (*error)(void* user, unsigned line, unsigned column, const char* text);
    void (*code)(void* user, const uint8_t* bytes, size_t length);
    /* is_defined 0: the text uses the name and nobody defines it; `value` counts from the
     * beginning of the code */
    void (*symbol)(void* user, const char* name, uint64_t value, int is_defined);
    /* bytes at `offset` that only a linker could fill in */
    void (*relocation)(void* user, uint64_t offset);
};

/* Assembles x86-64 code in Intel syntax; `text` ends with a zero byte that `length` leaves out. */
typedef void ringside_assemble_function(const char* text, size_t length,
                                        const struct ringside_assembler_sink* sink);
#define RINGSIDE_ASSEMBLE_NAME "ringside_assemble_1"

#ifdef __cplusplus
}
#endif

#endif
