// SPDX-License-Identifier: GPL-2.0-or-later
// kick: /proc/kick and the table of commands.
#include <linux/cpu.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "kick.h"

#define ANSWER_BYTES (64 * 1024)
#define COMMAND_BYTES 128

static const struct kick_command commands[] = {
    {"send", "send VECTOR CORE NUMBER PACED(0|1): fixed IPIs", 4, kick_send},
    {"self", "self VECTOR CORE NUMBER: fixed IPIs of a core to itself, none before the last is gone", 3,
     kick_self},
    {"nmi", "nmi CORE NUMBER: NMIs, each when the last was handled", 2, kick_nmi},
    {"count", "count: runs of our handlers, by vector and core", 0, kick_count},
    {"raise", "raise NUMBER: interrupts of the device", 1, kick_raise},
    {"line", "line on|off: the device interrupts by its level-triggered line, or by MSI", 1, kick_line},
    {"assert", "assert CORE: the device's interrupt to that core, asserted and not waited for", 1,
     kick_assert},
    {"snap", "snap: what the kernel counted, by core and vector", 0, kick_snap},
    {"mark", "mark: the like, at a marker interrupt on each core", 0, kick_mark},
    {"hold", "hold CORE MICROSECONDS: interrupts off", 2, kick_hold},
    {"order", "order CORE FIRST SECOND: raised together, order of the handlers", 3, kick_order},
    {"shadow", "shadow sti|movss CORE: where a pending interrupt is taken", 2, kick_shadow},
    {"cr8", "cr8 CORE PRIORITY: held back by the task priority, then let in", 2, kick_cr8},
    {"apic", "apic CORE: ISR, IRR and TMR", 1, kick_apic},
    {"queue", "queue CORE NUMBER: raised with interrupts off, and when they were handled", 2,
     kick_queue},
    {"stay", "stay ROUNDS: busy for that many jiffies that pass while the guest runs", 1, kick_stay},
    {"registers", "registers CORE: what an interrupt (f1) changes of known ones", 1, kick_registers},
    {"state", "state CORE: registers a hypervisor must leave alone", 1, kick_state},
};

static DEFINE_MUTEX(lock); /* one command at a time; its answer belongs to who reads next */
static struct seq_buf answer;
static struct proc_dir_entry *entry;

struct on_core {
	struct work_struct work;
	void (*run)(void *argument);
	void *argument;
};

static void run_on_core(struct work_struct *work)
{
	struct on_core *order = container_of(work, struct on_core, work);

	order->run(order->argument);
}

int kick_run_on(unsigned int cpu, void (*run)(void *argument), void *argument)
{
	struct on_core order = {.run = run, .argument = argument};

	cpus_read_lock();
	if (cpu >= nr_cpu_ids || !cpu_online(cpu)) {
		cpus_read_unlock();
		return -ENXIO;
	}
	INIT_WORK_ONSTACK(&order.work, run_on_core);
	queue_work_on(cpu, system_highpri_wq, &order.work);
	flush_work(&order.work);
	destroy_work_on_stack(&order.work);
	cpus_read_unlock();
	return 0;
}

static int run_command(char *text)
{
	char *words[KICK_MAX_WORDS + 1] = {NULL};
	int count = 0;
	size_t i;

	while (count <= KICK_MAX_WORDS) {
		char *word = strsep(&text, " \t\n");

		if (!word)
			break;
		if (*word)
			words[count++] = word;
	}
	if (count == 0)
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(words[0], commands[i].name) != 0)
			continue;
		if (count - 1 == commands[i].words)
			return commands[i].run(words + 1, &answer);
		seq_buf_printf(&answer, "usage: %s\n", commands[i].usage);
		return -EINVAL;
	}
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		seq_buf_printf(&answer, "%s\n", commands[i].usage);
	return -EINVAL;
}

static ssize_t write_command(struct file *file, const char __user *data, size_t size, loff_t *at)
{
	char text[COMMAND_BYTES];
	int status;

	if (size >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, data, size))
		return -EFAULT;
	text[size] = '\0';
	mutex_lock(&lock);
	seq_buf_clear(&answer);
	status = run_command(text);
	mutex_unlock(&lock);
	return status ? status : size;
}

static ssize_t read_answer(struct file *file, char __user *data, size_t size, loff_t *at)
{
	ssize_t got;

	mutex_lock(&lock);
	got = simple_read_from_buffer(data, size, at, answer.buffer, seq_buf_used(&answer));
	mutex_unlock(&lock);
	return got;
}

static const struct proc_ops operations = {
    .proc_read = read_answer,
    .proc_write = write_command,
};

static int __init kick_init(void)
{
	char *buffer = kzalloc(ANSWER_BYTES, GFP_KERNEL);
	int status;

	if (!buffer)
		return -ENOMEM;
	seq_buf_init(&answer, buffer, ANSWER_BYTES);
	status = kick_vectors_init();
	if (status)
		goto no_vectors;
	entry = proc_create("kick", 0600, NULL, &operations);
	if (entry)
		return 0;
	status = -ENOMEM;
	kick_vectors_exit();
no_vectors:
	kfree(buffer);
	return status;
}

static void __exit kick_exit(void)
{
	proc_remove(entry);
	kick_vectors_exit();
	kfree(answer.buffer);
}

module_init(kick_init);
module_exit(kick_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("interrupts of known vector, core and number (test rig)");
