/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Counts local-timer interrupts by the module's own interface: registers '!interrupt ec' by ioctl,
 * and compares with what Linux counted (LOC in /proc/interrupts). Leaves everything as it was.
 *
 * usage: count_ticks [SECONDS]
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ringside/ioctl.h"

/* Timer interrupts of all cores since the machine started, by Linux's count. */
static long long loc(void) {
    char line[4096], *at;
    long long sum = 0, value;
    FILE* const file = fopen("/proc/interrupts", "r");

    while (file && fgets(line, sizeof line, file))
        if ((at = strstr(line, "LOC:")) != NULL)
            for (at += 4; (value = strtoll(at, &at, 10)) > 0;)
                sum += value;
    if (file)
        fclose(file);
    return sum;
}

int main(int count, char** words) {
    const int device = open("/dev/ringside", O_RDWR | O_CLOEXEC);
    struct rs_load load = {.size = sizeof load, .abi = RS_ABI_VERSION};
    struct rs_event_detail event = {.size = sizeof event,
                                    .abi = RS_ABI_VERSION,
                                    .total_len = sizeof event,
                                    .event_type = RS_EVENT_EXTERNAL_INTERRUPT,
                                    .core_id = RS_ANY,
                                    .process_id = RS_ANY,
                                    .optional_param = {0xec}};
    /* An event without an action waits, disabled, for its first one (API-9). */
    struct {
        struct rs_action action;
        unsigned char code[8];
    } nop = {.action = {.size = sizeof nop.action, .action_type = RS_ACT_CODE, .payload_len = 1},
             .code = {0x90}};
    struct rs_event_stat before = {.size = sizeof before}, after = before;
    struct rs_modify_event clear = {.size = sizeof clear, .action = RS_MODIFY_CLEAR};
    long long linux_ticks;

    if (device < 0 || ioctl(device, RS_IOC_LOAD, &load) ||
        ioctl(device, RS_IOC_REGISTER_EVENT, &event))
        return perror("ringside"), 1;
    nop.action.event_tag = clear.tag = before.tag = after.tag = event.tag;
    if (ioctl(device, RS_IOC_ADD_ACTION, &nop) || ioctl(device, RS_IOC_EVENT_STAT, &before))
        return perror("ringside"), 1;
    linux_ticks = -loc();
    sleep(count > 1 ? (unsigned)atoi(words[1]) : 10);
    linux_ticks += loc();
    if (ioctl(device, RS_IOC_EVENT_STAT, &after) || ioctl(device, RS_IOC_MODIFY_EVENT, &clear))
        return perror("ringside"), 1;
    printf("event %#llx: %llu ticks, Linux counted %lld\n", event.tag,
           after.triggers_pre - before.triggers_pre, linux_ticks);
    load = (struct rs_load){.size = sizeof load};
    return ioctl(device, RS_IOC_UNLOAD, &load) ? (perror("unload"), 1) : close(device);
}
