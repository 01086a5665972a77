/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Counts local-timer interrupts through libringside, with machine code as the action.
 *
 * usage: library_ticks [SECONDS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ringside/ringside.h"

static const unsigned char increment[] = {0x48, 0xff, 0x01}; /* inc qword [rcx] */

int main(int count, char** words) {
    struct rs_handle* handle;
    struct rs_event event;
    struct rs_stat stat;
    uint64_t tag;

    if (rs_open(&handle) || rs_load_vmm(handle))
        return fprintf(stderr, "err, %s\n", rs_error_text()), 1;
    rs_event_init(&event, RS_EVENT_EXTERNAL_INTERRUPT); /* any core, any pid, pre, sc off */
    rs_event_vector(&event, 0xec);
    rs_event_buffer(&event, 8);
    rs_event_add_code(&event, increment, sizeof increment);
    if (rs_event_commit(handle, &event, &tag))
        return fprintf(stderr, "err, %s\n", rs_error_text()), 2;
    sleep(count > 1 ? (unsigned)atoi(words[1]) : 10);
    if (rs_event_stat(handle, tag, &stat))
        return fprintf(stderr, "err, %s\n", rs_error_text()), 3;
    printf("event %#llx: %llu ticks\n", (unsigned long long)tag,
           (unsigned long long)stat.triggers_pre);
    rs_event_clear(handle, tag);
    return rs_close(handle);
}
