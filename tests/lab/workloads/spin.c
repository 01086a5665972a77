// SPDX-License-Identifier: GPL-3.0-or-later
// spin CORE SECONDS: one busy process on one core. Prints its pid (hexadecimal) at once and its
// rounds at the end.
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char** argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: spin CORE SECONDS\n");
        return 2;
    }
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(atoi(argv[1]), &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0) {
        perror("spin");
        return 1;
    }
    printf("%x\n", (unsigned)getpid());
    fflush(stdout);
    struct timespec begin, time;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    unsigned long rounds = 0;
    do {
        for (volatile int i = 0; i < 100000; i++) {
        }
        rounds++;
        clock_gettime(CLOCK_MONOTONIC, &time);
    } while (time.tv_sec - begin.tv_sec < atol(argv[2]));
    printf("%lu\n", rounds);
    return 0;
}
