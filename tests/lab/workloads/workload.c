// SPDX-License-Identifier: GPL-3.0-or-later
// Work that makes interrupts inside the debuggee.
//   workload KIND SECONDS     KIND: timers, wakeups, shootdowns, disk, cpu, mixed
// Prints "KIND ROUNDS" for each kind at the end: progress that must not stall.
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static time_t deadline;

static time_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec;
}

static int over(void) {
    return now() >= deadline;
}

static void pin(long cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((int)(cpu % sysconf(_SC_NPROCESSORS_ONLN)), &set);
    sched_setaffinity(0, sizeof(set), &set);
}

static int fail(const char* what) {
    perror(what);
    exit(1);
}

// Sleeps of 200 µs on every core: local timer interrupts.
static unsigned long sleeper(void) {
    unsigned long rounds = 0;
    for (; !over(); rounds++) {
        const struct timespec nap = {0, 200 * 1000};
        nanosleep(&nap, NULL);
    }
    return rounds;
}

static unsigned long timers(void) {
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    for (long i = 1; i < cores; i++)
        if (fork() == 0) {
            pin(i);
            sleeper();
            _exit(0);
        }
    pin(0);
    const unsigned long rounds = sleeper();
    while (wait(NULL) > 0) {
    }
    return rounds;
}

// A byte to and fro between two cores: reschedule interrupts.
static unsigned long wakeups(void) {
    int there[2], back[2];
    if (pipe(there) != 0 || pipe(back) != 0)
        fail("pipe");
    const pid_t child = fork();
    if (child == 0) {
        char byte;
        close(there[1]);
        pin(1);
        while (read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1) {
        }
        _exit(0);
    }
    unsigned long rounds = 0;
    char byte = 0;
    close(there[0]);
    pin(0);
    for (; !over(); rounds++)
        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
            fail("wakeups");
    close(there[1]);
    waitpid(child, NULL, 0);
    return rounds;
}

static atomic_int stop_touching;

static void* toucher(void* memory) {
    volatile char* byte = memory;
    pin(1);
    while (!stop_touching)
        (void)byte[0];
    return NULL;
}

// Protection changes in a process that runs on two cores: TLB shootdowns.
static unsigned long shootdowns(void) {
    char* pages = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        fail("mmap");
    pages[0] = 1;
    pthread_t thread;
    if (pthread_create(&thread, NULL, toucher, pages) != 0)
        fail("pthread_create");
    pin(0);
    unsigned long rounds = 0;
    for (; !over(); rounds++) {
        pages[4096] = 1;
        if (mprotect(pages + 4096, 4096, PROT_READ) != 0 ||
            mprotect(pages + 4096, 4096, PROT_READ | PROT_WRITE) != 0)
            fail("mprotect");
    }
    stop_touching = 1;
    pthread_join(thread, NULL);
    return rounds;
}

// Reads and writes past the page cache: interrupts of the disk. What was written is read back.
static unsigned long disk(void) {
    enum { kBlock = 4096, kBlocks = 1024 };
    char* out = aligned_alloc(kBlock, kBlock);
    char* in = aligned_alloc(kBlock, kBlock);
    const int file = open("/dev/vda", O_RDWR | O_DIRECT);
    if (file < 0)
        fail("/dev/vda");
    unsigned long rounds = 0;
    for (; !over(); rounds++) {
        const off_t at = (off_t)(rounds * 7 % kBlocks) * kBlock;
        memset(out, (int)rounds, kBlock);
        if (pwrite(file, out, kBlock, at) != kBlock || pread(file, in, kBlock, at) != kBlock)
            fail("disk");
        if (memcmp(in, out, kBlock) != 0) {
            fprintf(stderr, "disk: other data came back\n");
            exit(1);
        }
    }
    return rounds;
}

// Computes without a system call; a wrong result means that registers were lost on the way.
static unsigned long cpu(void) {
    unsigned long rounds = 0;
    unsigned long expected = 0;
    for (; !over(); rounds++) {
        unsigned long value = 0x9e3779b97f4a7c15;
        double real = 1.0;
        for (int i = 0; i < 1000000; i++) {
            value = value * 6364136223846793005UL + 1442695040888963407UL;
            real = real * 1.0000001 + (double)(value >> 60);
        }
        unsigned long bits;
        memcpy(&bits, &real, sizeof(bits));
        if (rounds == 0)
            expected = value ^ bits;
        if ((value ^ bits) != expected) {
            fprintf(stderr, "cpu: registers changed\n");
            exit(1);
        }
    }
    return rounds;
}

static const struct {
    const char* name;
    unsigned long (*run)(void);
} kinds[] = {
    {"timers", timers}, {"wakeups", wakeups}, {"shootdowns", shootdowns},
    {"disk", disk},     {"cpu", cpu},
};
enum { kKinds = sizeof(kinds) / sizeof(kinds[0]) };

static int run_kind(int kind) {
    const unsigned long rounds = kinds[kind].run();
    printf("%s %lu\n", kinds[kind].name, rounds);
    fflush(stdout);
    return rounds == 0;
}

static int run_all(void) {
    int failed = 0;
    const int has_disk = access("/dev/vda", R_OK) == 0;
    for (int i = 0; i < kKinds; i++)
        if ((has_disk || kinds[i].run != disk) && fork() == 0)
            _exit(run_kind(i));
    for (int status; wait(&status) > 0;)
        failed |= !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    return failed;
}

int main(int argc, char** argv) {
    if (argc == 3) {
        deadline = now() + atol(argv[2]);
        if (strcmp(argv[1], "mixed") == 0)
            return run_all();
        for (int i = 0; i < kKinds; i++)
            if (strcmp(argv[1], kinds[i].name) == 0)
                return run_kind(i);
    }
    fprintf(stderr, "usage: workload timers|wakeups|shootdowns|disk|cpu|mixed SECONDS\n");
    return 2;
}
