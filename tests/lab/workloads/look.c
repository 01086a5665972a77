// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Looks at this machine by the requests of uapi debug.h that root mode answers, and compares with
 * what the machine says itself: memory of this process and of others, the kernel's memory, page
 * walks, MSRs, interrupt controllers, tasks, mappings and names.
 *
 * usage: look [npt]
 * Loads the hypervisor and unloads it: needs nobody else connected. Prints the checks that fail,
 * then how many held; status 0 if all did.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ringside/ioctl.h"

#define MAPPINGS 3000

static int device;
static int held, broken;

static void check(int is_true, const char* format, ...) {
    va_list values;

    held += is_true;
    broken += !is_true;
    if (is_true)
        return;
    va_start(values, format);
    vprintf(format, values);
    va_end(values);
    printf("\n");
}

static unsigned char image[RS_MAX_LOOK_BYTES] __attribute__((aligned(8)));
#define HEADER(type) ((type*)image)

/* A request of memory; data for it lie behind the header already. 0 or RS_ERR_*. */
static __u32 memory(__u32 operation, __u64 address, __u64 length, __u32 process_id) {
    struct rs_mem* header = HEADER(struct rs_mem);

    *header = (struct rs_mem){.size = sizeof *header,
                              .total_len = sizeof *header + RS_MAX_MEM_BYTES,
                              .address = address,
                              .length = length,
                              .operation = operation,
                              .process_id = process_id,
                              .unit = header->unit,
                              .pattern_len = header->pattern_len};
    if (ioctl(device, RS_IOC_MEM, image) == 0)
        return RS_OK;
    return header->error ? header->error : ~0u;
}
static unsigned char* const data = image + sizeof(struct rs_mem);

static __u64 address_of(const char* name) {
    struct rs_symbol symbol = {.size = sizeof symbol};

    snprintf(symbol.name, sizeof symbol.name, "%s", name);
    return ioctl(device, RS_IOC_SYMBOL, &symbol) ? 0 : symbol.address;
}

#define BUFFER_BYTES 0x5000
static void fill(unsigned char* buffer) {
    for (int i = 0; i < BUFFER_BYTES; i++)
        buffer[i] = (unsigned char)(i * 7 + i / 251);
}

/* This process's buffer, from itself and from a child that has none. */
static void check_buffer(void) {
    unsigned char* buffer =
        mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const __u64 at = (__u64)buffer;
    __u32 error;

    fill(buffer);
    error = memory(RS_MEM_READ, at + 5, BUFFER_BYTES - 5, RS_ANY);
    check(error == RS_OK && !memcmp(data, buffer + 5, BUFFER_BYTES - 5), "own buffer: %08x", error);

    munmap(buffer + 0x3000, 0x2000);
    error = memory(RS_MEM_READ, at + 0x2ffc, 8, (__u32)getpid());
    check(error == RS_ERR_BAD_ADDRESS && errno == EFAULT, "read over a hole: %08x", error);
    check(HEADER(struct rs_mem)->done == 4 && !memcmp(data, buffer + 0x2ffc, 4) &&
              HEADER(struct rs_mem)->failed_address == at + 0x3000 &&
              HEADER(struct rs_mem)->failed_level == 1 && HEADER(struct rs_mem)->failed_entry == 0,
          "the hole: done %llx, address %llx, level %u, entry %llx", HEADER(struct rs_mem)->done,
          HEADER(struct rs_mem)->failed_address, HEADER(struct rs_mem)->failed_level,
          HEADER(struct rs_mem)->failed_entry);

    memcpy(data, "written by root mode", 20);
    error = memory(RS_MEM_WRITE, at + 0xff8, 20, RS_ANY);
    check(error == RS_OK && !memcmp(buffer + 0xff8, "written by root mode", 20), "write: %08x",
          error);
    memcpy(data, "none of it", 10);
    error = memory(RS_MEM_WRITE, at + 0x2ffc, 10, RS_ANY);
    check(error == RS_ERR_BAD_ADDRESS && memcmp(buffer + 0x2ffc, "none", 4), "half a write: %08x",
          error);

    memcpy(data, "by root", 7);
    HEADER(struct rs_mem)->unit = 1;
    HEADER(struct rs_mem)->pattern_len = 7;
    error = memory(RS_MEM_SEARCH, at, 0x3000, RS_ANY);
    check(
        error == RS_OK && HEADER(struct rs_mem)->hit_count == 1 && *(__u64*)data == at + 0xff8 + 8,
        "search: %08x, %u hits", error, HEADER(struct rs_mem)->hit_count);

    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        static unsigned char mine[0x3000];
        memcpy(mine, buffer, sizeof mine);
        munmap(buffer, 0x3000);
        error = memory(RS_MEM_READ, at, sizeof mine, (__u32)getppid());
        _exit(error != RS_OK || memcmp(data, mine, sizeof mine) != 0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    check(status == 0, "another process's buffer: status %x", status);

    struct rs_page_walk walk = {.size = sizeof walk, .address = at + 0x123, .process_id = RS_ANY};
    error = ioctl(device, RS_IOC_PAGE_WALK, &walk) ? walk.error : 0;
    check(error == RS_OK && walk.is_present && walk.page_bytes >= 0x1000 &&
              walk.depth >= walk.levels - 1 && (walk.entry[walk.depth - 1] & 1) &&
              (walk.physical & 0xfff) == 0x123,
          "page walk: %08x, present %u, depth %u", error, walk.is_present, walk.depth);
    struct rs_mem* header = HEADER(struct rs_mem);
    *header = (struct rs_mem){.size = sizeof *header,
                              .total_len = sizeof image,
                              .address = walk.physical,
                              .length = 16,
                              .flags = RS_MEMF_PHYSICAL,
                              .process_id = RS_ANY};
    error = ioctl(device, RS_IOC_MEM, image) ? header->error : 0;
    check(error == RS_OK && !memcmp(data, buffer + 0x123, 16), "physical memory: %08x", error);
    munmap(buffer, BUFFER_BYTES);
}

static void check_kernel(void) {
    char banner[256] = "";
    const __u64 at = address_of("linux_banner");
    const int file = open("/proc/version", O_RDONLY);
    const ssize_t length = read(file, banner, sizeof banner - 1);
    __u32 error;

    close(file);
    check(at != 0 && length > 0, "linux_banner: %llx, /proc/version: %zd", at, length);
    error = memory(RS_MEM_READ, at, (__u64)length, RS_ANY);
    check(error == RS_OK && !memcmp(data, banner, (size_t)length), "linux_banner: %08x '%.*s'",
          error, (int)length, data);
    error = memory(RS_MEM_READ, at, (__u64)length, 1);
    check(error == RS_OK && !memcmp(data, banner, (size_t)length), "by process 1: %08x", error);
    memcpy(data, "X", 1);
    error = memory(RS_MEM_WRITE, at, 1, RS_ANY);
    check(error == RS_ERR_BAD_ADDRESS && HEADER(struct rs_mem)->failed_level == 0,
          "write to read-only memory: %08x, level %u", error, HEADER(struct rs_mem)->failed_level);
    error = memory(RS_MEM_READ, 0x0000800000000000, 1, RS_ANY);
    check(error == RS_ERR_BAD_ADDRESS && HEADER(struct rs_mem)->failed_level >= 4,
          "a non-canonical address: %08x, level %u", error, HEADER(struct rs_mem)->failed_level);
    error = memory(RS_MEM_READ, at, 1, 4000000);
    check(error == RS_ERR_BAD_PID, "no such process: %08x", error);
    /* A kernel thread has no memory of its own. */
    error = memory(RS_MEM_READ, (__u64)&device, 1, 2);
    check(error == RS_ERR_BAD_ADDRESS, "a kernel thread's memory: %08x", error);
}

static __u32 msr(struct rs_msr* request) {
    request->size = sizeof *request;
    request->error = 0;
    return ioctl(device, RS_IOC_MSR, request) == 0 ? (__u32)RS_OK : request->error;
}

static void check_msrs(int cores) {
    const __u64 entry = address_of("entry_SYSCALL_64");

    for (int core = 0; core < cores; core++) {
        struct rs_msr request = {.core = (__u32)core, .msr = 0xc0000082};
        __u32 error = msr(&request);
        check(error == RS_OK && request.value == entry && request.core == (__u32)core,
              "LSTAR of core %d: %08x, %llx, core %u", core, error, request.value, request.core);
        request.flags = RS_MSRF_WRITE; /* the same again, and it still works */
        error = msr(&request);
        check(error == RS_OK, "write of LSTAR: %08x", error);
        request = (struct rs_msr){.core = (__u32)core, .msr = 0xc0000080};
        error = msr(&request);
        check(error == RS_OK && (request.value & 0x1fff) == 0xd01, "EFER: %08x, %llx", error,
              request.value);
        request.flags = RS_MSRF_WRITE;
        error = msr(&request);
        check(error == RS_OK, "write of EFER: %08x", error);
        request =
            (struct rs_msr){.core = (__u32)core, .msr = 0xc0000101}; /* GS base: the kernel's */
        error = msr(&request);
        check(error == RS_OK && request.value >> 47 == 0x1ffff, "GS base: %08x, %llx", error,
              request.value);
        request = (struct rs_msr){.core = (__u32)core, .msr = 0x12345678};
        error = msr(&request);
        /* Emulators have every MSR, and 0 in it. */
        check(error == RS_ERR_BAD_MSR || (error == RS_OK && request.value == 0),
              "an MSR nobody has: %08x, %llx", error, request.value);
        request = (struct rs_msr){.core = (__u32)core, .flags = RS_MSRF_WRITE, .msr = 0x1b};
        error = msr(&request);
        check(error == RS_ERR_BAD_MSR, "the local APIC switched off: %08x", error);
    }
    struct rs_msr none = {.core = 200, .msr = 0xc0000082};
    const __u32 error = msr(&none);
    check(error == RS_ERR_BAD_CORE, "core 200: %08x", error);
}

static void check_registers(void) {
    struct rs_registers registers = {.size = sizeof registers};
    const int error = ioctl(device, RS_IOC_REGISTERS, &registers);

    check(error == 0 && registers.is_long_mode && registers.value[RS_FULL_CPL] == 0 &&
              registers.value[RS_FULL_CS] == 0x10 &&
              registers.value[RS_FULL_RIP] >> 47 == 0x1ffff &&
              registers.value[RS_FULL_CR0] >> 31 == 1,
          "registers: error %x, rip %llx, cs %llx, cr0 %llx", registers.error,
          registers.value[RS_FULL_RIP], registers.value[RS_FULL_CS], registers.value[RS_FULL_CR0]);
}

static void check_controllers(int cores) {
    for (int core = 0; core < cores; core++) {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(core, &one);
        sched_setaffinity(0, sizeof one, &one);
        struct rs_lapic lapic = {.size = sizeof lapic};
        int error = ioctl(device, RS_IOC_LAPIC, &lapic);
        const __u32 id = lapic.is_x2apic ? lapic.value[2] : lapic.value[2] >> 24;
        check(error == 0 && lapic.core == (__u32)core && id == (__u32)core &&
                  (lapic.base_msr & 0x800) && (lapic.value[0xf] & 0x1ff) == 0x1ff &&
                  (lapic.value[0x32] & 0xff) == 0xec,
              "local APIC of core %d: %08x, core %u, id %x, base %llx, spurious %x, timer %x", core,
              lapic.error, lapic.core, id, lapic.base_msr, lapic.value[0xf], lapic.value[0x32]);
        /* No register that is not there was read: that would stand in the error status. */
        error = ioctl(device, RS_IOC_LAPIC, &lapic);
        check(error == 0 && lapic.value[0x28] == 0, "error status %x", lapic.value[0x28]);
    }
    struct rs_io_apic io_apic = {.size = sizeof io_apic};
    int error = ioctl(device, RS_IOC_IO_APIC, &io_apic);
    const __u32 pins = (io_apic.version >> 16 & 0xff) + 1;
    int open_pins = 0;
    for (__u32 i = 0; i < pins && i < RS_IO_APIC_ENTRIES; i++)
        open_pins += !(io_apic.entry[i] >> 16 & 1) && (io_apic.entry[i] & 0xff) >= 0x20;
    check(error == 0 && io_apic.count == 1 && io_apic.address == 0xfec00000 && pins == 24 &&
              open_pins > 0,
          "IO-APIC: %08x, %u, at %llx, version %x, %d pins open", io_apic.error, io_apic.count,
          io_apic.address, io_apic.version, open_pins);
    io_apic.index = 1;
    error = ioctl(device, RS_IOC_IO_APIC, &io_apic);
    check(error != 0 && io_apic.error == RS_ERR_NO_SUCH_DEVICE, "a second: %08x", io_apic.error);
}

#define MAX_PIDS 4096
static int numbers_in(const char* folder, __u32* pids) {
    DIR* list = opendir(folder);
    int count = 0;

    for (struct dirent* entry; (entry = readdir(list)) && count < MAX_PIDS;)
        if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
            pids[count++] = (__u32)atoi(entry->d_name);
    closedir(list);
    return count;
}

static int contains(const __u32* pids, int count, __u32 pid) {
    for (int i = 0; i < count; i++)
        if (pids[i] == pid)
            return 1;
    return 0;
}

/* Tasks by pages of `room` of them. Their pids; -1: error. */
static int tasks(__u32 which, __u32 process_id, int room, __u32* pids, struct rs_task* mine) {
    struct rs_tasks* header = HEADER(struct rs_tasks);
    __u64 next = 0;
    int count = 0;

    do {
        *header = (struct rs_tasks){.size = sizeof *header,
                                    .total_len = sizeof *header + (__u64)room * sizeof *mine,
                                    .which = which,
                                    .process_id = process_id,
                                    .next = next};
        if (ioctl(device, RS_IOC_TASKS, image)) {
            printf("tasks: %08x\n", header->error);
            return -1;
        }
        const struct rs_task* task = (const struct rs_task*)(header + 1);
        for (__u32 i = 0; i < header->count && count < MAX_PIDS; i++, task++) {
            pids[count++] = task->pid;
            if (task->pid == (__u32)getpid())
                *mine = *task;
        }
        next = header->next;
    } while (next);
    return count;
}

static void* wait_for_ever(void* argument) {
    (void)argument;
    for (;;)
        pause();
    return NULL;
}

static void check_tasks(void) {
    static __u32 before[MAX_PIDS], after[MAX_PIDS], told[MAX_PIDS];
    struct rs_task mine = {};
    pthread_t threads[3];

    prctl(PR_SET_NAME, "look-at-me");
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, wait_for_ever, NULL);
    static const int kRooms[] = {1000, 3};
    for (int i = 0; i < 2; i++) {
        /* Who was there before and after was there meanwhile. */
        const int before_count = numbers_in("/proc", before);
        const int count = tasks(RS_TASKS_PROCESSES, RS_ANY, kRooms[i], told, &mine);
        const int after_count = numbers_in("/proc", after);
        int missing = 0;
        for (int k = 0; k < before_count; k++)
            missing += contains(after, after_count, before[k]) && !contains(told, count, before[k]);
        check(count > 2 && missing == 0, "%d processes in pages of %d, %d missing", count,
              kRooms[i], missing);
        check(mine.tgid == (__u32)getpid() && mine.leader == mine.task && mine.mm &&
                  mine.page_table && !strcmp(mine.name, "look-at-me"),
              "my task: tgid %u, page table %llx, name %s", mine.tgid, mine.page_table, mine.name);
    }
    const int thread_count = numbers_in("/proc/self/task", before);
    int count = tasks(RS_TASKS_THREADS, (__u32)getpid(), 2, told, &mine);
    check(thread_count == 4 && count == 4, "%d threads, %d told", thread_count, count);
    for (int k = 0; k < thread_count; k++)
        check(contains(told, count, before[k]), "thread %u is not told", before[k]);
    const __u64 task = mine.task;
    count = tasks(RS_TASKS_CURRENT, RS_ANY, 1, told, &mine);
    check(count == 1 && told[0] == (__u32)getpid() && mine.task == task, "current task: %u",
          told[0]);
}

/* The next mapping of a file in /proc/self/maps; 0: there is none. */
static int next_mapping(FILE* maps, struct rs_mapping* mapping, char* path) {
    char line[0x800];

    while (fgets(line, sizeof line, maps)) {
        int at = 0;
        line[strcspn(line, "\n")] = 0;
        if (sscanf(line, "%llx-%llx %*s %*s %*s %*s %n", &mapping->start, &mapping->end, &at) ==
                2 &&
            at && line[at] == '/') {
            strcpy(path, line + at);
            return 1;
        }
    }
    return 0;
}

/* Mappings told in answers of `bytes`, against the kernel's own list. */
static void compare_mappings(__u32 process_id, __u64 bytes) {
    struct rs_mappings* header = HEADER(struct rs_mappings);
    struct rs_mapping known;
    char path[0x800];
    int told = 0, wrong = 0;
    __u64 next = 0;
    FILE* maps = fopen("/proc/self/maps", "r");

    do {
        *header = (struct rs_mappings){
            .size = sizeof *header, .total_len = bytes, .next = next, .process_id = process_id};
        if (ioctl(device, RS_IOC_MAPPINGS, image)) {
            check(0, "mappings: %08x", header->error);
            break;
        }
        const unsigned char* at = image + sizeof *header;
        for (__u32 i = 0; i < header->count; i++, told++) {
            const struct rs_mapping* mapping = (const struct rs_mapping*)at;
            wrong += !next_mapping(maps, &known, path) || mapping->start != known.start ||
                     mapping->end != known.end || mapping->flags != RS_MAPPINGF_PATH ||
                     mapping->path_len != strlen(path) ||
                     memcmp(mapping + 1, path, mapping->path_len) != 0;
            at += sizeof *mapping + (mapping->path_len + 7) / 8 * 8;
        }
        next = header->next;
    } while (next);
    check(told > MAPPINGS && wrong == 0 && !next_mapping(maps, &known, path),
          "%d mappings told in answers of %llu bytes, %d are others", told, bytes, wrong);
    fclose(maps);
}

/* Enough of them for a tree of several levels; of a file in the root file system, since a path
 * begins at that of its own. */
static void check_mappings(void) {
    static void* pages[MAPPINGS];
    static const char kPath[] = "/looked at/a file";

    mkdir("/looked at", 0700);
    const int file = open(kPath, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    check(file >= 0 && ftruncate(file, 0x1000) == 0, "%s: %s", kPath, strerror(errno));
    for (int i = 0; i < MAPPINGS; i++)
        pages[i] = mmap(NULL, 0x1000, PROT_READ, MAP_PRIVATE, file, 0);
    compare_mappings(RS_ANY, sizeof image);
    compare_mappings((__u32)getpid(), 0x800);
    for (int i = 0; i < MAPPINGS; i++)
        munmap(pages[i], 0x1000);
    close(file);
    unlink(kPath);
    rmdir("/looked at");

    struct rs_mappings* header = HEADER(struct rs_mappings);
    *header =
        (struct rs_mappings){.size = sizeof *header, .total_len = sizeof image, .process_id = 2};
    check(ioctl(device, RS_IOC_MAPPINGS, image) && errno == ESRCH &&
              header->error == RS_ERR_NO_USER_MEMORY,
          "mappings of kthreadd: %08x", header->error);
}

static unsigned char list[RS_MAX_REQUEST_BYTES] __attribute__((aligned(8)));

/* Counts names by pages of `bytes`; 1: their addresses ascend, and `known` is one of them. */
static int names(const char* pattern, __u64 bytes, __u64* count, int* pages, const char* known) {
    struct rs_symbol_list* header = (struct rs_symbol_list*)list;
    __u64 last = 0, next = 0;
    int is_sorted = 1, has_known = 0;

    *count = 0;
    *pages = 0;
    do {
        memset(list, 0, sizeof *header);
        header->size = sizeof *header;
        header->total_len = bytes;
        header->next = next;
        snprintf(header->pattern, sizeof header->pattern, "%s", pattern);
        if (ioctl(device, RS_IOC_SYMBOL_LIST, list)) {
            printf("%s: %08x\n", pattern, header->error);
            return 0;
        }
        const unsigned char* at = list + sizeof *header;
        for (__u32 k = 0; k < header->count; k++) {
            const struct rs_symbol_entry* entry = (const struct rs_symbol_entry*)at;
            is_sorted &= entry->address >= last;
            last = entry->address;
            has_known |=
                entry->name_len == strlen(known) && !memcmp(entry + 1, known, strlen(known));
            at += sizeof *entry + (entry->name_len + 7) / 8 * 8;
        }
        *count += header->count;
        next = header->next;
        ++*pages;
    } while (next);
    return is_sorted && has_known;
}

/* A name and its address, and how many there are. */
static void check_symbols(void) {
    struct rs_symbol_list* header = (struct rs_symbol_list*)list;
    static const char* const kPatterns[] = {"entry_SYSCALL_6?", "nt!entry_SYSCALL_64",
                                            "vmlinux!*_SYSCALL_64"};

    for (int i = 0; i < 3; i++) {
        int found = 0;
        memset(list, 0, sizeof *header);
        header->size = sizeof *header;
        header->total_len = sizeof list;
        snprintf(header->pattern, sizeof header->pattern, "%s", kPatterns[i]);
        const int error = ioctl(device, RS_IOC_SYMBOL_LIST, list);
        const unsigned char* at = list + sizeof *header;
        for (__u32 k = 0; error == 0 && k < header->count; k++) {
            const struct rs_symbol_entry* entry = (const struct rs_symbol_entry*)at;
            found += entry->address == address_of("entry_SYSCALL_64") && entry->type == 't' &&
                     entry->name_len == 24 && !memcmp(entry + 1, "vmlinux!entry_SYSCALL_64", 24);
            at += sizeof *entry + (entry->name_len + 7) / 8 * 8;
        }
        check(found == 1 && header->next == 0, "%s: %08x, %u entries, %d of them it", kPatterns[i],
              header->error, header->count, found);
    }
    __u64 all = 0, by_pages = 0;
    int pages = 0;
    check(names("ringside!*", sizeof list, &all, &pages, "ringside!device_ioctl") && all > 100 &&
              pages == 1,
          "names of the module: %llu in %d pages", all, pages);
    check(names("ringside!*", 0x1000, &by_pages, &pages, "ringside!device_ioctl") &&
              by_pages == all && pages > 1,
          "the same: %llu in %d pages", by_pages, pages);
    check(names("nt!__*", sizeof list, &all, &pages, "vmlinux!__schedule") && all > 2000,
          "names of the kernel: %llu in %d pages", all, pages);
}

int main(int argc, char** argv) {
    const int cores = (int)sysconf(_SC_NPROCESSORS_ONLN);
    struct rs_registers registers = {.size = sizeof registers};
    struct rs_load load = {.size = sizeof load, .abi = RS_ABI_VERSION};

    device = open("/dev/ringside", O_RDWR | O_CLOEXEC);
    if (device < 0) {
        perror("/dev/ringside");
        return 1;
    }
    check(ioctl(device, RS_IOC_REGISTERS, &registers) && registers.error == RS_ERR_NOT_LOADED,
          "before load: %08x", registers.error);
    check_symbols();
    if (argc > 1 && !strcmp(argv[1], "npt"))
        load.flags = RS_LOADF_NPT;
    if (ioctl(device, RS_IOC_LOAD, &load)) {
        printf("load: %08x\n", load.error);
        return 1;
    }
    check_registers();
    check_buffer();
    check_kernel();
    check_msrs(cores);
    check_controllers(cores);
    check_tasks();
    check_mappings();
    load = (struct rs_load){.size = sizeof load, .abi = RS_ABI_VERSION};
    check(ioctl(device, RS_IOC_UNLOAD, &load) == 0, "unload: %08x", load.error);
    printf("%d checks hold, %d do not\n", held, broken);
    return broken != 0;
}
