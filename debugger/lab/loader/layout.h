// SPDX-License-Identifier: GPL-3.0-or-later
// What the loader of a Bochs lab finds on its disks, as both sides see it: the lab writes the boot
// disk (boot_disk.cpp), the loader on it reads it (boot.S, load.c).
//
//   sector 0        boot sector, which the BIOS loads at 0x7c00 and which loads the rest of the
//                   loader behind itself
//   sectors 1..15   the loader's rest
//   sector 16       struct boot_map
//   sectors 17...   what the map's pieces name
//
// Pieces may also be on the other disks, which are files of the cache as they are. Everything that
// is policy stands in the map: the loader puts pieces where it is told, adds the BIOS' memory map
// to the kernel's boot parameters and jumps.
#ifndef RINGSIDE_LAB_LOADER_LAYOUT_H
#define RINGSIDE_LAB_LOADER_LAYOUT_H

#define BOOT_SECTOR_SIZE 512
#define BOOT_LOADER_SECTORS 16
#define BOOT_MAP_SECTOR 16
#define BOOT_FIRST_PIECE 17

#define BOOT_LOADER_ADDRESS 0x7c00
#define BOOT_MEMORY_MAP 0x1000   /* count (4 bytes, padded to 8), then BIOS entries of 20 bytes */
#define BOOT_MEMORY_MAP_MAX 128  /* as many as the kernel's boot parameters hold */
#define BOOT_STACK 0x7000        /* grows down, towards the memory map */
#define BOOT_PAGE_TABLES 0x10000 /* six pages: level 4, level 3, four of level 2 */
#define BOOT_MAP_ADDRESS 0x18000
#define BOOT_PARAMETERS 0x20000   /* the kernel's boot parameters, one page */
#define BOOT_COMMAND_LINE 0x21000 /* at most a page */

#define BOOT_MAP_MAGIC 0x70616d746f6f6272 /* "rbootmap" */
#define BOOT_PIECES_MAX 15

#ifndef __ASSEMBLER__
#include <stdint.h>

/* `stored` bytes from the start of `sector` on go to `address`; the rest of `bytes` is zeroed.
 * Whole sectors are read, so up to 511 bytes behind a piece change: pieces come in an order in
 * which that does no harm. */
struct boot_piece {
    uint32_t disk;    /* offset 0: 0 and 1 master and slave of the first ATA channel, 2 and 3 of
                         the second one */
    uint32_t sector;  /* offset 4 */
    uint64_t stored;  /* offset 8 */
    uint64_t address; /* offset 16 */
    uint64_t bytes;   /* offset 24 */
};

struct boot_map {
    uint64_t magic; /* offset 0 */
    uint64_t entry; /* offset 8: address of the kernel's 64-bit entry */
    uint32_t count; /* offset 16 */
    uint32_t reserved;
    struct boot_piece pieces[BOOT_PIECES_MAX]; /* offset 24 */
};
#endif

#endif
