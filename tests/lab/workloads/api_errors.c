// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What the device says to requests that are wrong (specification section 15): every row of its
 * errno table that can be brought about, with the code in the structure's own field (API-2, API-3,
 * API-6 to API-12). Needs nobody else connected; leaves the hypervisor unloaded.
 *
 * Prints the checks that fail, then how many held; status 0 if all did.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ringside/ioctl.h"

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

/* 0, or the errno. */
static int request(unsigned long number, void* argument) {
    return ioctl(device, number, argument) ? errno : 0;
}

static void expect_values(const char* what, int got, int wanted, __u32 code, __u32 wanted_code) {
    check(got == wanted && code == wanted_code, "%s: errno %d (%s), code %08x; wanted %d, %08x",
          what, got, strerror(got), code, wanted, wanted_code);
}

/* The call comes before a look at the code it leaves behind. */
#define expect(what, call, wanted, code, wanted_code)                  \
    do {                                                               \
        const int got_ = (call);                                       \
        expect_values(what, got_, wanted, (__u32)(code), wanted_code); \
    } while (0)

/* An event on every vector with one action of code. */
struct event {
    struct rs_event_detail detail;
    struct rs_action action;
    unsigned char code[8];
};

static struct event good_event(void) {
    return (struct event){
        .detail = {.size = sizeof(struct rs_event_detail),
                   .abi = RS_ABI_VERSION,
                   .total_len = sizeof(struct event),
                   .event_type = EXTERNAL_INTERRUPT_OCCURRED,
                   .core_id = RS_ANY,
                   .process_id = RS_ANY,
                   .flags = RS_EVF_START_DISABLED,
                   .optional_param = {RS_VECTOR_ALL},
                   .action_count = 1},
        .action = {.size = sizeof(struct rs_action), .action_type = RS_ACT_CODE, .payload_len = 1},
        .code = {0x90}};
}

static void clear(__u64 tag) {
    struct rs_modify_event modify = {.size = sizeof modify, .action = RS_MODIFY_CLEAR, .tag = tag};

    expect("clear", request(RS_IOC_MODIFY_EVENT, &modify), 0, modify.error, 0);
}

/* Registers; what was accepted is cleared. */
static void expect_event(const char* what, struct event event, int wanted, __u32 code) {
    const int got = request(RS_IOC_REGISTER_EVENT, &event);

    expect(what, got, wanted, event.detail.error, code);
    if (!got)
        clear(event.detail.tag);
}
#define EXPECT_EVENT(what, change, wanted, code)   \
    do {                                           \
        struct event event = good_event();         \
        struct rs_event_detail* d = &event.detail; \
        struct rs_action* a = &event.action;       \
        (void)d, (void)a;                          \
        change;                                    \
        expect_event(what, event, wanted, code);   \
    } while (0)

static int event_count(void) {
    static union {
        struct rs_event_list header;
        char room[0x10000];
    } list;

    memset(&list, 0, sizeof list);
    list.header.size = sizeof list.header;
    list.header.total_len = sizeof list;
    expect("list", request(RS_IOC_LIST_EVENTS, &list), 0, list.header.error, 0);
    return (int)list.header.count;
}

/* API-1: who may open. */
static void permissions(void) {
    int status;

    if (fork() == 0) { /* root without its capabilities */
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct none[2] = {0};

        if (syscall(SYS_capset, &header, none))
            _exit(100);
        _exit(open("/dev/ringside", O_RDWR) < 0 ? errno : 0);
    }
    wait(&status);
    expect("open without capabilities", WEXITSTATUS(status), EPERM, 0, 0);
    if (fork() == 0) {
        if (setuid(1000))
            _exit(100);
        _exit(open("/dev/ringside", O_RDWR) < 0 ? errno : 0);
    }
    wait(&status);
    expect("open as a user", WEXITSTATUS(status), EACCES, 0, 0);
}

/* Not loaded: ENODEV, whatever else. */
static void not_loaded(void) {
    struct event event = good_event();
    struct rs_action action = {.size = sizeof action, .action_type = RS_ACT_BREAK};
    struct rs_modify_event modify = {.size = sizeof modify};
    struct rs_event_stat stat = {.size = sizeof stat};
    struct rs_event_list list = {.size = sizeof list, .total_len = sizeof list};
    struct rs_eval eval = {.size = sizeof eval, .total_len = sizeof eval};
    struct rs_flush flush = {.size = sizeof flush};
    struct rs_ring ring = {.size = sizeof ring};
    struct rs_load unload = {.size = sizeof unload};
    struct rs_settings settings = {.size = sizeof settings};

#define NOT_LOADED(number, structure)                                                         \
    expect(#number " while not loaded", request(number, &structure), ENODEV, structure.error, \
           RS_ERR_NOT_LOADED)
    expect("register while not loaded", request(RS_IOC_REGISTER_EVENT, &event), ENODEV,
           event.detail.error, RS_ERR_NOT_LOADED);
    NOT_LOADED(RS_IOC_ADD_ACTION, action);
    NOT_LOADED(RS_IOC_MODIFY_EVENT, modify);
    NOT_LOADED(RS_IOC_EVENT_STAT, stat);
    NOT_LOADED(RS_IOC_LIST_EVENTS, list);
    NOT_LOADED(RS_IOC_EVAL, eval);
    NOT_LOADED(RS_IOC_FLUSH, flush);
    NOT_LOADED(RS_IOC_RING, ring);
    NOT_LOADED(RS_IOC_SETTINGS, settings);
    NOT_LOADED(RS_IOC_UNLOAD, unload);
    check(mmap(NULL, 0x11000, PROT_READ, MAP_SHARED, device, 0) == MAP_FAILED && errno == ENODEV,
          "mmap while not loaded: %s", strerror(errno));
}

/* Requests that need no hypervisor. */
static void always_there(void) {
    struct rs_symbol symbol = {.size = sizeof symbol, .name = "jiffies"};
    struct rs_idt table = {.size = sizeof table, .first = 0xe0, .count = 32};
    struct rs_process process = {.size = sizeof process, .pid = 1};

    expect("symbol", request(RS_IOC_SYMBOL, &symbol), 0, symbol.error, 0);
    check(symbol.address >> 47 != 0, "jiffies at %llx", symbol.address);
    symbol.name[0] = 0;
    expect("name", request(RS_IOC_SYMBOL, &symbol), 0, symbol.error, 0);
    check(strncmp(symbol.name, "jiffies", 7) == 0, "not jiffies: %s", symbol.name);
    symbol = (struct rs_symbol){.size = sizeof symbol, .name = "no_such_name"};
    expect("no such symbol", request(RS_IOC_SYMBOL, &symbol), ENOENT, symbol.error,
           RS_ERR_NO_SYMBOL);
    symbol = (struct rs_symbol){.size = sizeof symbol, .address = 0x1000};
    expect("no such address", request(RS_IOC_SYMBOL, &symbol), ENOENT, symbol.error,
           RS_ERR_NO_SYMBOL);
    memset(symbol.name, 'x', sizeof symbol.name);
    expect("name without end", request(RS_IOC_SYMBOL, &symbol), EINVAL, symbol.error,
           RS_ERR_BAD_IMAGE);
    symbol = (struct rs_symbol){.size = sizeof symbol, .reserved = 1};
    expect("symbol, reserved", request(RS_IOC_SYMBOL, &symbol), EINVAL, symbol.error,
           RS_ERR_BAD_IMAGE);

    expect("idt", request(RS_IOC_IDT, &table), 0, table.error, 0);
    check(table.handler[0xec - 0xe0] >> 47 != 0, "the timer's handler: %llx", table.handler[12]);
    table = (struct rs_idt){.size = sizeof table, .first = 0xe1, .count = 32};
    expect("idt, beyond", request(RS_IOC_IDT, &table), EINVAL, table.error, RS_ERR_BAD_IMAGE);
    table = (struct rs_idt){.size = sizeof table, .first = 0xfffffff0, .count = 32};
    expect("idt, around", request(RS_IOC_IDT, &table), EINVAL, table.error, RS_ERR_BAD_IMAGE);
    table = (struct rs_idt){.size = sizeof table, .count = 33};
    expect("idt, count", request(RS_IOC_IDT, &table), EINVAL, table.error, RS_ERR_BAD_IMAGE);
    table = (struct rs_idt){.size = sizeof table, .reserved = 1};
    expect("idt, reserved", request(RS_IOC_IDT, &table), EINVAL, table.error, RS_ERR_BAD_IMAGE);

    expect("process", request(RS_IOC_PROCESS, &process), 0, process.error, 0);
    check(process.name[0] != 0 && process.name[15] == 0, "no name");
    process = (struct rs_process){.size = sizeof process, .pid = 0x7ffffff0};
    expect("no such process", request(RS_IOC_PROCESS, &process), ESRCH, process.error,
           RS_ERR_BAD_PID);
    process = (struct rs_process){.size = sizeof process, .pid = 1, .start_ns = 1};
    expect("process, reserved", request(RS_IOC_PROCESS, &process), EINVAL, process.error,
           RS_ERR_BAD_IMAGE);
}

/* Sizes, reserved fields, pointers of requests without data behind them (API-2). */
static void fixed_requests(void) {
    struct {
        struct rs_version version;
        __u64 tail[2];
    } version = {.version = {.size = sizeof version}};
    struct rs_version small = {.size = 8};
    struct rs_load load = {.size = sizeof load, .abi = RS_ABI_VERSION};
    struct rs_load bad = {.size = sizeof bad};
    __u32 none = 0;

    expect("version, larger with a zero tail", request(RS_IOC_VERSION, &version), 0, 0, 0);
    check(version.version.abi == RS_ABI_VERSION, "abi %u", version.version.abi);
    version.version.size = sizeof version;
    version.tail[1] = 1;
    expect("version, larger with a tail", request(RS_IOC_VERSION, &version), E2BIG, 0, 0);
    expect("version, smaller", request(RS_IOC_VERSION, &small), 0, 0, 0);
    check(small.abi == RS_ABI_VERSION && small.vendor == 0, "more than 8 bytes came back");
    small = (struct rs_version){.size = sizeof small, .reserved = 1};
    expect("version, reserved", request(RS_IOC_VERSION, &small), EINVAL, 0, 0);
    expect("version, size 0", request(RS_IOC_VERSION, &none), EINVAL, 0, 0);
    expect("version, bad pointer", request(RS_IOC_VERSION, (void*)8), EFAULT, 0, 0);
    expect("register, bad pointer", request(RS_IOC_REGISTER_EVENT, (void*)8), EFAULT, 0, 0);
    expect("no such request", request(_IO(RS_IOC_MAGIC, 0x7f), &none), ENOTTY, 0, 0);
    expect("another magic", request(_IO('x', 0), &none), ENOTTY, 0, 0);

    bad.abi = RS_ABI_VERSION + 1;
    expect("load, abi", request(RS_IOC_LOAD, &bad), EINVAL, bad.error, RS_ERR_ABI_MISMATCH);
    bad = (struct rs_load){.size = sizeof bad, .abi = RS_ABI_VERSION, .flags = 0x80};
    expect("load, flags", request(RS_IOC_LOAD, &bad), EINVAL, bad.error, RS_ERR_BAD_IMAGE);
    bad = (struct rs_load){.size = sizeof bad, .abi = RS_ABI_VERSION, .reserved = {[6] = 1}};
    expect("load, reserved", request(RS_IOC_LOAD, &bad), EINVAL, bad.error, RS_ERR_BAD_IMAGE);
    bad = (struct rs_load){.size = sizeof bad, .abi = RS_ABI_VERSION, .msg_ring_kb = 100};
    expect("load, ring", request(RS_IOC_LOAD, &bad), EINVAL, bad.error, RS_ERR_BAD_IMAGE);

    expect("load", request(RS_IOC_LOAD, &load), 0, load.error, 0);
    check((long)load.cores == sysconf(_SC_NPROCESSORS_ONLN), "%u cores", load.cores);
    load = (struct rs_load){.size = sizeof load, .abi = RS_ABI_VERSION};
    expect("load twice", request(RS_IOC_LOAD, &load), EBUSY, load.error, RS_ERR_ALREADY_LOADED);
    bad = (struct rs_load){.size = sizeof bad, .reserved = {1}};
    expect("unload, reserved", request(RS_IOC_UNLOAD, &bad), EINVAL, bad.error, RS_ERR_BAD_IMAGE);
}

static void fields(void) {
    for (__u64 vector = 0; vector <= 0x101; ++vector) {
        const int is_good = vector >= 0x20 && vector <= 0xff;
        char what[32];

        snprintf(what, sizeof what, "vector %#llx", vector);
        if (is_good ? vector % 0x10 < 2 || vector == 0xff : vector < 2 || vector > 0x1e)
            EXPECT_EVENT(what, d->optional_param[0] = vector, is_good ? 0 : ERANGE,
                         is_good ? 0 : RS_ERR_BAD_INTERRUPT_INDEX);
    }
    EXPECT_EVENT("every vector", , 0, 0);
    EXPECT_EVENT("a vector of 64 bits", d->optional_param[0] = 0x100000030, ERANGE,
                 RS_ERR_BAD_INTERRUPT_INDEX);
    EXPECT_EVENT("type 0", d->event_type = 0, EOPNOTSUPP, RS_ERR_BAD_EVENT_TYPE);
    EXPECT_EVENT("type 18", d->event_type = 18, EOPNOTSUPP, RS_ERR_BAD_EVENT_TYPE);
    EXPECT_EVENT("core", d->core_id = 0x1000, ENXIO, RS_ERR_BAD_CORE);
    EXPECT_EVENT("core 0", d->core_id = 0, 0, 0);
    EXPECT_EVENT("pid", d->process_id = 0x3ffffff, ESRCH, RS_ERR_BAD_PID);
    EXPECT_EVENT("pid 1", d->process_id = 1, 0, 0);
    EXPECT_EVENT("abi", d->abi = 99, EINVAL, RS_ERR_ABI_MISMATCH);
    EXPECT_EVENT("stage", d->stage = 4, EINVAL, RS_ERR_BAD_IMAGE);
    EXPECT_EVENT("flags", d->flags |= 1u << 31, EINVAL, RS_ERR_BAD_IMAGE);
    EXPECT_EVENT("reserved", d->reserved[2] = 1, EINVAL, RS_ERR_BAD_IMAGE);
    EXPECT_EVENT("optional_param[5]", d->optional_param[5] = 1, EINVAL, RS_ERR_BAD_IMAGE);
    EXPECT_EVENT("six outputs", d->output_count = 6, EINVAL, RS_ERR_BAD_IMAGE);
    EXPECT_EVENT("sc in post", (d->flags |= RS_EVF_SHORT_CIRCUIT, d->stage = RS_STAGE_POST), EINVAL,
                 RS_ERR_SC_NEEDS_PRE);
    EXPECT_EVENT("sc in pre", d->flags |= RS_EVF_SHORT_CIRCUIT, 0, 0);
    EXPECT_EVENT("seventeen actions", d->action_count = 17, EINVAL, RS_ERR_BAD_IMAGE);
    EXPECT_EVENT("large condition", d->condition_len = RS_MAX_CONDITION_BYTES + 1, EMSGSIZE,
                 RS_ERR_CONDITION_TOO_LARGE);
    EXPECT_EVENT("large buffer", d->safe_buffer_len = RS_MAX_BUFFER_BYTES + 1, EMSGSIZE,
                 RS_ERR_BUFFER_TOO_LARGE);
    EXPECT_EVENT("large command", d->command_len = RS_MAX_COMMAND_BYTES + 1, EMSGSIZE,
                 RS_ERR_COMMAND_TOO_LARGE);
    EXPECT_EVENT("largest buffer", d->safe_buffer_len = RS_MAX_BUFFER_BYTES, 0, 0);
    EXPECT_EVENT("tail too short", d->command_len = 9, EINVAL, RS_ERR_BAD_IMAGE);
    EXPECT_EVENT("tail too long", d->action_count = 0, EINVAL, RS_ERR_BAD_IMAGE);
    EXPECT_EVENT("header size", d->size = 0xbc, EINVAL, 0);
    EXPECT_EVENT("action type", a->action_type = 3, EINVAL, RS_ERR_BAD_ACTION_TYPE);
    EXPECT_EVENT("action flags", a->flags = 2, EINVAL, RS_ERR_BAD_IMAGE);
    EXPECT_EVENT("large action", a->payload_len = RS_MAX_ACTION_BYTES + 1, EMSGSIZE,
                 RS_ERR_ACTION_TOO_LARGE);
    EXPECT_EVENT("empty action", (a->payload_len = 0, d->total_len -= 8), EBADMSG,
                 RS_ERR_BAD_ACTION);
    EXPECT_EVENT("no script", (a->action_type = RS_ACT_SCRIPT, a->script_pointer = 1), EBADMSG,
                 RS_ERR_BAD_ACTION);
    EXPECT_EVENT("break", (a->action_type = RS_ACT_BREAK, a->payload_len = 0, d->total_len -= 8),
                 EOPNOTSUPP, RS_ERR_BREAK_NEEDS_DEBUGGER);
    check(event_count() == 0, "refused events were left behind");
}

/* Headers of other versions (API-2), with data behind them. */
static void other_versions(void) {
    struct {
        struct rs_event_detail detail;
        __u64 later[2];
        struct rs_action action;
        __u64 later_too;
        unsigned char code[8];
    } large = {.detail = good_event().detail, .action = good_event().action, .code = {0x90}};
    struct {
        unsigned char header[offsetof(struct rs_event_detail, tag)];
        struct rs_action action;
        unsigned char code[8];
    } small, sent;
    struct rs_event_detail detail = good_event().detail;
    struct rs_event_list list = {.size = sizeof list};
    int got;

    large.detail.size += sizeof large.later;
    large.detail.total_len = sizeof large;
    large.action.size += sizeof large.later_too;
    got = request(RS_IOC_REGISTER_EVENT, &large);
    expect("larger headers with zero tails", got, 0, large.detail.error, 0);
    clear(large.detail.tag);
    large.detail.error = 0;
    large.later_too = 1;
    got = request(RS_IOC_REGISTER_EVENT, &large);
    expect("larger action with a tail", got, E2BIG, large.detail.error, RS_ERR_UNKNOWN_FIELDS);
    large.later_too = 0;
    large.later[1] = 1;
    got = request(RS_IOC_REGISTER_EVENT, &large);
    expect("larger event with a tail", got, E2BIG, large.detail.error, RS_ERR_UNKNOWN_FIELDS);

    /* One that ends before 'tag': nothing may be written where its data begins. */
    detail.size = sizeof small.header;
    detail.total_len = sizeof small;
    detail.cookie = 0xc0ffee;
    memcpy(small.header, &detail, sizeof small.header);
    small.action = good_event().action;
    memcpy(small.code, good_event().code, sizeof small.code);
    sent = small;
    expect("smaller event", request(RS_IOC_REGISTER_EVENT, &small), 0, 0, 0);
    check(memcmp(&small.action, &sent.action, sizeof small.action) == 0,
          "the answer was written over the data");
    check(event_count() == 1, "the smaller event is not there");
    clear(RS_TAG_ALL);

    list.total_len = sizeof list;
    list.reserved = 1;
    expect("list, reserved", request(RS_IOC_LIST_EVENTS, &list), EINVAL, list.error,
           RS_ERR_BAD_IMAGE);
    list = (struct rs_event_list){.size = 8, .total_len = sizeof list};
    expect("list, size", request(RS_IOC_LIST_EVENTS, &list), EINVAL, 0, 0);
    list = (struct rs_event_list){.size = sizeof list, .total_len = RS_MAX_REQUEST_BYTES + 1};
    expect("list, enormous", request(RS_IOC_LIST_EVENTS, &list), EINVAL, 0, 0);
}

/* API-9, API-11 and the counters. */
static void existing_events(void) {
    struct event event = good_event();
    struct rs_event_detail* const bare = &event.detail;
    struct {
        struct rs_action action;
        unsigned char code[8];
    } more = {.action = good_event().action, .code = {0x90}};
    struct rs_modify_event modify = {.size = sizeof modify, .tag = 0x1234567, .action = 1};
    struct rs_event_stat stat = {.size = sizeof stat, .tag = 0x1234567};

    expect("modify, no tag", request(RS_IOC_MODIFY_EVENT, &modify), ENOENT, modify.error,
           RS_ERR_NO_SUCH_EVENT);
    expect("stat, no tag", request(RS_IOC_EVENT_STAT, &stat), ENOENT, stat.error,
           RS_ERR_NO_SUCH_EVENT);
    more.action.event_tag = 0x1234567;
    expect("add, no tag", request(RS_IOC_ADD_ACTION, &more), ENOENT, more.action.error,
           RS_ERR_NO_SUCH_EVENT);

    bare->action_count = 0;
    bare->flags = 0;
    bare->total_len = sizeof *bare;
    expect("no action", request(RS_IOC_REGISTER_EVENT, bare), 0, bare->error, 0);
    check(bare->tag >= RS_TAG_BASE && bare->event_id == bare->tag - RS_TAG_BASE, "tag %llx, id %x",
          bare->tag, bare->event_id);
    modify = (struct rs_modify_event){.size = sizeof modify, .tag = bare->tag};
    expect("query", request(RS_IOC_MODIFY_EVENT, &modify), 0, modify.error, 0);
    check(!modify.is_enabled, "an event without an action is enabled");
    for (int i = 0; i < (int)RS_MAX_ACTIONS; ++i) {
        more.action.event_tag = bare->tag;
        expect("add", request(RS_IOC_ADD_ACTION, &more), 0, more.action.error, 0);
    }
    expect("query", request(RS_IOC_MODIFY_EVENT, &modify), 0, modify.error, 0);
    check(modify.is_enabled == 1, "the first action does not enable");
    expect("add the 17th", request(RS_IOC_ADD_ACTION, &more), ENOSPC, more.action.error,
           RS_ERR_TOO_MANY_ACTIONS);
    modify.action = 4;
    expect("modify, action", request(RS_IOC_MODIFY_EVENT, &modify), EINVAL, modify.error,
           RS_ERR_BAD_MODIFY);
    stat = (struct rs_event_stat){.size = sizeof stat, .tag = bare->tag, .reserved = {0, 1}};
    expect("stat, reserved", request(RS_IOC_EVENT_STAT, &stat), EINVAL, stat.error,
           RS_ERR_BAD_IMAGE);
    stat = (struct rs_event_stat){.size = sizeof stat, .kind = RS_STAT_CORE, .tag = 999};
    expect("stat, core", request(RS_IOC_EVENT_STAT, &stat), ENXIO, stat.error, RS_ERR_BAD_CORE);
    stat = (struct rs_event_stat){.size = sizeof stat, .kind = 77};
    expect("stat, kind", request(RS_IOC_EVENT_STAT, &stat), EINVAL, stat.error, RS_ERR_BAD_IMAGE);
    clear(bare->tag);
    expect("query what was cleared", request(RS_IOC_MODIFY_EVENT, &modify), EINVAL, modify.error,
           RS_ERR_BAD_MODIFY);
}

/* API-12, API-13. A buffer event sends binary messages, which need no compiler. */
static void messages(void) {
    struct pollfd ready = {.fd = device, .events = POLLIN};
    struct rs_ring ring = {.size = sizeof ring, .core = 999};
    struct rs_flush flush = {.size = sizeof flush, .reserved = 1};
    struct rs_settings settings;
    struct event event = good_event();
    char buffer[4096];
    void* mapping;
    void* volatile nowhere = (void*)8;

    settings = (struct rs_settings){.size = sizeof settings, .mask = RS_SET_CODE_TIME};
    expect("settings, range", request(RS_IOC_SETTINGS, &settings), EINVAL, settings.error,
           RS_ERR_BAD_IMAGE);
    settings.code_time_us = 20000;
    expect("settings", request(RS_IOC_SETTINGS, &settings), 0, settings.error, 0);
    check(settings.code_time_us == 20000 && settings.gather_time_ms == 250 &&
              settings.sc_replay == 1 && settings.script_budget == 1000000,
          "other settings");
    settings.mask = RS_SET_ALL + 1;
    expect("settings, mask", request(RS_IOC_SETTINGS, &settings), EINVAL, settings.error,
           RS_ERR_BAD_IMAGE);
    expect("flush, reserved", request(RS_IOC_FLUSH, &flush), EINVAL, flush.error, RS_ERR_BAD_IMAGE);
    flush.reserved = 0;
    expect("flush", request(RS_IOC_FLUSH, &flush), 0, flush.error, 0);
    check(read(device, buffer, sizeof buffer) < 0 && errno == EAGAIN, "read: %s", strerror(errno));
    check(poll(&ready, 1, 0) == 0, "poll: %x", ready.revents);
    /* ud2: the diagnostic of a fault is a message. */
    event.detail.flags = 0;
    memcpy(event.code, "\x0f\x0b", 2);
    event.action.payload_len = 2;
    expect("register", request(RS_IOC_REGISTER_EVENT, &event), 0, event.detail.error, 0);
    check(poll(&ready, 1, 20000) == 1 && ready.revents & POLLIN, "no message: %x", ready.revents);
    check(read(device, buffer, 8) < 0 && errno == EMSGSIZE, "short read: %s", strerror(errno));
    check(read(device, nowhere, 4096) < 0 && errno == EFAULT, "bad read: %s", strerror(errno));
    clear(event.detail.tag);

    expect("ring, core", request(RS_IOC_RING, &ring), ENXIO, ring.error, RS_ERR_BAD_CORE);
    ring = (struct rs_ring){.size = sizeof ring};
    expect("ring", request(RS_IOC_RING, &ring), 0, ring.error, 0);
    check(ring.ring_bytes == 0x100000 && ring.client && ring.generation, "%x bytes",
          ring.ring_bytes);
    ring.position = ~0ull;
    expect("ring, position", request(RS_IOC_RING, &ring), EINVAL, ring.error, RS_ERR_BAD_IMAGE);
    ring.position = 0;
    ring.generation += 1;
    expect("ring of another load", request(RS_IOC_RING, &ring), ENODEV, ring.error,
           RS_ERR_NOT_LOADED);
    const size_t bytes = RS_RING_HEAD_BYTES + 0x100000;
    check(mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0) == MAP_FAILED &&
              errno == EPERM,
          "mapped for writing: %s", strerror(errno));
    check(mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, device, 0) == MAP_FAILED && errno == EINVAL,
          "mapped privately: %s", strerror(errno));
    check(mmap(NULL, bytes - 0x1000, PROT_READ, MAP_SHARED, device, 0) == MAP_FAILED &&
              errno == EINVAL,
          "mapped in part: %s", strerror(errno));
    check(mmap(NULL, bytes, PROT_READ, MAP_SHARED, device, 0x1000) == MAP_FAILED && errno == EINVAL,
          "mapped in between: %s", strerror(errno));
    check(mmap(NULL, bytes, PROT_READ, MAP_SHARED, device, (off_t)(999 * RS_RING_STRIDE)) ==
                  MAP_FAILED &&
              errno == ENXIO,
          "mapped no core: %s", strerror(errno));
    mapping = mmap(NULL, bytes, PROT_READ, MAP_SHARED, device, 0);
    check(mapping != MAP_FAILED, "mmap: %s", strerror(errno));
    check(mprotect(mapping, bytes, PROT_READ | PROT_WRITE) && errno == EACCES, "made writable: %s",
          strerror(errno));
}

/* Loading and unloading need all others closed (API-1); a mapping outlives both. */
static void other_clients(void) {
    struct rs_load load = {.size = sizeof load, .abi = RS_ABI_VERSION};
    struct rs_load unload = {.size = sizeof unload};
    int other = open("/dev/ringside", O_RDWR | O_CLOEXEC);
    const volatile __u64* head =
        mmap(NULL, RS_RING_HEAD_BYTES + 0x100000, PROT_READ, MAP_SHARED, device, 0);

    check(other >= 0, "open again: %s", strerror(errno));
    expect("unload with another", request(RS_IOC_UNLOAD, &unload), EBUSY, unload.error,
           RS_ERR_OTHER_CLIENTS);
    check(event_count() == 0, "still loaded");
    close(other);
    unload = (struct rs_load){.size = sizeof unload};
    expect("unload", request(RS_IOC_UNLOAD, &unload), 0, unload.error, 0);
    check(*head < 0x10000, "the mapping does not show the ring any more");
    other = open("/dev/ringside", O_RDWR | O_CLOEXEC);
    expect("load with another", request(RS_IOC_LOAD, &load), EBUSY, load.error,
           RS_ERR_OTHER_CLIENTS);
    close(other);
}

int main(void) {
    permissions();
    device = open("/dev/ringside", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (device < 0) {
        perror("/dev/ringside");
        return 1;
    }
    always_there();
    not_loaded();
    fixed_requests();
    fields();
    other_versions();
    existing_events();
    messages();
    other_clients();
    printf("%d checks hold, %d do not\n", held, broken);
    return broken != 0;
}
