// SPDX-License-Identifier: GPL-3.0-or-later
// ivshmem: prints the machine's ivshmem device and the bytes of its memory.
// ivshmem read OFFSET LENGTH: prints bytes of it.
// ivshmem write OFFSET TEXT: puts the text there, without its zero.
// Offsets and lengths are decimal.
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEVICES "/sys/bus/pci/devices"

static unsigned long number_in(const char* device, const char* file) {
    char path[512];
    char text[32] = "";
    snprintf(path, sizeof path, DEVICES "/%s/%s", device, file);
    FILE* const stream = fopen(path, "r");
    if (stream != NULL) {
        if (fgets(text, sizeof text, stream) == NULL)
            text[0] = '\0';
        fclose(stream);
    }
    return strtoul(text, NULL, 0);
}

/// PCI address of the first one, "0000:00:04.0"; false: there is none.
static int find_device(char* name, size_t room) {
    DIR* const folder = opendir(DEVICES);
    int found = 0;
    for (struct dirent* entry; !found && folder != NULL && (entry = readdir(folder)) != NULL;) {
        found = number_in(entry->d_name, "vendor") == 0x1af4 &&
                number_in(entry->d_name, "device") == 0x1110;
        if (found)
            snprintf(name, room, "%s", entry->d_name);
    }
    if (folder != NULL)
        closedir(folder);
    return found;
}

int main(int argc, char** argv) {
    char device[256];
    char path[512];
    struct stat status;
    if (!find_device(device, sizeof device)) {
        fprintf(stderr, "no ivshmem device\n");
        return 1;
    }
    snprintf(path, sizeof path, DEVICES "/%s/resource2", device);
    const int file = open(path, O_RDWR);
    if (file < 0 || fstat(file, &status) != 0) {
        perror(path);
        return 1;
    }
    if (argc == 1) {
        printf("%s %llu\n", device, (unsigned long long)status.st_size);
        return 0;
    }
    char* const memory =
        mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    if (argc != 4) {
        fprintf(stderr, "usage: ivshmem [read OFFSET LENGTH | write OFFSET TEXT]\n");
        return 2;
    }
    const int reads = strcmp(argv[1], "read") == 0;
    const size_t offset = strtoul(argv[2], NULL, 10);
    const size_t length = reads ? strtoul(argv[3], NULL, 10) : strlen(argv[3]);
    if (offset > (size_t)status.st_size || length > (size_t)status.st_size - offset) {
        fprintf(stderr, "not within the memory\n");
        return 2;
    }
    if (reads)
        fwrite(memory + offset, 1, length, stdout);
    else
        memcpy(memory + offset, argv[3], length);
    return 0;
}
