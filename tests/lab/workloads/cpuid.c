// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What instructions say or do that a hypervisor may exit for, so that the answers with one below
 * can be compared with those without.
 *
 * usage: cpuid leaves   every leaf of CPUID, on the core it runs on
 *        cpuid others   instructions that may be refused: "NAME ok" or "NAME signal N"
 */
#include <cpuid.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void print_leaf(uint32_t leaf, uint32_t subleaf) {
    uint32_t a, b, c, d;
    __cpuid_count(leaf, subleaf, a, b, c, d);
    printf("%08x.%02x %08x %08x %08x %08x\n", leaf, subleaf, a, b, c, d);
}

static void print_leaves(uint32_t first) {
    enum { kSubleaves = 4 };
    uint32_t last, b, c, d;
    __cpuid(first, last, b, c, d);
    for (uint32_t leaf = first; leaf <= last && leaf < first + 0x40; leaf++)
        for (uint32_t subleaf = 0; subleaf < kSubleaves; subleaf++)
            print_leaf(leaf, subleaf);
}

static sigjmp_buf back;
static void on_signal(int number) {
    siglongjmp(back, number);
}

static uint64_t word[2];

static void run_rdtscp(void) {
    uint32_t a, c, d;
    __asm__ volatile("rdtscp" : "=a"(a), "=c"(c), "=d"(d));
}
static void run_rdtsc(void) {
    uint32_t a, d;
    __asm__ volatile("rdtsc" : "=a"(a), "=d"(d));
}
static void run_xgetbv(void) {
    uint32_t a, d;
    __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
}
static void run_xsaves(void) {
    static unsigned char area[8192] __attribute__((aligned(64)));
    __asm__ volatile("xsaves %0" : "+m"(area) : "a"(0), "d"(0));
}
static void run_invpcid(void) {
    __asm__ volatile("invpcid %0, %1" : : "m"(word), "r"(0ul) : "memory");
}
static void run_tpause(void) {
    __asm__ volatile(".byte 0x66, 0x0f, 0xae, 0xf1" : : "a"(0), "d"(0) : "cc");
}
static void run_vmcall(void) {
    __asm__ volatile("vmcall" : : "a"(0) : "memory");
}
static void run_vmmcall(void) {
    __asm__ volatile("vmmcall" : : "a"(0) : "memory");
}
static void run_vmxon(void) {
    __asm__ volatile("vmxon %0" : : "m"(word) : "cc", "memory");
}
static void run_vmread(void) {
    uint64_t value;
    __asm__ volatile("vmread %1, %0" : "=r"(value) : "r"(0x4402ul) : "cc");
}
static void run_vmlaunch(void) {
    __asm__ volatile("vmlaunch" : : : "cc", "memory");
}
static void run_invept(void) {
    __asm__ volatile("invept %0, %1" : : "m"(word), "r"(2ul) : "cc", "memory");
}
static void run_vmrun(void) {
    __asm__ volatile("vmrun %%rax" : : "a"(word) : "memory");
}
static void run_invd(void) {
    __asm__ volatile("invd" : : : "memory");
}
static void run_xsetbv(void) {
    __asm__ volatile("xsetbv" : : "a"(1), "d"(0), "c"(0) : "memory");
}
static void run_rdmsr(void) {
    uint32_t a, d;
    __asm__ volatile("rdmsr" : "=a"(a), "=d"(d) : "c"(0x40000000));
}
static void run_getsec(void) {
    __asm__ volatile(".byte 0x0f, 0x37" : : "a"(0), "b"(0) : "memory");
}

static const struct {
    const char* name;
    void (*run)(void);
} kOthers[] = {
    {"rdtsc", run_rdtsc},   {"rdtscp", run_rdtscp},     {"xgetbv", run_xgetbv},
    {"xsaves", run_xsaves}, {"invpcid", run_invpcid},   {"tpause", run_tpause},
    {"vmcall", run_vmcall}, {"vmmcall", run_vmmcall},   {"vmxon", run_vmxon},
    {"vmread", run_vmread}, {"vmlaunch", run_vmlaunch}, {"invept", run_invept},
    {"vmrun", run_vmrun},   {"invd", run_invd},         {"xsetbv", run_xsetbv},
    {"rdmsr", run_rdmsr},   {"getsec", run_getsec},
};

static void try_others(void) {
    for (int number = SIGILL; number <= SIGSEGV; number++)
        signal(number, on_signal);
    for (unsigned i = 0; i < sizeof kOthers / sizeof *kOthers; i++) {
        const int number = sigsetjmp(back, 1);
        if (number == 0)
            kOthers[i].run();
        if (number == 0)
            printf("%s ok\n", kOthers[i].name);
        else
            printf("%s signal %d\n", kOthers[i].name, number);
    }
}

int main(int count, char** words) {
    if (count == 2 && !strcmp(words[1], "leaves")) {
        print_leaves(0);
        print_leaves(0x80000000);
        return 0;
    }
    if (count == 2 && !strcmp(words[1], "others")) {
        try_others();
        return 0;
    }
    fprintf(stderr, "usage: cpuid leaves|others\n");
    return 2;
}
