// SPDX-License-Identifier: GPL-2.0-or-later
// Sending interrupts, and instruction sequences around taking one.
#include <asm/apic.h>
#include <asm/hw_irq.h>
#include <asm/nmi.h>
#include <asm/special_insns.h>
#include <linux/delay.h>
#include <linux/interrupt.h>

#include "kick.h"

#define FIRST_VECTOR 0x20
#define IRR_WAIT_LOOPS 1000000

static int parse_vector(const char *word, u8 *vector)
{
	int status = kstrtou8(word, 16, vector);

	return status ? status : *vector < FIRST_VECTOR ? -EINVAL : 0;
}

static bool is_set(u32 bank, u8 vector)
{
	return apic_read(bank + (vector / 32) * 0x10) & (1U << (vector % 32));
}

bool kick_wait_pending(u8 vector)
{
	int i;

	for (i = 0; i < IRR_WAIT_LOOPS; i++)
		if (is_set(APIC_IRR, vector) || is_set(APIC_ISR, vector))
			return true;
	return false;
}

/* ---- send ---- */

/* Counts of a vector on a core as another core sees them: fresh enough to pace by. */
static unsigned int handled(u8 vector, unsigned int cpu)
{
	const irq_cpustat_t *stat = &per_cpu(irq_stat, cpu);

	switch (vector) {
	case POSTED_INTR_VECTOR:
		return READ_ONCE(stat->kvm_posted_intr_ipis);
	case POSTED_INTR_WAKEUP_VECTOR:
		return READ_ONCE(stat->kvm_posted_intr_wakeup_ipis);
	case POSTED_INTR_NESTED_VECTOR:
		return READ_ONCE(stat->kvm_posted_intr_nested_ipis);
	case X86_PLATFORM_IPI_VECTOR:
		return READ_ONCE(stat->x86_platform_ipis);
	case SPURIOUS_APIC_VECTOR:
		return READ_ONCE(stat->irq_spurious_count);
	case RESCHEDULE_VECTOR:
		return READ_ONCE(stat->irq_resched_count);
	default:
		return 0;
	}
}

/* Paced: the next one is sent when the last was handled, so none coalesce. "SENT HANDLED" */
int kick_send(char **words, struct seq_buf *answer)
{
	unsigned int cpu, number, paced, i, begin;
	u8 vector;

	if (parse_vector(words[0], &vector) || kstrtouint(words[1], 10, &cpu) ||
	    kstrtouint(words[2], 10, &number) || kstrtouint(words[3], 10, &paced))
		return -EINVAL;
	if (cpu >= nr_cpu_ids || !cpu_online(cpu))
		return -ENXIO;
	begin = handled(vector, cpu);
	for (i = 0; i < number; i++) {
		unsigned int before = handled(vector, cpu);
		unsigned long limit = jiffies + HZ;
		unsigned long flags;

		local_irq_save(flags); /* an xAPIC's ICR takes two writes */
		apic->send_IPI(cpu, vector);
		local_irq_restore(flags);
		while (paced && handled(vector, cpu) == before && time_before(jiffies, limit))
			cond_resched();
	}
	seq_buf_printf(answer, "%u %u\n", number, handled(vector, cpu) - begin);
	return 0;
}

/* ---- nmi ---- */

static atomic_t nmis_due = ATOMIC_INIT(0);
static atomic_t nmis_handled = ATOMIC_INIT(0);

/* Only what was sent is ours: another one is the kernel's, which says so if it knows no source. */
static int on_nmi(unsigned int type, struct pt_regs *regs)
{
	if (atomic_dec_if_positive(&nmis_due) < 0)
		return NMI_DONE;
	atomic_inc(&nmis_handled);
	return NMI_HANDLED;
}

/* "SENT HANDLED": each is sent when the last was handled, or not for a second. */
int kick_nmi(char **words, struct seq_buf *answer)
{
	unsigned int cpu, number, i;
	int status;

	if (kstrtouint(words[0], 10, &cpu) || kstrtouint(words[1], 10, &number))
		return -EINVAL;
	if (cpu >= nr_cpu_ids || !cpu_online(cpu))
		return -ENXIO;
	atomic_set(&nmis_due, 0);
	atomic_set(&nmis_handled, 0);
	status = register_nmi_handler(NMI_LOCAL, on_nmi, 0, "kick");
	if (status)
		return status;
	for (i = 0; i < number; i++) {
		unsigned int before = atomic_read(&nmis_handled);
		unsigned long limit = jiffies + HZ;
		unsigned long flags;

		atomic_inc(&nmis_due);
		local_irq_save(flags);
		apic->send_IPI(cpu, NMI_VECTOR);
		local_irq_restore(flags);
		while (atomic_read(&nmis_handled) == before && time_before(jiffies, limit))
			cond_resched();
	}
	unregister_nmi_handler(NMI_LOCAL, "kick");
	seq_buf_printf(answer, "%u %u\n", number, atomic_read(&nmis_handled));
	return 0;
}

/* ---- self ---- */

struct self {
	u8 vector;
	unsigned int number;
	unsigned int lost;
};

static void self_here(void *argument)
{
	struct self *self = argument;
	unsigned int i;

	for (i = 0; i < self->number; i++) {
		unsigned int left = IRR_WAIT_LOOPS;
		unsigned long flags;

		local_irq_save(flags);
		apic->send_IPI_self(self->vector);
		local_irq_restore(flags);
		while (is_set(APIC_IRR, self->vector) && left)
			left--;
		self->lost += left == 0;
		cond_resched();
	}
}

/* "SENT HANDLED LOST": lost ones stayed requested. Whether anybody handles them or not, no two are
 * ever one. */
int kick_self(char **words, struct seq_buf *answer)
{
	struct self self = {0};
	unsigned int cpu, begin;
	int status;

	if (parse_vector(words[0], &self.vector) || kstrtouint(words[1], 10, &cpu) ||
	    kstrtouint(words[2], 10, &self.number))
		return -EINVAL;
	if (cpu >= nr_cpu_ids || !cpu_online(cpu))
		return -ENXIO;
	begin = handled(self.vector, cpu);
	status = kick_run_on(cpu, self_here, &self);
	if (!status)
		seq_buf_printf(answer, "%u %u %u\n", self.number, handled(self.vector, cpu) - begin,
			       self.lost);
	return status;
}

/* ---- hold ---- */

static void hold_here(void *argument)
{
	unsigned int microseconds = *(unsigned int *)argument;

	local_irq_disable();
	while (microseconds > 0) {
		unsigned int piece = min(microseconds, 1000U);

		udelay(piece);
		microseconds -= piece;
	}
	local_irq_enable();
}

int kick_hold(char **words, struct seq_buf *answer)
{
	unsigned int cpu, microseconds;

	if (kstrtouint(words[0], 10, &cpu) || kstrtouint(words[1], 10, &microseconds))
		return -EINVAL;
	return kick_run_on(cpu, hold_here, &microseconds);
}

/* ---- stay ---- */

/* However long the machine stands still meanwhile, at most one of the naps is over by that. Whoever
 * has another command waits uninterruptibly. */
int kick_stay(char **words, struct seq_buf *answer)
{
	unsigned int rounds;

	if (kstrtouint(words[0], 10, &rounds))
		return -EINVAL;
	while (rounds--)
		schedule_timeout_uninterruptible(1);
	seq_buf_printf(answer, "stayed\n");
	return 0;
}

/* ---- order ---- */

/* Bochs: an exit with interrupts off leaves the next ones unseen until IF is touched. */
static void touch_interrupt_flag(void)
{
	asm volatile("cli" ::: "memory");
}

struct order {
	u8 first;
	u8 second;
};

/* Word "device" names the device's vector, which is then steered to `cpu`. */
static int parse_own_vector(const char *word, unsigned int cpu, u8 *vector)
{
	int status;

	if (strcmp(word, "device") != 0)
		return parse_vector(word, vector);
	status = kick_steer(cpu);
	*vector = kick_device_vector(NULL);
	return status;
}

static void order_here(void *argument)
{
	const struct order *order = argument;

	local_irq_disable();
	kick_forget_runs();
	apic->send_IPI_self(order->first);
	kick_wait_pending(order->first);
	touch_interrupt_flag();
	apic->send_IPI_self(order->second);
	kick_wait_pending(order->second);
	local_irq_enable();
}

static void print_runs(struct seq_buf *answer)
{
	struct kick_run runs[8];
	unsigned int count = kick_runs(runs, ARRAY_SIZE(runs));
	unsigned int i;

	for (i = 0; i < count; i++)
		seq_buf_printf(answer, "%02x%s", runs[i].vector, i + 1 < count ? " " : "\n");
}

/* "FIRST-HANDLED SECOND-HANDLED"; the vectors must be of ours: f1 and device. */
int kick_order(char **words, struct seq_buf *answer)
{
	struct order order;
	unsigned int cpu;
	int status;

	if (kstrtouint(words[0], 10, &cpu))
		return -EINVAL;
	status = parse_own_vector(words[1], cpu, &order.first);
	if (!status)
		status = parse_own_vector(words[2], cpu, &order.second);
	if (status)
		return status;
	status = kick_run_on(cpu, order_here, &order);
	if (!status)
		print_runs(answer);
	return status;
}

/* ---- shadow ---- */

/*
 * STI and MOV SS hold interrupts off for one more instruction (AMD APM vol. 2 §15.21.5 "Interrupt
 * Shadows"). Each sequence makes the device's vector pending and notes where it was taken, as the
 * number of one-byte NOPs that ran after the shadowing instruction. 0 is a lost shadow. STI is
 * given a pending interrupt, so 1 is the only right answer. MOV SS needs one that comes at its very
 * moment (of two shadows in a row only the first counts), so the core interrupts itself just
 * before: any other number is right, negative ones mean that it was taken before MOV SS.
 */
struct shadow {
	bool movss;
	u8 vector;
	unsigned long start;
};

static void shadow_here(void *argument)
{
	struct shadow *shadow = argument;
	unsigned long start;

	local_irq_disable();
	kick_forget_runs();
	if (shadow->movss) {
		const u32 order = APIC_DEST_SELF | APIC_DM_FIXED | shadow->vector;
		unsigned int ss;

		asm volatile("lea 1f(%%rip), %[start]\n\t"
			     "mov %%ss, %[ss]\n\t"
			     "sti\n\t"
			     "nop\n\t"
			     "movl %[order], %[icr]\n\t"
			     "mov %[ss], %%ss\n"
			     "1:\tnop\n\tnop\n\tnop\n\tnop\n\tcli"
			     : [start] "=&r"(start), [ss] "=&r"(ss),
			       [icr] "=m"(*(u32 *)(APIC_BASE + APIC_ICR))
			     : [order] "r"(order)
			     : "memory");
	} else {
		apic->send_IPI_self(shadow->vector);
		kick_wait_pending(shadow->vector);
		asm volatile("lea 1f(%%rip), %0\n\t"
			     "sti\n"
			     "1:\tnop\n\tnop\n\tnop\n\tnop\n\tcli"
			     : "=&r"(start)::"memory");
	}
	shadow->start = start;
	local_irq_enable();
}

int kick_shadow(char **words, struct seq_buf *answer)
{
	struct shadow shadow = {.movss = strcmp(words[0], "movss") == 0};
	struct kick_run run;
	unsigned int cpu;
	int status;

	if ((!shadow.movss && strcmp(words[0], "sti") != 0) || kstrtouint(words[1], 10, &cpu))
		return -EINVAL;
	if (shadow.movss && x2apic_enabled())
		return -EOPNOTSUPP; /* the sequence writes the xAPIC's ICR */
	status = parse_own_vector("device", cpu, &shadow.vector);
	if (!status)
		status = kick_run_on(cpu, shadow_here, &shadow);
	if (status)
		return status;
	if (kick_runs(&run, 1) == 0)
		return -EIO;
	seq_buf_printf(answer, "%ld\n", (long)(run.ip - shadow.start));
	return 0;
}

/* ---- queue ---- */

struct queue {
	unsigned int number;
	unsigned int early;
	unsigned int lost;
	unsigned int disordered;
	u8 lower;
};

/* Two vectors of different classes are raised with interrupts off, the lower first in every other
 * round; when interrupts go on both are handled, the higher first. */
static void queue_here(void *argument)
{
	struct queue *queue = argument;
	struct kick_run runs[4];
	unsigned int i;

	for (i = 0; i < queue->number; i++) {
		u8 first = i & 1 ? KICK_VECTOR_WAKEUP : queue->lower;
		u8 second = i & 1 ? queue->lower : KICK_VECTOR_WAKEUP;
		unsigned int count;

		local_irq_disable();
		kick_forget_runs();
		apic->send_IPI_self(first);
		kick_wait_pending(first);
		touch_interrupt_flag();
		apic->send_IPI_self(second);
		kick_wait_pending(second);
		udelay(5);
		queue->early += kick_runs(runs, ARRAY_SIZE(runs));
		asm volatile("sti\n\tnop\n\tnop\n\tnop\n\tcli" ::: "memory");
		count = kick_runs(runs, ARRAY_SIZE(runs));
		local_irq_enable();
		if (count != 2)
			queue->lost += count < 2 ? 2 - count : 1;
		else if (runs[0].vector != KICK_VECTOR_WAKEUP || runs[1].vector != queue->lower)
			queue->disordered++;
	}
}

/* "RAISED EARLY LOST DISORDERED" */
int kick_queue(char **words, struct seq_buf *answer)
{
	struct queue queue = {0};
	unsigned int cpu;
	int status;

	if (kstrtouint(words[0], 10, &cpu) || kstrtouint(words[1], 10, &queue.number))
		return -EINVAL;
	status = parse_own_vector("device", cpu, &queue.lower);
	if (!status)
		status = kick_run_on(cpu, queue_here, &queue);
	if (!status)
		seq_buf_printf(answer, "%u %u %u %u\n", 2 * queue.number, queue.early, queue.lost,
			       queue.disordered);
	return status;
}

/* ---- cr8 ---- */

struct priority {
	unsigned int level;
	unsigned int while_raised;
	unsigned int after;
	bool pending;
};

static unsigned int wakeups_here(void)
{
	return this_cpu_read(irq_stat.kvm_posted_intr_wakeup_ipis);
}

static void cr8_here(void *argument)
{
	struct priority *priority = argument;
	unsigned long level = priority->level;
	unsigned long none = 0;
	unsigned int begin;

	local_irq_disable();
	begin = wakeups_here();
	asm volatile("mov %0, %%cr8" ::"r"(level) : "memory");
	apic->send_IPI_self(KICK_VECTOR_WAKEUP);
	kick_wait_pending(KICK_VECTOR_WAKEUP);
	asm volatile("sti\n\tnop\n\tnop\n\tcli" ::: "memory");
	priority->while_raised = wakeups_here() - begin;
	priority->pending = is_set(APIC_IRR, KICK_VECTOR_WAKEUP);
	asm volatile("mov %0, %%cr8" ::"r"(none) : "memory");
	asm volatile("sti\n\tnop\n\tnop\n\tcli" ::: "memory");
	priority->after = wakeups_here() - begin;
	local_irq_enable();
}

/* "HANDLED-WHILE-RAISED PENDING HANDLED-AFTER": 0 1 1 at priority 15, 1 0 1 below. */
int kick_cr8(char **words, struct seq_buf *answer)
{
	struct priority priority = {0};
	unsigned int cpu;
	int status;

	if (kstrtouint(words[0], 10, &cpu) || kstrtouint(words[1], 10, &priority.level) ||
	    priority.level > 15)
		return -EINVAL;
	status = kick_run_on(cpu, cr8_here, &priority);
	if (!status)
		seq_buf_printf(answer, "%u %u %u\n", priority.while_raised, priority.pending,
			       priority.after);
	return status;
}

/* ---- apic ---- */

struct apic_banks {
	u32 bank[3][8];
};

static const u32 bank_registers[3] = {APIC_ISR, APIC_IRR, APIC_TMR};
static const char *const bank_names[3] = {"ISR", "IRR", "TMR"};

static void apic_here(void *argument)
{
	struct apic_banks *banks = argument;
	unsigned int bank, word;

	local_irq_disable();
	for (bank = 0; bank < 3; bank++)
		for (word = 0; word < 8; word++)
			banks->bank[bank][word] = apic_read(bank_registers[bank] + word * 0x10);
	local_irq_enable();
}

/* "ISR|IRR|TMR VECTOR ..." */
int kick_apic(char **words, struct seq_buf *answer)
{
	struct apic_banks banks;
	unsigned int cpu, bank, vector;
	int status;

	if (kstrtouint(words[0], 10, &cpu))
		return -EINVAL;
	status = kick_run_on(cpu, apic_here, &banks);
	if (status)
		return status;
	for (bank = 0; bank < 3; bank++) {
		seq_buf_printf(answer, "%s", bank_names[bank]);
		for (vector = 0; vector < 256; vector++)
			if (banks.bank[bank][vector / 32] & (1U << (vector % 32)))
				seq_buf_printf(answer, " %02x", vector);
		seq_buf_printf(answer, "\n");
	}
	return 0;
}
