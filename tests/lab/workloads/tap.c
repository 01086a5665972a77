// SPDX-License-Identifier: GPL-3.0-or-later
// tap CORE VECTOR TARGET SECONDS: one busy process on CORE that has the kick module send VECTOR to
// core TARGET a hundred times a second. It never sleeps, so it goes on while nothing else on its
// core does. Prints how many it sent.
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

int main(int argc, char** argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: tap CORE VECTOR TARGET SECONDS\n");
        return 2;
    }
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(atoi(argv[1]), &set);
    const int kick = open("/proc/kick", O_RDWR);
    if (kick < 0 || sched_setaffinity(0, sizeof(set), &set) != 0) {
        perror("tap");
        return 1;
    }
    char command[64];
    const int length = snprintf(command, sizeof(command), "send %s %s 1 0", argv[2], argv[3]);
    const double end = now() + atof(argv[4]);
    unsigned long sent = 0;
    for (double next = now(); next < end; next += 0.01) {
        if (write(kick, command, (size_t)length) != length) {
            perror("tap");
            return 1;
        }
        sent++;
        while (now() < next + 0.01) {
        }
    }
    printf("%lu\n", sent);
    return 0;
}
