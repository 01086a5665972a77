// SPDX-License-Identifier: GPL-3.0-or-later
// registers CORE: loads every general register with a value of its own and waits until somebody
// gives rbx another one; then it prints what they all are. Prints its pid (hexadecimal) at once.
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

unsigned long known[16];  // as the processor numbers them; [4], RSP, is left alone
unsigned long found[16];

// void wait_for_a_change(void)
__asm__(
    "wait_for_a_change:\n"
    "  push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "  mov known+0x00(%rip), %rax; mov known+0x08(%rip), %rcx; mov known+0x10(%rip), %rdx\n"
    "  mov known+0x18(%rip), %rbx; mov known+0x28(%rip), %rbp; mov known+0x30(%rip), %rsi\n"
    "  mov known+0x38(%rip), %rdi; mov known+0x40(%rip), %r8; mov known+0x48(%rip), %r9\n"
    "  mov known+0x50(%rip), %r10; mov known+0x58(%rip), %r11; mov known+0x60(%rip), %r12\n"
    "  mov known+0x68(%rip), %r13; mov known+0x70(%rip), %r14; mov known+0x78(%rip), %r15\n"
    ".globl waiting_begins\n"
    "waiting_begins:\n"
    "1: cmp known+0x18(%rip), %rbx\n"
    "  je 1b\n"
    "  mov %rax, found+0x00(%rip); mov %rcx, found+0x08(%rip); mov %rdx, found+0x10(%rip)\n"
    "  mov %rbx, found+0x18(%rip); mov %rbp, found+0x28(%rip); mov %rsi, found+0x30(%rip)\n"
    "  mov %rdi, found+0x38(%rip); mov %r8, found+0x40(%rip); mov %r9, found+0x48(%rip)\n"
    "  mov %r10, found+0x50(%rip); mov %r11, found+0x58(%rip); mov %r12, found+0x60(%rip)\n"
    "  mov %r13, found+0x68(%rip); mov %r14, found+0x70(%rip); mov %r15, found+0x78(%rip)\n"
    "  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "  ret\n");
void wait_for_a_change(void);

int main(int argc, char** argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: registers CORE\n");
        return 2;
    }
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(atoi(argv[1]), &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0) {
        perror("registers");
        return 1;
    }
    for (int i = 0; i < 16; i++)
        known[i] = 0x1111000022220000ul * (unsigned long)(i % 7 + 1) + (unsigned long)i;
    printf("%x\n", (unsigned)getpid());
    fflush(stdout);
    wait_for_a_change();
    for (int i = 0; i < 16; i++)
        if (i != 4)
            printf("%lx%c", found[i], i == 15 ? '\n' : ' ');
    return 0;
}
