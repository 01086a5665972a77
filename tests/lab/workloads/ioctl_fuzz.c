// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Hostile requests to the device from two threads that share a file (two clients could not load):
 * random bytes, and sound requests with a few bytes changed; loads, unloads, reads, mappings and
 * second files among them (API-5). The kernel's console is what tells whether it went well.
 *
 * usage: ioctl_fuzz SECONDS [SEED]     prints 'seed S: N requests, N accepted'
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "ringside/bytecode.h"
#include "ringside/ioctl.h"

enum { kRoom = 0x8000 };

static time_t end;
static int ended_well = 1;

struct thread {
    pthread_t id;
    __u64 state; /* of the random numbers */
    unsigned long requests, accepted;
    int device;
    __u64 tag; /* of an event that was accepted */
    unsigned char* bytes;
};

/* xorshift64* */
static __u64 draw(struct thread* self) {
    self->state ^= self->state >> 12;
    self->state ^= self->state << 25;
    self->state ^= self->state >> 27;
    return self->state * 0x2545f4914f6cdd1dull;
}
static __u64 below(struct thread* self, __u64 limit) {
    return (draw(self) >> 8) % limit;
}

static const __u32 numbers[] = {
    RS_IOC_VERSION,    RS_IOC_LOAD,         RS_IOC_UNLOAD,      RS_IOC_REGISTER_EVENT,
    RS_IOC_ADD_ACTION, RS_IOC_MODIFY_EVENT, RS_IOC_LIST_EVENTS, RS_IOC_EVENT_STAT,
    RS_IOC_FLUSH,      RS_IOC_RING,         RS_IOC_EVAL,        RS_IOC_IDT,
    RS_IOC_SYMBOL,     RS_IOC_PROCESS,      RS_IOC_SETTINGS,    RS_IOC_MEM,
    RS_IOC_MSR,        RS_IOC_CPUID,        RS_IOC_LAPIC,       RS_IOC_IO_APIC,
    RS_IOC_REGISTERS,  RS_IOC_PAGE_WALK,    RS_IOC_TASKS,       RS_IOC_SYMBOL_LIST,
    RS_IOC_MAPPINGS,
};

/* A number that means something somewhere, or none that does. */
static __u64 interesting(struct thread* self) {
    static const __u64 values[] = {0,
                                   1,
                                   2,
                                   3,
                                   7,
                                   8,
                                   0x10,
                                   0x20,
                                   0xc0,
                                   0xec,
                                   0xff,
                                   0x100,
                                   0x1000,
                                   0x7fffffff,
                                   0x80000000,
                                   RS_ANY,
                                   RS_TAG_BASE,
                                   RS_TAG_ALL,
                                   RS_MAX_BUFFER_BYTES,
                                   RS_MAX_REQUEST_BYTES,
                                   RS_SCRIPT_MAGIC};

    switch (below(self, 4)) {
        case 0:
            return draw(self);
        case 1:
            return self->tag;
        default:
            return values[below(self, sizeof values / sizeof *values)];
    }
}

/* A sound script image: 'return'. */
static __u32 script(unsigned char* at) {
    struct rs_script_image image = {.magic = RS_SCRIPT_MAGIC, .version = RS_SCRIPT_VERSION};
    const struct rs_script_function function = {.count = 1};
    const __u32 first = sizeof image, functions = first + 8,
                end_of_all = functions + sizeof function;

    image.total_len = end_of_all;
    image.code = (struct rs_script_section){first, 1};
    image.functions = (struct rs_script_section){functions, 1};
    image.constants.offset = image.strings.offset = image.globals.offset = image.bytes.offset =
        end_of_all;
    memset(at, 0, end_of_all);
    memcpy(at, &image, sizeof image);
    memcpy(at + functions, &function, sizeof function);
    return end_of_all;
}

/* A sound argument of the request. */
static void fill(struct thread* self, __u32 number) {
    unsigned char* const bytes = self->bytes;

    memset(bytes, 0, 0x400);
    switch (number) {
        case RS_IOC_LOAD:
            *(struct rs_load*)bytes = (struct rs_load){.abi = RS_ABI_VERSION,
                                                       .flags = below(self, 2) ? RS_LOADF_NPT : 0,
                                                       .msg_ring_kb = 64u << below(self, 3)};
            break;
        case RS_IOC_REGISTER_EVENT: {
            struct rs_event_detail* const detail = (void*)bytes;
            struct rs_action* const action = (void*)(detail + 1);

            *detail = (struct rs_event_detail){.abi = RS_ABI_VERSION,
                                               .event_type = RS_EVENT_EXTERNAL_INTERRUPT,
                                               .core_id = RS_ANY,
                                               .process_id = RS_ANY,
                                               .stage = (__u32)below(self, 4),
                                               .optional_param = {0x20 + below(self, 0xe0)},
                                               .action_count = (__u32)below(self, 2),
                                               .safe_buffer_len = (__u32)below(self, 64),
                                               .total_len = sizeof *detail};
            if (detail->action_count) {
                *action = (struct rs_action){.size = sizeof *action,
                                             .action_type = RS_ACT_SCRIPT,
                                             .flags = (__u32)below(self, 2),
                                             .script_pointer = 1};
                action->payload_len = script((unsigned char*)(action + 1));
                detail->total_len += sizeof *action + (action->payload_len + 7) / 8 * 8;
            }
            break;
        }
        case RS_IOC_ADD_ACTION: {
            struct rs_action* const action = (void*)bytes;

            *action = (struct rs_action){
                .action_type = RS_ACT_SCRIPT, .script_pointer = 1, .event_tag = self->tag};
            action->payload_len = script((unsigned char*)(action + 1));
            break;
        }
        case RS_IOC_MODIFY_EVENT:
            *(struct rs_modify_event*)bytes =
                (struct rs_modify_event){.action = (__u32)below(self, 4), .tag = self->tag};
            break;
        case RS_IOC_LIST_EVENTS:
            ((struct rs_event_list*)bytes)->total_len =
                sizeof(struct rs_event_list) + below(self, kRoom - 0x100);
            break;
        case RS_IOC_EVENT_STAT:
            *(struct rs_event_stat*)bytes =
                (struct rs_event_stat){.kind = (__u32)below(self, 3), .tag = below(self, 4)};
            break;
        case RS_IOC_EVAL: {
            struct rs_eval* const eval = (void*)bytes;

            eval->program_len = script((unsigned char*)(eval + 1));
            eval->total_len = sizeof *eval + (eval->program_len + 7) / 8 * 8;
            break;
        }
        case RS_IOC_MEM: {
            static const __u64 addresses[] = {0, 0x400000, 0xffff888000000000, 0xffffffff81000000,
                                              0xfffffffffffffff0};
            struct rs_mem* const mem = (void*)bytes;

            *mem = (struct rs_mem){.total_len = sizeof *mem + below(self, kRoom - 0x100),
                                   .address = addresses[below(self, 5)] + below(self, 0x10000),
                                   .length = below(self, 0x4000),
                                   .operation = below(self, 2) ? RS_MEM_READ : RS_MEM_SEARCH,
                                   .flags = (__u32)below(self, 2),
                                   .process_id = below(self, 2) ? RS_ANY : (__u32)below(self, 300),
                                   .unit = 1u << below(self, 4),
                                   .pattern_len = (__u32)below(self, 8)};
            break;
        }
        case RS_IOC_MSR:
            *(struct rs_msr*)bytes = (struct rs_msr){
                .core = below(self, 2) ? RS_ANY : (__u32)below(self, 4),
                .msr = (below(self, 2) ? 0xc0000080 : 0x800) + (__u32)below(self, 0x40)};
            break;
        case RS_IOC_IO_APIC:
            ((struct rs_io_apic*)bytes)->index = (__u32)below(self, 3);
            break;
        case RS_IOC_PAGE_WALK:
            *(struct rs_page_walk*)bytes = (struct rs_page_walk){
                .address = 0xffffffff81000000 + below(self, 0x10000000),
                .process_id = below(self, 2) ? RS_ANY : (__u32)below(self, 300)};
            break;
        case RS_IOC_TASKS:
            *(struct rs_tasks*)bytes =
                (struct rs_tasks){.total_len = sizeof(struct rs_tasks) + below(self, kRoom - 0x100),
                                  .which = (__u32)below(self, 4),
                                  .process_id = below(self, 2) ? RS_ANY : (__u32)below(self, 300)};
            break;
        case RS_IOC_MAPPINGS:
            *(struct rs_mappings*)bytes = (struct rs_mappings){
                .total_len = sizeof(struct rs_mappings) + below(self, kRoom - 0x100),
                .next = below(self, 2) ? 0 : draw(self),
                .process_id = below(self, 2) ? RS_ANY : (__u32)below(self, 300)};
            break;
        case RS_IOC_SYMBOL_LIST: {
            static const char* const patterns[] = {"ksys_*", "*!device_*", "ringside!*",
                                                   "?",      "!",          "*!"};
            struct rs_symbol_list* const list = (void*)bytes;

            list->total_len = sizeof *list + below(self, kRoom - 0x200);
            snprintf(list->pattern, sizeof list->pattern, "%s", patterns[below(self, 6)]);
            break;
        }
        default:
            break;
    }
    *(__u32*)bytes = number >> 16 & 0x3fff;
}

static void make_request(struct thread* self) {
    __u32 number = numbers[below(self, sizeof numbers / sizeof *numbers)];

    /* Loads take longest. */
    if (number == RS_IOC_UNLOAD && below(self, 100))
        number = RS_IOC_REGISTER_EVENT;
    fill(self, number);
    if (below(self, 16) == 0)
        for (int i = 0; i < kRoom; i += 8)
            *(__u64*)(self->bytes + i) = draw(self);
    else
        for (__u64 changes = below(self, 4); changes; --changes) {
            const __u64 at = below(self, below(self, 2) ? 0x40 : 0x180), value = interesting(self);

            memcpy(self->bytes + at, &value, below(self, 2) ? 4 : 1);
        }
    /* Failing launches on purpose is another test's. */
    if (number == RS_IOC_LOAD)
        ((struct rs_load*)self->bytes)->fail_step = 0;
    /* A machine whose timer interrupts are ignored stands still, as it was told to. */
    if (number == RS_IOC_REGISTER_EVENT)
        ((struct rs_event_detail*)self->bytes)->flags &= ~RS_EVF_SHORT_CIRCUIT;
    if (below(self, 32) == 0)
        number = (number & ~0xffu) | (__u32)below(self, 256);
    /* A machine that is written to at random does not live long, as whoever writes knows. */
    if (RS_IOC_NR(number) == RS_NR_MEM && ((struct rs_mem*)self->bytes)->operation == RS_MEM_WRITE)
        ((struct rs_mem*)self->bytes)->operation = RS_MEM_READ;
    if (RS_IOC_NR(number) == RS_NR_MSR)
        ((struct rs_msr*)self->bytes)->flags &= ~RS_MSRF_WRITE;
    ++self->requests;
    if (ioctl(self->device, number,
              below(self, 64) ? (void*)self->bytes : (void*)interesting(self)))
        return;
    ++self->accepted;
    if (number == RS_IOC_REGISTER_EVENT)
        self->tag = ((struct rs_event_detail*)self->bytes)->tag;
}

static void do_something_else(struct thread* self) {
    static const size_t rings[] = {0x10000, 0x20000, 0x40000, 0x100000};
    struct pollfd ready = {.fd = self->device, .events = POLLIN};
    void* mapping;
    size_t bytes;
    int shared;

    switch (below(self, 4)) {
        case 0:
            if (read(self->device, self->bytes, below(self, kRoom)) < 0 && errno != EAGAIN &&
                errno != EMSGSIZE)
                ended_well = 0;
            break;
        case 1:
            poll(&ready, 1, 0);
            break;
        case 2:
            bytes = RS_RING_HEAD_BYTES + rings[below(self, 4)];
            mapping = mmap(NULL, bytes, PROT_READ, MAP_SHARED, self->device,
                           (off_t)(below(self, 3) * RS_RING_STRIDE));
            if (mapping != MAP_FAILED) {
                const volatile unsigned char* const data = mapping;

                (void)data[below(self, bytes)];
                if (below(self, 8)) /* some stay until the end */
                    munmap(mapping, bytes);
            }
            break;
        default: /* another client for a moment, and nobody may load or unload */
            shared = self->device;
            self->device = open("/dev/ringside", O_RDWR | O_NONBLOCK | O_CLOEXEC);
            if (self->device >= 0) {
                for (__u64 requests = below(self, 4); requests; --requests)
                    make_request(self);
                close(self->device);
            }
            self->device = shared;
            break;
    }
}

static void* run(void* argument) {
    struct thread* const self = argument;

    while (time(NULL) < end) {
        if (below(self, 8))
            make_request(self);
        else
            do_something_else(self);
    }
    return NULL;
}

int main(int count, char** words) {
    static struct thread threads[2];
    struct rs_load unload = {.size = sizeof unload};
    unsigned long requests = 0, accepted = 0;
    __u64 seed;
    int device;

    if (count < 2) {
        fprintf(stderr, "usage: ioctl_fuzz SECONDS [SEED]\n");
        return 2;
    }
    seed =
        count > 2 ? strtoull(words[2], NULL, 16) : ((__u64)time(NULL) << 20 ^ (__u64)getpid()) | 1;
    end = time(NULL) + atoi(words[1]);
    device = open("/dev/ringside", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (device < 0) {
        perror("/dev/ringside");
        return 1;
    }
    for (int i = 0; i < 2; ++i) {
        threads[i].state = seed * (2 * (__u64)i + 1);
        threads[i].bytes = calloc(1, kRoom);
        threads[i].device = device;
        pthread_create(&threads[i].id, NULL, run, &threads[i]);
    }
    for (int i = 0; i < 2; ++i) {
        pthread_join(threads[i].id, NULL);
        requests += threads[i].requests;
        accepted += threads[i].accepted;
    }
    if (ioctl(device, RS_IOC_UNLOAD, &unload) && errno != ENODEV) {
        perror("unload");
        return 1;
    }
    printf("seed %llx: %lu requests, %lu accepted\n", seed, requests, accepted);
    return !ended_well;
}
