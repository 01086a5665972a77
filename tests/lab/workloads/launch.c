// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The hypervisor's coming and going through the raw interface: launches that fail at every step,
 * and many in a row. Needs nobody else connected.
 *
 * usage: launch fail      every step of a launch made to fail on every core, a good one after each
 *        launch cycle N   N times load and unload, plain and with nested paging in turn
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ringside/ioctl.h"

static int device;

/* 0, or -errno; *request is filled in. */
static int load(struct rs_load* request, __u32 flags, __u32 fail_step, __u32 fail_core) {
    memset(request, 0, sizeof *request);
    request->size = sizeof *request;
    request->abi = RS_ABI_VERSION;
    request->flags = flags;
    request->fail_step = fail_step;
    request->fail_core = fail_core;
    return ioctl(device, RS_IOC_LOAD, request) ? -errno : 0;
}

static int unload(void) {
    struct rs_load request = {.size = sizeof request};

    return ioctl(device, RS_IOC_UNLOAD, &request) ? -errno : 0;
}

static int cycle(__u32 flags) {
    struct rs_load request;
    int error = load(&request, flags, 0, 0);

    if (error) {
        printf("load: %s (%08x, core %d)\n", strerror(-error), request.error,
               (int)request.error_core);
        return 1;
    }
    error = unload();
    if (error)
        printf("unload: %s\n", strerror(-error));
    return error != 0;
}

static int fail_everywhere(void) {
    enum { kSteps = 6, kLaunchStep = 5 };  // 6: the processor refuses the first entry
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct rs_load request;

    for (__u32 flags = 0; flags <= RS_LOADF_NPT; flags += RS_LOADF_NPT)
        for (__u32 step = 1; step <= kSteps; ++step)
            for (__u32 core = 0; core < (step >= kLaunchStep ? cores : 1); ++core) {
                const int error = load(&request, flags, step, core);

                if (!error) {
                    printf("step %u core %u: did not fail\n", step, core);
                    return 1;
                }
                if (step >= kLaunchStep &&
                    (request.error != RS_ERR_LAUNCH_FAILED || request.error_core != core)) {
                    printf("step %u core %u: %08x, core %d\n", step, core, request.error,
                           (int)request.error_core);
                    return 1;
                }
                if (unload() != -ENODEV) {
                    printf("step %u core %u: something stayed loaded\n", step, core);
                    return 1;
                }
                if (cycle(flags))
                    return 1;
            }
    return 0;
}

int main(int count, char** words) {
    device = open("/dev/ringside", O_RDWR | O_CLOEXEC);
    if (device < 0) {
        perror("/dev/ringside");
        return 1;
    }
    if (count == 2 && !strcmp(words[1], "fail"))
        return fail_everywhere();
    if (count == 3 && !strcmp(words[1], "cycle")) {
        for (int i = 0; i < atoi(words[2]); ++i)
            if (cycle(i & 1 ? RS_LOADF_NPT : 0))
                return 1;
        return 0;
    }
    fprintf(stderr, "usage: launch fail | launch cycle N\n");
    return 2;
}
