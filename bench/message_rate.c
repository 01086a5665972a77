/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How fast messages leave root mode: a script on the timer prints in bursts, and one reader takes
 * the messages in one of three ways, one after the other in one run: 'imm yes', 'imm no', and the
 * mapped ring. Runs in the debuggee; the core it hooks should be busy.
 *
 * usage: message_rate SECONDS     prints, a way a line: name, prints a second, bytes a second, lost
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ringside/ringside.h"

/* 0n256 prints a trigger, each of 16 bytes. */
static const char script[] = "for (i = 0; i < 0n256; i += 1) { printf(\"%015llx\\n\", i); }";
enum { kPrintBytes = 16 };

static struct rs_handle* handle;

static double now(void) {
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int failed(const char* what) {
    fprintf(stderr, "err, %s: %s\n", what, rs_error_text());
    return 1;
}

static int measure(const char* name, const char* blob, size_t length, int is_immediate,
                   struct rs_ring_reader* ring, double seconds) {
    const double begin = now();
    unsigned long long bytes = 0, lost = 0;
    const struct rs_msg* message;
    struct rs_event event;
    uint64_t tag, gap;

    rs_event_init(&event, RS_EVENT_EXTERNAL_INTERRUPT);
    rs_event_vector(&event, 0xec);
    rs_event_core(&event, 0);
    rs_event_imm(&event, is_immediate);
    rs_event_add_script(&event, blob, length);
    if (rs_event_commit(handle, &event, &tag))
        return failed(name);
    while (now() < begin + seconds) {
        if (ring ? rs_ring_next(ring, &message, 100) : rs_msg_next(handle, &message, 100))
            continue;
        if (message->kind == RS_MSG_LOST) {
            memcpy(&gap, rs_msg_payload(message), sizeof gap);
            lost += gap;
        } else if (message->kind == RS_MSG_TEXT || message->kind == RS_MSG_GATHERED) {
            bytes += message->len;
        }
    }
    seconds = now() - begin;
    if (rs_event_clear(handle, tag) || rs_flush(handle, NULL))
        return failed(name);
    printf("%-8s %12.0f %12.0f %12llu\n", name, (double)bytes / kPrintBytes / seconds,
           (double)bytes / seconds, lost);
    return 0;
}

int main(int count, char** words) {
    const double seconds = count > 1 ? atof(words[1]) : 5;
    static char blob[RS_MAX_ACTION_BYTES];
    struct rs_ring_reader* ring;
    size_t length = sizeof blob;

    if (rs_open(&handle) || rs_load_vmm(handle) || rs_compile(handle, script, blob, &length))
        return failed("start");
    if (measure("imm-yes", blob, length, 1, NULL, seconds) ||
        measure("imm-no", blob, length, 0, NULL, seconds))
        return 1;
    if (rs_ring_open(handle, 0, &ring))
        return failed("ring");
    if (measure("mapped", blob, length, 1, ring, seconds))
        return 1;
    rs_ring_close(ring);
    return rs_close(handle);
}
