/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kick: makes interrupts of known vector, core and number inside the debuggee, and counts exactly
 * what the kernel handled. The ground truth of the lab tests.
 *
 * Text interface: one command written to /proc/kick, its answer read from /proc/kick. Numbers are
 * hexadecimal for vectors and decimal for everything else.
 */
#ifndef KICK_H
#define KICK_H

#include <linux/seq_buf.h>
#include <linux/types.h>

/* A command: its words follow its name, at most KICK_MAX_WORDS of them. */
#define KICK_MAX_WORDS 6
struct kick_command {
	const char *name;
	const char *usage;
	int words; /* how many must follow */
	int (*run)(char **words, struct seq_buf *answer);
};

/* Runs `work(argument)` in process context on core `cpu`, interrupts on. -ENXIO: no such core. */
int kick_run_on(unsigned int cpu, void (*work)(void *argument), void *argument);

/* ---- sources.c: what the kernel counted ---- */

#define KICK_MAX_SOURCES 96

/* One line of /proc/interrupts on one core. Sources that share a counter (CAL: fb and fc) have the
 * second vector in vector2. */
struct kick_source {
	char name[16];
	u8 vector;
	u8 vector2; /* 0: none */
	unsigned int count;
};

struct kick_snapshot {
	unsigned int cpu;
	unsigned int sources;
	struct kick_source source[KICK_MAX_SOURCES];
};

/* Fills `shot` for the running core. Interrupts must be off: then it is exact. */
void kick_take_snapshot(struct kick_snapshot *shot);

/* Whether a vector assignment names core `cpu`; it does so in the APIC's own way (a bit mask in
 * flat logical mode). */
struct irq_cfg;
bool kick_goes_to(const struct irq_cfg *config, unsigned int cpu);

/* Growth of all sources between two snapshots of one core. */
unsigned int kick_growth(const struct kick_snapshot *from, const struct kick_snapshot *to);

int kick_snap(char **words, struct seq_buf *answer);
int kick_mark(char **words, struct seq_buf *answer);

/* ---- vectors.c: vectors with a handler of ours ---- */

#define KICK_VECTOR_WAKEUP 0xf1 /* KVM's wake-up vector: its handler is a hook for modules */
#define KICK_VECTOR_MARK 0xf2	/* KVM's posted interrupt: counted by the kernel, does nothing */
#define KICK_VECTOR_NESTED 0xf0 /* the like */

/* One run of a handler of ours; ip and flags are known for the device's vector only, else 0. */
struct kick_run {
	u8 vector;
	u8 cpl;
	u16 cpu;
	unsigned long ip;
	unsigned long flags;
};

int kick_vectors_init(void);
void kick_vectors_exit(void);

/* Vector of the device's interrupt, and the core it goes to; 0 without a device. */
u8 kick_device_vector(unsigned int *cpu);

/* Sends the device's interrupt to core `cpu` from now on. -ENODEV: there is no device. */
int kick_steer(unsigned int cpu);

/* Runs since the last kick_forget_runs(), oldest first; at most `room`. */
unsigned int kick_runs(struct kick_run *runs, unsigned int room);
void kick_forget_runs(void);

int kick_count(char **words, struct seq_buf *answer);
int kick_raise(char **words, struct seq_buf *answer);
int kick_line(char **words, struct seq_buf *answer);
int kick_assert(char **words, struct seq_buf *answer);

/* ---- sequences.c: sending, and what the running core does meanwhile ---- */

/* Waits with interrupts off until the running core's local APIC has `vector`: requested, or accepted
 * already by a hypervisor that exits for it. */
bool kick_wait_pending(u8 vector);

int kick_nmi(char **words, struct seq_buf *answer);
int kick_send(char **words, struct seq_buf *answer);
int kick_self(char **words, struct seq_buf *answer);
int kick_hold(char **words, struct seq_buf *answer);
int kick_order(char **words, struct seq_buf *answer);
int kick_shadow(char **words, struct seq_buf *answer);
int kick_cr8(char **words, struct seq_buf *answer);
int kick_apic(char **words, struct seq_buf *answer);
int kick_queue(char **words, struct seq_buf *answer);
int kick_stay(char **words, struct seq_buf *answer);

/* ---- registers.c ---- */

int kick_registers(char **words, struct seq_buf *answer);

/* ---- state.c: the processor's registers ---- */

int kick_state(char **words, struct seq_buf *answer);

#endif
