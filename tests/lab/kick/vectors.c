// SPDX-License-Identifier: GPL-2.0-or-later
// Vectors whose handlers we see run: KVM's wake-up vector (the kernel calls a hook that a module
// may set), and a device's: the MSI of QEMU's edu device where the debuggee has one, else a free
// line of the IO-APIC, whose vector is raised by IPIs.
#include <asm/apic.h>
#include <asm/hw_irq.h>
#include <asm/irq.h>
#include <asm/irq_regs.h>
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/pci.h>

#include "kick.h"

#define KEPT_RUNS 64
#define STEER_TRIES 200

/* QEMU, docs/specs/edu.rst: registers of BAR 0. */
#define EDU_VENDOR 0x1234
#define EDU_DEVICE 0x11e8
#define EDU_STATUS 0x24
#define EDU_RAISE 0x60
#define EDU_ACKNOWLEDGE 0x64

static struct kick_run kept[KEPT_RUNS];
static atomic_t kept_count = ATOMIC_INIT(0);
static DEFINE_PER_CPU(unsigned int, wakeup_runs);
static DEFINE_PER_CPU(unsigned int, device_runs);

static struct pci_dev *edu;
static void __iomem *edu_registers;
static int device_irq;

/* Lines of the ISA bus that are often free. */
static const int free_lines[] = {5, 7, 3, 10, 11};

/* `regs`: the interrupted state, NULL where the kernel does not hand it on. */
static void keep_run(u8 vector, const struct pt_regs *regs)
{
	int at = atomic_inc_return(&kept_count) - 1;

	if (at >= KEPT_RUNS)
		return;
	kept[at] = (struct kick_run){.vector = vector, .cpu = smp_processor_id()};
	if (regs) {
		kept[at].cpl = regs->cs & 3;
		kept[at].ip = regs->ip;
		kept[at].flags = regs->flags;
	}
}

static void on_wakeup(void)
{
	this_cpu_inc(wakeup_runs);
	keep_run(KICK_VECTOR_WAKEUP, NULL); /* get_irq_regs() is set for device vectors only */
}

static bool uses_line;

static irqreturn_t on_device(int irq, void *context)
{
	u32 status = edu ? ioread32(edu_registers + EDU_STATUS) : 0;

	/* A line may be shared; the MSI's vector is also raised by IPIs of ours. */
	if (uses_line && !status)
		return IRQ_NONE;
	if (status)
		iowrite32(status, edu_registers + EDU_ACKNOWLEDGE);
	this_cpu_inc(device_runs);
	keep_run(kick_device_vector(NULL), get_irq_regs());
	return IRQ_HANDLED;
}

u8 kick_device_vector(unsigned int *cpu)
{
	struct irq_cfg *config = device_irq ? irqd_cfg(irq_get_irq_data(device_irq)) : NULL;
	unsigned int candidate;

	if (!config)
		return 0;
	for_each_online_cpu (candidate) {
		if (cpu && kick_goes_to(config, candidate))
			*cpu = candidate;
	}
	return config->vector;
}

unsigned int kick_runs(struct kick_run *runs, unsigned int room)
{
	unsigned int count = min_t(unsigned int, atomic_read(&kept_count), KEPT_RUNS);

	count = min(count, room);
	memcpy(runs, kept, count * sizeof(*runs));
	return count;
}

void kick_forget_runs(void)
{
	memset(kept, 0, sizeof(kept));
	atomic_set(&kept_count, 0);
}

/* "VECTOR CORE RUNS" for each vector of ours and core. */
int kick_count(char **words, struct seq_buf *answer)
{
	u8 vector = kick_device_vector(NULL);
	unsigned int cpu;

	for_each_online_cpu (cpu) {
		seq_buf_printf(answer, "%02x %u %u\n", KICK_VECTOR_WAKEUP, cpu,
			       per_cpu(wakeup_runs, cpu));
		if (vector)
			seq_buf_printf(answer, "%02x %u %u\n", vector, cpu,
				       per_cpu(device_runs, cpu));
	}
	return 0;
}

static unsigned int all_device_runs(void)
{
	unsigned int sum = 0;
	unsigned int cpu;

	for_each_possible_cpu (cpu)
		sum += per_cpu(device_runs, cpu);
	return sum;
}

/* The line's vector, where it is now. */
static void send_line(void)
{
	unsigned long flags;
	unsigned int cpu = 0;
	u8 vector;

	local_irq_save(flags); /* an xAPIC's ICR takes two writes */
	vector = kick_device_vector(&cpu);
	apic->send_IPI(cpu, vector);
	local_irq_restore(flags);
}

/* One interrupt of the device, waited for. */
static void raise_once(void)
{
	unsigned int before = all_device_runs();
	unsigned long limit = jiffies + HZ;

	if (edu)
		iowrite32(1, edu_registers + EDU_RAISE);
	else
		send_line();
	while (all_device_runs() == before && time_before(jiffies, limit))
		cond_resched();
}

int kick_steer(unsigned int cpu)
{
	unsigned int current_cpu;
	int tries;

	if (!device_irq)
		return -ENODEV;
	if (cpu >= nr_cpu_ids || !cpu_online(cpu))
		return -ENXIO;
	/* The kernel moves an MSI when it next arrives and frees the old vector later still; until
	 * then a further move is refused. */
	for (tries = 0; tries < STEER_TRIES; tries++) {
		if (kick_device_vector(&current_cpu) != 0 && current_cpu == cpu)
			return 0;
		irq_set_affinity(device_irq, cpumask_of(cpu));
		raise_once();
		msleep(1);
	}
	return -EBUSY;
}

/* Lets the device interrupt, one at a time. "VECTOR CORE RAISED HANDLED" */
int kick_raise(char **words, struct seq_buf *answer)
{
	unsigned int number;
	unsigned int i;
	unsigned int cpu = 0;
	unsigned int handled;
	u8 vector;

	if (kstrtouint(words[0], 10, &number))
		return -EINVAL;
	if (!device_irq)
		return -ENODEV;
	vector = kick_device_vector(&cpu);
	handled = all_device_runs();
	for (i = 0; i < number; i++)
		raise_once();
	seq_buf_printf(answer, "%02x %u %u %u\n", vector, cpu, number, all_device_runs() - handled);
	return 0;
}

static int take_line(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(free_lines); i++) {
		if (request_irq(free_lines[i], on_device, 0, "kick-line", &device_irq))
			continue;
		device_irq = free_lines[i];
		return 0;
	}
	return 0; /* commands that need a device say so */
}

/* `kind`: PCI_IRQ_MSI, or PCI_IRQ_LEGACY for the line, which the device asserts until it is
 * acknowledged. */
static int request_device(unsigned int kind)
{
	int status = pci_alloc_irq_vectors(edu, 1, 1, kind);

	if (status < 0)
		return status;
	device_irq = pci_irq_vector(edu, 0);
	uses_line = kind == PCI_IRQ_LEGACY;
	status = request_irq(device_irq, on_device, kind == PCI_IRQ_LEGACY ? IRQF_SHARED : 0,
			     "kick-edu", &device_irq);
	if (!status)
		return 0;
	device_irq = 0;
	pci_free_irq_vectors(edu);
	return status;
}

/* "VECTOR CORE" */
int kick_line(char **words, struct seq_buf *answer)
{
	unsigned int cpu = 0;
	bool on;
	int status = kstrtobool(words[0], &on);
	u8 vector;

	if (status)
		return status;
	if (!edu)
		return -ENODEV;
	if (device_irq) {
		free_irq(device_irq, &device_irq);
		device_irq = 0;
		pci_free_irq_vectors(edu);
	}
	iowrite32(~0U, edu_registers + EDU_ACKNOWLEDGE);
	status = request_device(on ? PCI_IRQ_LEGACY : PCI_IRQ_MSI);
	if (status)
		return status;
	vector = kick_device_vector(&cpu);
	seq_buf_printf(answer, "%02x %u\n", vector, cpu);
	return 0;
}

/* "VECTOR CORE" */
int kick_assert(char **words, struct seq_buf *answer)
{
	unsigned int cpu;
	int status = kstrtouint(words[0], 10, &cpu);

	if (status)
		return status;
	if (!edu)
		return -ENODEV;
	status = kick_steer(cpu);
	if (status)
		return status;
	seq_buf_printf(answer, "%02x %u\n", kick_device_vector(NULL), cpu);
	iowrite32(1, edu_registers + EDU_RAISE);
	return 0;
}

static int take_device(void)
{
	int status;

	edu = pci_get_device(EDU_VENDOR, EDU_DEVICE, NULL);
	if (!edu)
		return take_line();
	status = pci_enable_device(edu);
	if (status)
		goto no_device;
	pci_set_master(edu);
	edu_registers = pci_iomap(edu, 0, 0);
	status = edu_registers ? request_device(PCI_IRQ_MSI) : -ENOMEM;
	if (!status)
		return 0;
	if (edu_registers)
		pci_iounmap(edu, edu_registers);
	pci_disable_device(edu);
no_device:
	pci_dev_put(edu);
	edu = NULL;
	return status;
}

static void release_device(void)
{
	if (device_irq)
		free_irq(device_irq, &device_irq);
	device_irq = 0;
	if (!edu)
		return;
	pci_free_irq_vectors(edu);
	pci_iounmap(edu, edu_registers);
	pci_clear_master(edu);
	pci_disable_device(edu);
	pci_dev_put(edu);
	edu = NULL;
}

int kick_vectors_init(void)
{
	int status = take_device();

	if (!status)
		kvm_set_posted_intr_wakeup_handler(on_wakeup);
	return status;
}

void kick_vectors_exit(void)
{
	kvm_set_posted_intr_wakeup_handler(NULL); /* waits for handlers that run */
	release_device();
}
