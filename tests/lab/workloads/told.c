/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How soon a reader has what a script prints. An event registered by a command line without a word
 * on messages prints twice a trigger; vector f1 is raised on core 0 N times, with nothing to tell
 * in between for a while.
 *
 * usage: told N     prints, a trigger a line: kinds of its two messages, microseconds from before
 *                   the interrupt was asked for until the first was read
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "ringside/ringside.h"

static const char command[] = "!interrupt f1 core 0 script { printf(\"a\\n\"); printf(\"b\\n\"); }";

static struct rs_handle* handle;

static long microseconds(void) {
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static int raise_vector(void) {
    FILE* const kick = fopen("/proc/kick", "w");

    return !kick || fputs("self f1 0 1\n", kick) < 0 || fclose(kick) != 0;
}

static int failed(const char* what) {
    fprintf(stderr, "err, %s: %s\n", what, rs_error_text());
    return 1;
}

static const char* next_kind(void) {
    const struct rs_msg* message;

    if (rs_msg_next(handle, &message, 5000))
        return "none";
    return message->kind == RS_MSG_TEXT       ? "text"
           : message->kind == RS_MSG_GATHERED ? "gathered"
                                              : "other";
}

int main(int count, char** words) {
    const int rounds = count > 1 ? atoi(words[1]) : 20;

    if (rs_open(&handle) || rs_load_vmm(handle) || rs_command(handle, command, NULL, NULL))
        return failed("start");
    for (int i = 0; i < rounds; i++) {
        const char *first, *second;
        long begin, end;

        usleep(20000);
        begin = microseconds();
        if (raise_vector())
            return perror("/proc/kick"), 1;
        first = next_kind();
        end = microseconds();
        second = next_kind();
        printf("%s %s %ld\n", first, second, end - begin);
    }
    return rs_close(handle);
}
