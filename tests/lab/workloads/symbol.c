// SPDX-License-Identifier: GPL-3.0-or-later
// symbol NAME...: prints the address of each name of the kernel, hexadecimal, as the module knows
// it. Reading all of /proc/kallsyms takes half a minute in Bochs.
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "ringside/ioctl.h"

int main(int argc, char** argv) {
    const int device = open("/dev/ringside", O_RDWR);
    if (device < 0) {
        perror("/dev/ringside");
        return 1;
    }
    for (int i = 1; i < argc; i++) {
        struct rs_symbol symbol = {.size = sizeof symbol};
        snprintf(symbol.name, sizeof symbol.name, "%s", argv[i]);
        if (ioctl(device, RS_IOC_SYMBOL, &symbol) != 0) {
            perror(argv[i]);
            return 1;
        }
        printf("%llx\n", (unsigned long long)symbol.address);
    }
    return 0;
}
