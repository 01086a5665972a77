/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From the BIOS to 64-bit mode: loads the rest of the loader, asks for the memory map, maps the
 * first 4 GiB one to one and calls load() (load.c).
 * Sources: Linux, Documentation/x86/boot.rst, "64-bit BOOT PROTOCOL"; BIOS INT 13h function 42h
 * "Extended Read Sectors" and INT 15h function E820h "Query System Address Map"; Intel SDM vol. 3A
 * section 9.8.5 "Initializing IA-32e Mode". */
#include "layout.h"

#define MSR_EFER 0xc0000080
#define EFER_LME 0x100
#define CR0_PE_PG 0x80000001
#define CR4_PAE 0x20
#define SYSTEM_CONTROL_A 0x92 /* bit 1: A20 */
#define E820_SIGNATURE 0x534d4150 /* "SMAP" */

    .code16
    .section .boot, "ax"
    .globl start
start:
    cli
    cld
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov $BOOT_STACK, %sp
    ljmp $0, $1f
1:  mov $packet, %si
    mov $0x42, %ah /* the BIOS left the drive's number in DL */
    int $0x13
    jc stopped
    jmp second_stage

stopped:
    hlt
    jmp stopped

    .balign 4
packet:
    .byte 16, 0
    .word BOOT_LOADER_SECTORS - 1
    .word BOOT_LOADER_ADDRESS + BOOT_SECTOR_SIZE, 0 /* offset, segment */
    .quad 1                                         /* first sector */

    .org 510
    .word 0xaa55

second_stage:
    in $SYSTEM_CONTROL_A, %al
    or $2, %al
    out %al, $SYSTEM_CONTROL_A

    xor %ebx, %ebx
    mov %ebx, BOOT_MEMORY_MAP
    mov $BOOT_MEMORY_MAP + 8, %di
1:  mov $0xe820, %eax
    mov $E820_SIGNATURE, %edx
    mov $20, %ecx
    int $0x15
    jc 2f
    cmp $E820_SIGNATURE, %eax
    jne 2f
    incl BOOT_MEMORY_MAP
    add $20, %di
    cmpl $BOOT_MEMORY_MAP_MAX, BOOT_MEMORY_MAP
    jae 2f
    test %ebx, %ebx
    jnz 1b
2:
    lgdt gdt_pointer
    mov %cr0, %eax
    or $1, %eax
    mov %eax, %cr0
    ljmp $0x08, $protected

    .code32
protected:
    mov $0x18, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov $BOOT_STACK, %esp

    /* Level 4 and 3 point to four tables of level 2, which follow them; 2 MiB pages. */
    mov $BOOT_PAGE_TABLES, %edi
    xor %eax, %eax
    mov $6 * 4096 / 4, %ecx
    rep stosl
    movl $BOOT_PAGE_TABLES + 0x1003, BOOT_PAGE_TABLES
    mov $BOOT_PAGE_TABLES + 0x1000, %edi
    mov $BOOT_PAGE_TABLES + 0x2003, %eax
    mov $4, %ecx
1:  mov %eax, (%edi)
    add $0x1000, %eax
    add $8, %edi
    loop 1b
    mov $BOOT_PAGE_TABLES + 0x2000, %edi
    mov $0x83, %eax
    mov $2048, %ecx
1:  mov %eax, (%edi)
    add $0x200000, %eax
    add $8, %edi
    loop 1b

    mov %cr4, %eax
    or $CR4_PAE, %eax
    mov %eax, %cr4
    mov $BOOT_PAGE_TABLES, %eax
    mov %eax, %cr3
    mov $MSR_EFER, %ecx
    rdmsr
    or $EFER_LME, %eax
    wrmsr
    mov %cr0, %eax
    or $CR0_PE_PG, %eax
    mov %eax, %cr0
    ljmp $0x10, $long_mode

    .code64
long_mode:
    mov $BOOT_STACK, %rsp
    call load
    /* load() returns the kernel's entry; the kernel wants its boot parameters in RSI. */
    mov $BOOT_PARAMETERS, %rsi
    jmp *%rax

    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9a000000ffff /* 0x08: 32-bit code */
    .quad 0x00af9a000000ffff /* 0x10: 64-bit code, the kernel's own __BOOT_CS */
    .quad 0x00cf92000000ffff /* 0x18: data, __BOOT_DS */
gdt_pointer:
    .word gdt_pointer - gdt - 1
    .long gdt

    .section .note.GNU-stack, "", @progbits
