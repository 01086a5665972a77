// SPDX-License-Identifier: GPL-3.0-or-later
// Loads a kernel as the boot map says: reads the pieces from ATA disks by programmed I/O, which an
// emulator does at nearly the speed of memcpy(), and hands over the BIOS' memory map.
// 64-bit code at a fixed address below 64 KiB, without a library.
// Sources: ATA/ATAPI-6 (T13/1410D) section 9.5 "PIO data-in command protocol"; Linux,
// Documentation/x86/zero-page.rst.
#include "layout.h"

enum {
    kAtaFirstChannel = 0x1f0,
    kAtaSecondChannel = 0x170,
    kAtaData = 0,  // registers, from the channel's first port
    kAtaCount = 2,
    kAtaLba = 3,  // three bytes in three registers
    kAtaDevice = 6,
    kAtaCommand = 7,  // read: status
    kAtaLbaMode = 0xe0,
    kAtaSlave = 0x10,
    kAtaReadSectors = 0x20,
    kAtaBusy = 0x80,
    kAtaReady = 0x08,
    kAtaError = 0x01,
    kSectorsAtOnce = 256,

    kSerialData = 0x3f8,
    kBochsShutdown = 0x8900,

    kZeroPageEntries = 0x1e8,  // number of memory map entries, one byte
    kZeroPageMap = 0x2d0,      // entries of 20 bytes
    kMapEntrySize = 20,
};

static inline void out8(uint16_t port, uint8_t value) {
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t in8(uint16_t port) {
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void copy(void* to, const void* from, uint64_t bytes) {
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}

static void clear(void* to, uint64_t bytes) {
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(0) : "memory");
}

// Says why on the console and ends the machine. Bochs: the word "Shutdown" written to port 0x8900
// ends it; elsewhere the processor stops here.
static __attribute__((noreturn)) void fail(const char* why) {
    for (; *why != '\0'; why++)
        out8(kSerialData, (uint8_t)*why);
    for (const char* word = "Shutdown"; *word != '\0'; word++)
        out8(kBochsShutdown, (uint8_t)*word);
    for (;;)
        __asm__ volatile("hlt");
}

// Up to 256 sectors, the most that one command reads.
static void* read_some(uint32_t disk, uint32_t first, uint32_t count, void* to) {
    const uint16_t channel = disk < 2 ? kAtaFirstChannel : kAtaSecondChannel;
    out8(channel + kAtaDevice,
         (uint8_t)(kAtaLbaMode | (disk % 2 != 0 ? kAtaSlave : 0) | (first >> 24 & 0xf)));
    out8(channel + kAtaCount, (uint8_t)count);  // 0 stands for 256
    for (int i = 0; i < 3; i++)
        out8((uint16_t)(channel + kAtaLba + i), (uint8_t)(first >> 8 * i));
    out8(channel + kAtaCommand, kAtaReadSectors);
    for (; count != 0; count--) {
        uint8_t status;
        do {
            status = in8(channel + kAtaCommand);
        } while ((status & kAtaBusy) != 0);
        if ((status & (kAtaReady | kAtaError)) != kAtaReady)
            fail("ringside-lab: the loader cannot read a disk\n");
        uint64_t words = BOOT_SECTOR_SIZE / 2;
        __asm__ volatile("rep insw"
                         : "+D"(to), "+c"(words)
                         : "d"((uint16_t)(channel + kAtaData))
                         : "memory");
    }
    return to;
}

static void read_sectors(uint32_t disk, uint32_t first, uint64_t count, void* to) {
    while (count != 0) {
        const uint32_t now = count < kSectorsAtOnce ? (uint32_t)count : kSectorsAtOnce;
        to = read_some(disk, first, now, to);
        first += now;
        count -= now;
    }
}

// Called by boot.S; returns where to go on.
uint64_t load(void) {
    struct boot_map* map = (struct boot_map*)BOOT_MAP_ADDRESS;
    read_sectors(0, BOOT_MAP_SECTOR, 1, map);
    if (map->magic != BOOT_MAP_MAGIC || map->count > BOOT_PIECES_MAX)
        fail("ringside-lab: the boot disk has no map for the loader\n");
    for (const struct boot_piece* piece = map->pieces; piece != map->pieces + map->count; piece++) {
        const uint64_t sectors = (piece->stored + BOOT_SECTOR_SIZE - 1) / BOOT_SECTOR_SIZE;
        read_sectors(piece->disk, piece->sector, sectors, (void*)piece->address);
        clear((void*)(piece->address + piece->stored), piece->bytes - piece->stored);
    }
    const uint32_t entries = *(const uint32_t*)BOOT_MEMORY_MAP;
    *(uint8_t*)(BOOT_PARAMETERS + kZeroPageEntries) = (uint8_t)entries;
    copy((void*)(BOOT_PARAMETERS + kZeroPageMap), (const void*)(BOOT_MEMORY_MAP + 8),
         (uint64_t)entries * kMapEntrySize);
    return map->entry;
}
