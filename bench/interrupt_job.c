// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The fixed job whose interrupts are paid for: a counted loop on one CPU while a per-CPU clock
 * event interrupts it at a fixed rate. Runs inside of the debuggee. Prints elapsed_ns interrupts
 * Under an instruction-counting emulator with shift 0 a nanosecond is an instruction.
 *
 * usage: interrupt_job RATE_HZ MILLIONS_OF_ITERATIONS     (RATE_HZ 0: no interrupts of its own)
 */
#include <linux/perf_event.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Interrupts of the local timer that CPU 0 has handled. */
static unsigned long long timer_interrupts(void) {
    char line[4096];
    unsigned long long count = 0;
    FILE* file = fopen("/proc/interrupts", "r");

    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, " LOC: %llu", &count) == 1)
            break;
    if (file)
        fclose(file);
    return count;
}

static unsigned long long now_ns(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return now.tv_sec * 1000000000ull + (unsigned long long)now.tv_nsec;
}

static void work(unsigned long long iterations) {
    /* Two instructions an iteration, and nothing a compiler could change. */
    __asm__ volatile("1: dec %0\n jnz 1b" : "+r"(iterations) : : "cc");
}

int main(int count, char** words) {
    struct perf_event_attr clock;
    unsigned long long rate, iterations, began, ended, before;
    cpu_set_t cpu;
    int event = -1;

    if (count != 3) {
        fprintf(stderr, "usage: interrupt_job RATE_HZ MILLIONS_OF_ITERATIONS\n");
        return 2;
    }
    rate = strtoull(words[1], NULL, 10);
    iterations = strtoull(words[2], NULL, 10) * 1000000;
    CPU_ZERO(&cpu);
    CPU_SET(0, &cpu);
    sched_setaffinity(0, sizeof cpu, &cpu);
    if (rate) {
        memset(&clock, 0, sizeof clock);
        clock.size = sizeof clock;
        clock.type = PERF_TYPE_SOFTWARE;
        clock.config = PERF_COUNT_SW_CPU_CLOCK;
        clock.sample_period = 1000000000ull / rate;
        event = (int)syscall(SYS_perf_event_open, &clock, 0, -1, -1, 0);
        if (event < 0) {
            perror("perf_event_open");
            return 1;
        }
    }
    before = timer_interrupts();
    began = now_ns();
    work(iterations);
    ended = now_ns();
    if (event >= 0)
        ioctl(event, PERF_EVENT_IOC_DISABLE, 0);
    printf("%llu %llu\n", ended - began, timer_interrupts() - before);
    return 0;
}
