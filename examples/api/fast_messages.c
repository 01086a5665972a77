/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reads messages where root mode wrote them, without a system call each: maps the ring of
 * core 0, and checks that the numbers a script prints come without a gap but the announced ones.
 *
 * usage: fast_messages COUNT
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ringside/ringside.h"

static const char script[] =
    "for (i = 0; i < 0n100; i += 1) { n = .n; .n += 1; printf(\"%llx\", n); }";

static int failed(const char* what) {
    fprintf(stderr, "err, %s: %s\n", what, rs_error_text());
    return 1;
}

int main(int count, char** words) {
    const unsigned long wanted = count > 1 ? strtoul(words[1], NULL, 10) : 100000;
    struct rs_ring_reader* ring;
    static char blob[RS_MAX_ACTION_BYTES];
    unsigned long long expected = 0, lost = 0, bytes = 0;
    size_t length = sizeof blob;
    const time_t give_up = time(NULL) + 120;
    struct rs_handle* handle;
    struct rs_event event;
    uint64_t tag;

    if (rs_open(&handle) || rs_load_vmm(handle) || rs_compile(handle, script, blob, &length))
        return failed("start");
    rs_event_init(&event, RS_EVENT_EXTERNAL_INTERRUPT);
    rs_event_vector(&event, 0xec);
    rs_event_core(&event, 0);
    rs_event_add_script(&event, blob, length);
    if (rs_ring_open(handle, 0, &ring) || rs_event_commit(handle, &event, &tag))
        return failed("ring");
    while (expected < wanted && time(NULL) < give_up) {
        const struct rs_msg* message;

        if (rs_ring_next(ring, &message, 1000))
            continue;
        if (message->kind == RS_MSG_LOST) {
            uint64_t gap;

            memcpy(&gap, rs_msg_payload(message), sizeof gap);
            lost += gap;
            expected += gap;
        } else if (message->kind == RS_MSG_TEXT) {
            char text[32] = "";

            memcpy(text, rs_msg_payload(message), message->len < 31 ? message->len : 31);
            if (strtoull(text, NULL, 16) != expected)
                return fprintf(stderr, "err, '%s' instead of %llx\n", text, expected), 1;
            ++expected;
            bytes += message->len;
        }
    }
    rs_event_clear(handle, tag);
    rs_ring_close(ring);
    printf("%llu messages, %llu lost, %llu bytes\n", expected, lost, bytes);
    return rs_close(handle) || expected < wanted;
}
