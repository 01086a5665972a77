// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Machine code in events, through the raw interface: each piece becomes an event of its own, is
 * triggered once by the kick module and cleared again; ended code disables its event. Loads the
 * hypervisor, and unloads it at the end. Needs nobody else connected.
 *
 * usage: code {action|condition} HEX...        one piece after the other; one line each:
 *                                              "HEX: done" or "HEX: vector V at O address A"
 *        code registers {action|condition} HEX...
 *                                              the like; what the kick module's known registers
 *                                              hold behind the interrupt, one line each
 *        code random {action|condition} SEED N  N strings of 1 to 24 bytes, on core 0; how they
 *                                              ended, counted
 *
 * Random strings are raised over a loop that tolerates changed registers, but for its stack
 * pointer, which is put back behind them. Those that might store through gs are left out: they are
 * a legal way to break the machine. So are stores to kernel data, which hardly any string can
 * reach: registers begin with an address in the lower half.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ringside/ioctl.h"

enum { kVector = 0xf1, kMaxBytes = 4096 };

struct piece {
    unsigned char bytes[kMaxBytes];
    unsigned length;
    int is_condition;
};

static int device;
static unsigned core_count;
static int shows_registers, is_random;

static void fail(const char* what) {
    perror(what);
    exit(1);
}

static char answer[256]; /* of the kick module */

/* One command of the kick module. */
static void kick(const char* command) {
    int kick = open("/proc/kick", O_RDWR | O_CLOEXEC);

    if (kick < 0 || write(kick, command, strlen(command)) < 0)
        fail(command);
    const ssize_t length = pread(kick, answer, sizeof answer - 1, 0);
    close(kick);
    if (length < 0)
        fail(command);
    answer[length] = 0;
}

static unsigned padded(unsigned length) {
    return (length + 7) & ~7u;
}

static __u64 enter(const struct piece* piece) {
    static const unsigned char nop = 0x90;
    static unsigned char image[0xc0 + 2 * kMaxBytes + 0x20];
    struct rs_event_detail* event = (struct rs_event_detail*)image;
    unsigned char* at = image + sizeof *event;

    memset(image, 0, sizeof image);
    event->size = sizeof *event;
    event->abi = RS_ABI_VERSION;
    event->event_type = RS_EVENT_EXTERNAL_INTERRUPT;
    event->core_id = event->process_id = RS_ANY;
    event->optional_param[0] = kVector;
    event->action_count = 1;
    if (piece->is_condition) {
        event->condition_len = piece->length;
        memcpy(at, piece->bytes, piece->length);
        at += padded(piece->length);
    }
    struct rs_action* action = (struct rs_action*)at;
    action->size = sizeof *action;
    action->action_type = RS_ACT_CODE;
    action->payload_len = piece->is_condition ? 1 : piece->length;
    memcpy(at + sizeof *action, piece->is_condition ? &nop : piece->bytes, action->payload_len);
    at += sizeof *action + padded(action->payload_len);
    event->total_len = (__u64)(at - image);
    if (ioctl(device, RS_IOC_REGISTER_EVENT, image)) {
        printf("error %x\n", event->error);
        fail("register");
    }
    return event->tag;
}

/* 1 and *found: a diagnostic came. */
static int diagnostic(struct rs_diagnostic* found) {
    static unsigned char messages[1 << 16];
    int has_found = 0;

    for (;;) {
        const ssize_t length = read(device, messages, sizeof messages);

        if (length <= 0)
            return has_found;
        for (ssize_t at = 0; at < length;) {
            const struct rs_msg* message = (const struct rs_msg*)(messages + at);

            if (message->kind == RS_MSG_DIAGNOSTIC) {
                memcpy(found, message + 1, sizeof *found);
                has_found = 1;
            }
            at += (ssize_t)sizeof *message + padded(message->len);
        }
    }
}

/* Triggers the piece once, which the guest's handler must see, too; 1 and *found: it was ended. */
static int run(const struct piece* piece, struct rs_diagnostic* found) {
    static unsigned round;
    char command[40];
    struct rs_modify_event clear = {.size = sizeof clear, .action = RS_MODIFY_CLEAR};
    const unsigned core = is_random ? 0 : round++ % core_count;

    struct rs_modify_event query = {.size = sizeof query, .action = RS_MODIFY_QUERY};

    query.tag = clear.tag = enter(piece);
    if (shows_registers || is_random)
        snprintf(command, sizeof command, "registers %u", core);
    else
        snprintf(command, sizeof command, "send %x %u 1 1", kVector, core);
    kick(command);
    if (!shows_registers && !is_random && strcmp(answer, "1 1\n")) {
        printf("sent and handled: %s", answer);
        exit(1);
    }
    const int was_ended = diagnostic(found);
    if (ioctl(device, RS_IOC_MODIFY_EVENT, &query))
        fail("query");
    if ((query.is_enabled != 0) == was_ended) {
        printf("ended: %d, enabled: %u\n", was_ended, query.is_enabled);
        exit(1);
    }
    if (ioctl(device, RS_IOC_MODIFY_EVENT, &clear))
        fail("clear");
    return was_ended;
}

static void read_hex(const char* text, struct piece* piece) {
    piece->length = 0;
    for (; text[0] && text[1] && piece->length < kMaxBytes; text += 2)
        sscanf(text, "%2hhx", &piece->bytes[piece->length++]);
}

static void run_listed(struct piece* piece, char** words, int count) {
    struct rs_diagnostic found;

    for (int i = 0; i < count; ++i) {
        read_hex(words[i], piece);
        if (!run(piece, &found))
            printf("%s: %s", words[i], shows_registers ? answer : "done\n");
        else if (found.code == RS_CODE_TIMEOUT)
            printf("%s: timeout at %d\n", words[i], (int)found.pc);
        else
            printf("%s: vector %u at %d address %llx\n", words[i], found.code, (int)found.pc,
                   (unsigned long long)found.value);
        fflush(stdout);
    }
}

static void append(struct piece* piece, const void* bytes, unsigned length) {
    memcpy(piece->bytes + piece->length, bytes, length);
    piece->length += length;
}

/* What stands before and behind a random string. Registers begin with the address of the registers'
 * page, or, in a string that may return before its end, with that of the stack, where it can do the
 * interrupted rsp no harm. */
static void begin_random(struct piece* piece, int may_return) {
    static const unsigned char page_of_condition[] = {0x48, 0x89, 0xca};  // mov rdx, rcx
    static const unsigned char stack[] = {0x48, 0x89, 0xe2};              // mov rdx, rsp
    static const unsigned char all[] = {0x48, 0x89, 0xd0, 0x48, 0x89, 0xd1,
                                        0x48, 0x89, 0xd3, 0x48, 0x89, 0xd5,  // rax, rcx, rbx, rbp
                                        0x48, 0x89, 0xd6, 0x48, 0x89, 0xd7,
                                        0x49, 0x89, 0xd0, 0x49, 0x89, 0xd1,  // rsi, rdi, r8, r9
                                        0x49, 0x89, 0xd2, 0x49, 0x89, 0xd3,
                                        0x49, 0x89, 0xd4, 0x49, 0x89, 0xd5,   // r10 to r13
                                        0x49, 0x89, 0xd6, 0x49, 0x89, 0xd7};  // r14, r15
    piece->length = 0;
    if (may_return)
        append(piece, stack, sizeof stack);
    else if (piece->is_condition)
        append(piece, page_of_condition, sizeof page_of_condition);
    append(piece, all, sizeof all);
}

/* The interrupted rsp is put back where the kick module wants it, farther behind than a short jump
 * leads. The registers' page is where core/sandbox/layout.hpp has it. */
static void end_random(struct piece* piece, __u64 rsp) {
    enum { kBeyondShortJumps = 160 };
    static const unsigned char load_page[] = {0x48, 0xb9, 0, 0, 0x05, 0, 0, 0x20, 0, 0};
    static const unsigned char load[] = {0x48, 0xb8};               // movabs rax, ...
    static const unsigned char store[] = {0x48, 0x89, 0x41, 0x20};  // mov [rcx+0x20], rax
    memset(piece->bytes + piece->length, 0x90, kBeyondShortJumps);
    piece->length += kBeyondShortJumps;
    append(piece, load_page, sizeof load_page);
    append(piece, load, sizeof load);
    append(piece, &rsp, sizeof rsp);
    append(piece, store, sizeof store);
}

static void run_random(struct piece* piece, unsigned seed, unsigned count) {
    enum { kGsPrefix = 0x65, kMiddleOfStack = 8192 };
    struct rs_symbol stack = {.size = sizeof stack, .name = "kick_stack"};
    unsigned by_vector[257] = {0}, done = 0, left_out = 0;
    struct rs_diagnostic found;

    kick("snap");  // the module is there
    if (ioctl(device, RS_IOC_SYMBOL, &stack))
        fail("kick_stack");
    srandom(seed);
    for (unsigned i = 0; i < count; ++i) {
        unsigned char string[24];
        const unsigned length = 1 + (unsigned)random() % sizeof string;
        for (unsigned b = 0; b < length; ++b)
            string[b] = (unsigned char)(random() >> 7);
        if (memchr(string, kGsPrefix, length)) {
            ++left_out;
            continue;
        }
        int may_return = 0;
        for (unsigned b = 0; b < length; ++b)
            may_return |= string[b] == 0xc2 || string[b] == 0xc3;
        begin_random(piece, may_return);
        append(piece, string, length);
        end_random(piece, stack.address + kMiddleOfStack);
        if (getenv("CODE_VERBOSE")) {
            for (unsigned b = 0; b < piece->length; ++b)
                fprintf(stderr, "%02x", piece->bytes[b]);
            fprintf(stderr, "\n");
        }
        if (run(piece, &found))
            ++by_vector[found.code < 257 ? found.code : 0];
        else
            ++done;
    }
    printf("seed %u: left out: %u, done %u", seed, left_out, done);
    for (unsigned vector = 0; vector < 257; ++vector)
        if (by_vector[vector])
            printf(", %s %u: %u", vector == 256 ? "timeout" : "vector", vector, by_vector[vector]);
    printf("\n");
}

int main(int count, char** words) {
    static struct piece piece;
    struct rs_load load = {.size = sizeof load, .abi = RS_ABI_VERSION};

    core_count = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    device = open("/dev/ringside", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (device < 0)
        fail("/dev/ringside");
    if (count < 3)
        return 2;
    if (ioctl(device, RS_IOC_LOAD, &load))
        fail("load");
    // An emulator may stall: ten times the usual time.
    struct rs_settings settings = {.size = sizeof settings,
                                   .mask = RS_SET_CODE_TIME | RS_SET_SCRIPT_TIME,
                                   .code_time_us = 100000,
                                   .script_time_us = 2000000};
    if (ioctl(device, RS_IOC_SETTINGS, &settings))
        fail("settings");
    is_random = !strcmp(words[1], "random");
    shows_registers = !strcmp(words[1], "registers");
    if (shows_registers) {
        ++words;
        --count;
    }
    piece.is_condition = !strcmp(words[is_random ? 2 : 1], "condition");
    if (is_random)
        run_random(&piece, (unsigned)atoi(words[3]), (unsigned)atoi(words[4]));
    else
        run_listed(&piece, words + 2, count - 2);
    memset(&load, 0, sizeof load);
    load.size = sizeof load;
    if (ioctl(device, RS_IOC_UNLOAD, &load))
        fail("unload");
    return 0;
}
