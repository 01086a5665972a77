// SPDX-License-Identifier: GPL-3.0-or-later
// faults KIND N: raises an exception N times and prints how many signals came of it.
//   int3, ud2, div   SIGTRAP, SIGILL, SIGFPE    page   first touches of pages: no signal
//   (the pages are those from 0x600000000000 on)
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static sigjmp_buf back;
static volatile long signals;
static void on_signal(int number) {
    signals++;
    if (number != SIGTRAP)  // a trap: the program is behind it already
        siglongjmp(back, 1);
}

int main(int argc, char** argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: faults int3|ud2|div|page N\n");
        return 2;
    }
    const char* kind = argv[1];
    const long times = atol(argv[2]), page = sysconf(_SC_PAGESIZE);
    const int zero = 0;
    char* memory = mmap((void*)0x600000000000, (size_t)(times * page), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (memory == MAP_FAILED)
        return 1;
    madvise(memory, (size_t)(times * page), MADV_NOHUGEPAGE);
    signal(SIGTRAP, on_signal);
    signal(SIGILL, on_signal);
    signal(SIGFPE, on_signal);
    for (volatile long i = 0; i < times; i++) {
        if (sigsetjmp(back, 1) != 0)
            continue;
        if (strcmp(kind, "int3") == 0)
            __asm__ volatile("int3");
        else if (strcmp(kind, "ud2") == 0)
            __asm__ volatile("ud2");
        else if (strcmp(kind, "div") == 0)
            __asm__ volatile("xorl %%edx, %%edx; divl %0" : : "c"(zero) : "eax", "edx", "cc");
        else
            memory[i * page] = 1;
    }
    printf("%ld\n", signals);
    return 0;
}
