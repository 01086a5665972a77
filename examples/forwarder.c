/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An output module: numbers the messages of events and appends them to the file that the
 * environment variable FORWARDER_FILE names ("forwarded.txt" without it).
 *
 * build: cc -shared -fPIC -o forwarder.so examples/forwarder.c
 * use:   output create mine module ./forwarder.so
 *        output open mine
 *        !interrupt ec core 1 script { printf("tick\n"); } output { mine }
 */
#include <stdio.h>
#include <stdlib.h>

void ringside_event_forwarding(const char* buf, unsigned len);

/* Called by the debugger with each message: len bytes, then a zero byte. Must return soon. */
void ringside_event_forwarding(const char* buf, unsigned len) {
    static unsigned long count;
    const char* name = getenv("FORWARDER_FILE");
    FILE* file = fopen(name != NULL ? name : "forwarded.txt", "a");

    if (file == NULL)
        return;
    fprintf(file, "%lu: ", ++count);
    fwrite(buf, 1, len, file);
    fclose(file);
}
