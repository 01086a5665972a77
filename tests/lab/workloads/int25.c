// SPDX-License-Identifier: GPL-3.0-or-later
// int25 N: executes `int $0x25` N times from user space. The gate's privilege level refuses it
// (#GP, so SIGSEGV), and no interrupt of vector 25 takes place. Prints how many were refused.
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static sigjmp_buf back;
static void on_fault(int signal_number) {
    (void)signal_number;
    siglongjmp(back, 1);
}

int main(int argc, char** argv) {
    const long times = argc == 2 ? atol(argv[1]) : 1;
    volatile long refused = 0;
    signal(SIGSEGV, on_fault);
    for (volatile long i = 0; i < times; i++) {
        if (sigsetjmp(back, 1) == 0)
            __asm__ volatile("int $0x25");
        else
            refused++;
    }
    printf("%ld\n", refused);
    return refused != times;
}
