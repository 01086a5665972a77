// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * /dev/ringside: copies requests between user space and the core, and hands out messages. One open
 * file is one client.
 */
#include <linux/capability.h>
#include <linux/cpu.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/irq_work.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/utsname.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <asm/tsc.h>

#include "shim.h"

#define READ_BUFFER_BYTES 0x10000
/* How long a message may wait when root mode left out the wake-up because the last one was recent. */
#define RECHECK_JIFFIES (HZ / 100 ? HZ / 100 : 1)

struct client {
	u32 id;
	struct mutex read_mutex; /* guards the buffer */
	void *buffer;		 /* READ_BUFFER_BYTES */
};

static atomic_t next_client = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(readers);

int rs_errno(u32 error)
{
	switch (error) {
	case RS_OK:
		return 0;
#define RS_ERRNO_CASE(name, code, errno_name, text) \
	case RS_ERR_##name:                         \
		return -errno_name;
	RS_ERROR_TABLE(RS_ERRNO_CASE)
#undef RS_ERRNO_CASE
	default:
		return -EIO;
	}
}

static atomic_t wakeups = ATOMIC_INIT(0);

static void wake_readers_now(void)
{
	atomic_inc(&wakeups);
	wake_up_interruptible(&readers);
}

static void wake_readers_work(struct irq_work *work)
{
	wake_readers_now();
}
static DEFINE_IRQ_WORK(wake_work, wake_readers_work);

/* NMI context. */
void rs_wake_readers(void)
{
	irq_work_queue(&wake_work);
}

/*
 * Looks once more a moment after a reader began to wait: root mode does not wake twice in a row. Goes
 * on looking while a core keeps text that has to come out when it gets old.
 */
static void recheck(struct work_struct *work);
static DECLARE_DELAYED_WORK(recheck_work, recheck);

static void recheck(struct work_struct *work)
{
	int found, gathers;

	mutex_lock(&rs_core_mutex);
	found = rs_core_waiting_messages();
	gathers = rs_core_hand_over_old();
	mutex_unlock(&rs_core_mutex);
	if (found)
		wake_readers_now();
	else if (gathers)
		schedule_delayed_work(&recheck_work, RECHECK_JIFFIES);
}

static int device_open(struct inode *inode, struct file *file)
{
	struct client *client;
	int error;

	if (!capable(CAP_SYS_ADMIN) || !capable(CAP_SYS_RAWIO))
		return -EPERM;
	if (security_locked_down(LOCKDOWN_DEV_MEM))
		return -EPERM;
	client = kzalloc(sizeof(*client), GFP_KERNEL);
	if (!client)
		return -ENOMEM;
	client->buffer = kvmalloc(READ_BUFFER_BYTES, GFP_KERNEL);
	if (!client->buffer) {
		kfree(client);
		return -ENOMEM;
	}
	mutex_init(&client->read_mutex);
	client->id = atomic_inc_return(&next_client);
	mutex_lock(&rs_core_mutex);
	error = rs_errno(rs_core_add_client(client->id));
	mutex_unlock(&rs_core_mutex);
	if (error) {
		kvfree(client->buffer);
		kfree(client);
		return error;
	}
	file->private_data = client;
	return stream_open(inode, file);
}

static int device_release(struct inode *inode, struct file *file)
{
	struct client *client = file->private_data;

	mutex_lock(&rs_core_mutex);
	rs_core_remove_client(client->id);
	mutex_unlock(&rs_core_mutex);
	kvfree(client->buffer);
	kfree(client);
	return 0;
}

static u32 request_version(struct rs_version *request)
{
	u32 vendor = RS_VENDOR_NONE;

	if (request->reserved)
		return RS_ERR_BAD_IMAGE;
	rs_core_probe(&vendor);
	request->size = sizeof(*request);
	request->abi = RS_ABI_VERSION;
	request->vendor = vendor;
	request->cores_online = num_online_cpus();
	request->cores_possible = num_possible_cpus();
	request->state = rs_core_is_loaded() ? RS_STATE_LOADED : 0;
	request->capabilities = RS_CAP_INTERRUPT_EVENTS | RS_CAP_SCRIPTS | RS_CAP_NESTED_PAGING;
	strscpy(request->release, RS_RELEASE, sizeof(request->release));
	strscpy(request->kernel, init_utsname()->release, sizeof(request->kernel));
	strscpy(request->host_name, init_utsname()->nodename, sizeof(request->host_name));
	request->tsc_khz = tsc_khz;
	return RS_OK;
}

/* Set with the mutex held when the module is about to go. */
static bool is_closed;

void rs_device_close(void)
{
	is_closed = true;
}

static u32 request_load(struct rs_load *request)
{
	struct rs_kernel_facts *facts;
	u32 error = RS_ERR_CANNOT_CREATE;

	if (is_closed)
		return error;
	facts = kzalloc(sizeof(*facts), GFP_KERNEL);
	if (!facts)
		return error;
	if (!rs_facts_collect(facts)) {
		error = rs_core_load(&rs_platform_functions, facts, request);
		if (error == RS_OK) {
			rs_hotplug_arm();
			/* Who waits already has to tell the new rings so. */
			wake_readers_now();
		}
	}
	rs_facts_free(facts);
	kfree(facts);
	return error;
}

static u32 request_unload(const struct rs_load *request)
{
	u32 error = rs_core_may_unload(request);

	if (error != RS_OK)
		return error;
	/* First of all: disarming waits for other CPUs, whose interrupts an event may be swallowing. */
	error = rs_core_unload();
	if (error == RS_OK)
		rs_hotplug_disarm();
	wake_readers_now();
	return error;
}

/* While this machine is a debuggee: see rs_core_tend_link(). */
static void tend_link(struct work_struct *work);
static DECLARE_DELAYED_WORK(link_work, tend_link);

static void tend_link(struct work_struct *work)
{
	int is_debuggee, is_polled = 1;

	mutex_lock(&rs_core_mutex);
	is_debuggee = rs_core_tend_link(&is_polled);
	mutex_unlock(&rs_core_mutex);
	if (is_debuggee)
		schedule_delayed_work(&link_work, is_polled ? 1 : HZ / 10);
}

/* QEMU's ivshmem-plain: its second BAR is the memory shared with the host. */
static void find_link_device(struct rs_link_device *found)
{
	struct pci_dev *device = pci_get_device(0x1af4, 0x1110, NULL);

	if (!device)
		return;
	if (!pci_enable_device(device)) {
		found->address = pci_resource_start(device, 2);
		found->bytes = pci_resource_len(device, 2);
	}
	pci_dev_put(device);
}

static u32 request_prepare(struct rs_prepare *request)
{
	struct rs_link_device device = { 0 };
	struct rs_version version = { 0 };
	u32 error;

	if (request->kind == RS_LINK_SHARED_MEMORY)
		find_link_device(&device);
	request_version(&version);
	/* A halted debuggee cannot be asked for names. Without them it is one all the same. */
	if (request->kind)
		rs_symbols_snapshot();
	error = rs_core_prepare(request, &device, &version);
	if (error == RS_OK && request->kind)
		schedule_delayed_work(&link_work, 1);
	return error;
}

union fixed_request {
	struct rs_version version;
	struct rs_load load;
	struct rs_modify_event modify;
	struct rs_event_stat stat;
	struct rs_flush flush;
	struct rs_ring ring;
	struct rs_symbol symbol;
	struct rs_idt idt;
	struct rs_settings settings;
	struct rs_prepare prepare;
	struct rs_process process;
	struct rs_registers registers;
	struct rs_msr msr;
	struct rs_cpuid cpuid;
	struct rs_lapic lapic;
	struct rs_io_apic io_apic;
	struct rs_page_walk page_walk;
};

static size_t fixed_size(u32 number)
{
	switch (number) {
	case RS_NR_VERSION:
		return sizeof(struct rs_version);
	case RS_NR_LOAD:
	case RS_NR_UNLOAD:
		return sizeof(struct rs_load);
	case RS_NR_MODIFY_EVENT:
		return sizeof(struct rs_modify_event);
	case RS_NR_EVENT_STAT:
		return sizeof(struct rs_event_stat);
	case RS_NR_FLUSH:
		return sizeof(struct rs_flush);
	case RS_NR_RING:
		return sizeof(struct rs_ring);
	case RS_NR_SYMBOL:
		return sizeof(struct rs_symbol);
	case RS_NR_PROCESS:
		return sizeof(struct rs_process);
	case RS_NR_PREPARE:
		return sizeof(struct rs_prepare);
	case RS_NR_SETTINGS:
		return sizeof(struct rs_settings);
	case RS_NR_IDT:
		return sizeof(struct rs_idt);
	case RS_NR_REGISTERS:
		return sizeof(struct rs_registers);
	case RS_NR_MSR:
		return sizeof(struct rs_msr);
	case RS_NR_CPUID:
		return sizeof(struct rs_cpuid);
	case RS_NR_LAPIC:
		return sizeof(struct rs_lapic);
	case RS_NR_IO_APIC:
		return sizeof(struct rs_io_apic);
	case RS_NR_PAGE_WALK:
		return sizeof(struct rs_page_walk);
	default:
		return 0;
	}
}

static long fixed_ioctl(struct client *client, u32 number, size_t known, void __user *user)
{
	union fixed_request *request;
	u32 size, error = RS_ERR_BAD_IMAGE;
	bool changes_cpus = number == RS_NR_LOAD || number == RS_NR_UNLOAD;
	long result;

	if (get_user(size, (u32 __user *)user))
		return -EFAULT;
	if (size < sizeof(u32) || size > PAGE_SIZE)
		return -EINVAL;
	request = kmalloc(sizeof(*request), GFP_KERNEL);
	if (!request)
		return -ENOMEM;
	result = copy_struct_from_user(request, known, user, size);
	if (result)
		goto out;
	if (changes_cpus)
		cpus_read_lock();
	if (mutex_lock_killable(&rs_core_mutex)) {
		if (changes_cpus)
			cpus_read_unlock();
		result = -EINTR;
		goto out;
	}
	switch (number) {
	case RS_NR_VERSION:
		error = request_version(&request->version);
		break;
	case RS_NR_LOAD:
		error = request_load(&request->load);
		request->load.error = error;
		break;
	case RS_NR_UNLOAD:
		error = request_unload(&request->load);
		request->load.error = error;
		break;
	case RS_NR_MODIFY_EVENT:
		error = rs_core_modify_event(client->id, &request->modify);
		request->modify.error = error;
		break;
	case RS_NR_EVENT_STAT:
		error = rs_core_event_stat(&request->stat);
		request->stat.error = error;
		break;
	case RS_NR_FLUSH:
		error = rs_core_flush(&request->flush);
		request->flush.error = error;
		break;
	case RS_NR_RING:
		error = rs_core_ring(client->id, &request->ring);
		request->ring.error = error;
		break;
	case RS_NR_SYMBOL:
		error = rs_symbol_request(&request->symbol);
		request->symbol.error = error;
		break;
	case RS_NR_PROCESS:
		error = rs_process_request(&request->process);
		request->process.error = error;
		break;
	case RS_NR_PREPARE:
		error = request_prepare(&request->prepare);
		request->prepare.error = error;
		break;
	case RS_NR_SETTINGS:
		error = rs_core_settings(&request->settings);
		request->settings.error = error;
		break;
	case RS_NR_IDT:
		error = rs_idt_request(&request->idt);
		request->idt.error = error;
		break;
	default:
		/* It has the fields the caller left out. */
		request->registers.size = known;
		error = rs_core_look(number, request, known);
		request->registers.size = size;
		break;
	}
	mutex_unlock(&rs_core_mutex);
	if (changes_cpus)
		cpus_read_unlock();
	result = rs_errno(error);
	if (copy_to_user(user, request, min_t(size_t, size, known)))
		result = -EFAULT;
out:
	kfree(request);
	return result;
}

/* The whole length of a request with its data behind it: it stands at offset 8. An action tells it
 * by its own size and that of its payload. */
static int image_length(u32 number, void __user *user, u64 *total)
{
	u32 size, payload;

	if (number != RS_NR_ADD_ACTION)
		return get_user(*total, (u64 __user *)(user + 8));
	if (get_user(size, (u32 __user *)user) ||
	    get_user(payload, (u32 __user *)(user + offsetof(struct rs_action, payload_len))))
		return -EFAULT;
	*total = size + round_up((u64)payload, 8);
	return 0;
}

static long image_ioctl(struct client *client, u32 number, void __user *user)
{
	u64 total, back;
	void *image;
	u32 error;
	long result;

	if (image_length(number, user, &total))
		return -EFAULT;
	if (total < 16 || total > RS_MAX_REQUEST_BYTES)
		return -EINVAL;
	image = kvmalloc(total, GFP_KERNEL);
	if (!image)
		return -ENOMEM;
	result = -EFAULT;
	if (copy_from_user(image, user, total))
		goto out;
	/* The caller may have changed it between the two reads. */
	if (number != RS_NR_ADD_ACTION)
		*(u64 *)(image + 8) = total;
	result = -EINTR;
	if (mutex_lock_killable(&rs_core_mutex))
		goto out;
	back = total;
	switch (number) {
	case RS_NR_REGISTER_EVENT:
		error = rs_core_register_event(client->id, image, total);
		back = min_t(u64, total, sizeof(struct rs_event_detail));
		break;
	case RS_NR_ADD_ACTION:
		error = rs_core_add_action(client->id, image, total);
		back = min_t(u64, total, sizeof(struct rs_action));
		break;
	case RS_NR_LIST_EVENTS:
		error = rs_core_list_events(image, total);
		break;
	case RS_NR_MEM:
	case RS_NR_TASKS:
	case RS_NR_MAPPINGS:
		error = rs_core_look(number, image, total);
		break;
	case RS_NR_SYMBOL_LIST:
		error = rs_symbol_list_request(image, total);
		break;
	default:
		error = rs_core_eval(client->id, image, total);
		break;
	}
	mutex_unlock(&rs_core_mutex);
	result = copy_to_user(user, image, back) ? -EFAULT : rs_errno(error);
out:
	kvfree(image);
	return result;
}

static bool is_image(u32 number)
{
	switch (number) {
	case RS_NR_REGISTER_EVENT:
	case RS_NR_ADD_ACTION:
	case RS_NR_LIST_EVENTS:
	case RS_NR_EVAL:
	case RS_NR_MEM:
	case RS_NR_TASKS:
	case RS_NR_MAPPINGS:
	case RS_NR_SYMBOL_LIST:
		return true;
	default:
		return false;
	}
}

static long device_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	struct client *client = file->private_data;
	void __user *user = (void __user *)argument;
	u32 number = _IOC_NR(command);
	size_t known = fixed_size(number);

	if (_IOC_TYPE(command) != RS_IOC_MAGIC)
		return -ENOTTY;
	if (known)
		return fixed_ioctl(client, number, known, user);
	if (is_image(number))
		return image_ioctl(client, number, user);
	return -ENOTTY;
}

static ssize_t read_now(struct client *client, char __user *user, size_t bytes)
{
	s64 got;

	if (mutex_lock_interruptible(&client->read_mutex))
		return -ERESTARTSYS;
	mutex_lock(&rs_core_mutex);
	got = rs_core_read_messages(client->id, client->buffer,
				    min_t(size_t, bytes, READ_BUFFER_BYTES));
	mutex_unlock(&rs_core_mutex);
	if (got < 0)
		got = -EMSGSIZE;
	else if (got > 0 && copy_to_user(user, client->buffer, got))
		got = -EFAULT;
	mutex_unlock(&client->read_mutex);
	return got;
}

static ssize_t device_read(struct file *file, char __user *user, size_t bytes, loff_t *offset)
{
	struct client *client = file->private_data;
	ssize_t got;
	int seen;

	for (;;) {
		seen = atomic_read(&wakeups);
		got = read_now(client, user, bytes);
		if (got)
			return got;
		schedule_delayed_work(&recheck_work, RECHECK_JIFFIES);
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		/* The time-out is a safety net: an event may swallow the wake-up's interrupt. */
		if (wait_event_interruptible_timeout(readers, atomic_read(&wakeups) != seen,
						     HZ / 4) < 0)
			return -ERESTARTSYS;
	}
}

static __poll_t device_poll(struct file *file, poll_table *table)
{
	struct client *client = file->private_data;
	int ready;

	poll_wait(file, &readers, table);
	mutex_lock(&rs_core_mutex);
	ready = rs_core_poll_messages(client->id);
	mutex_unlock(&rs_core_mutex);
	if (ready)
		return EPOLLIN | EPOLLRDNORM;
	schedule_delayed_work(&recheck_work, RECHECK_JIFFIES);
	return 0;
}

static int insert_pages(struct vm_area_struct *vma, unsigned long at, const void *memory, u64 bytes)
{
	u64 offset;
	int error;

	for (offset = 0; offset < bytes; offset += PAGE_SIZE) {
		/* Takes a reference: the page lives as long as the mapping, whatever is unloaded. */
		error = vm_insert_page(vma, at + offset, virt_to_page(memory + offset));
		if (error)
			return error;
	}
	return 0;
}

/* A core's ring, to be read only (ringside/ring.h). */
static int device_mmap(struct file *file, struct vm_area_struct *vma)
{
	u64 offset = (u64)vma->vm_pgoff << PAGE_SHIFT, bytes;
	const void *head, *data;
	int error;

	if (vma->vm_flags & (VM_WRITE | VM_EXEC))
		return -EPERM;
	if (!(vma->vm_flags & VM_SHARED) || offset % RS_RING_STRIDE)
		return -EINVAL;
	if (offset / RS_RING_STRIDE > U32_MAX)
		return -ENXIO;
#ifdef RS_HAVE_VM_FLAGS_SET
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTCOPY | VM_DONTDUMP);
	vm_flags_clear(vma, VM_MAYWRITE | VM_MAYEXEC);
#else
	vma->vm_flags |= VM_DONTEXPAND | VM_DONTCOPY | VM_DONTDUMP;
	vma->vm_flags &= ~(VM_MAYWRITE | VM_MAYEXEC);
#endif
	mutex_lock(&rs_core_mutex);
	error = rs_errno(rs_core_ring_memory(offset / RS_RING_STRIDE, &head, &data, &bytes));
	if (!error && vma->vm_end - vma->vm_start != RS_RING_HEAD_BYTES + bytes)
		error = -EINVAL;
	if (!error)
		error = insert_pages(vma, vma->vm_start, head, RS_RING_HEAD_BYTES);
	if (!error)
		error = insert_pages(vma, vma->vm_start + RS_RING_HEAD_BYTES, data, bytes);
	mutex_unlock(&rs_core_mutex);
	return error;
}

static const struct file_operations device_operations = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.read = device_read,
	.poll = device_poll,
	.mmap = device_mmap,
	.llseek = no_llseek,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ringside",
	.fops = &device_operations,
	.mode = 0600,
};

int rs_device_register(void)
{
	return misc_register(&device);
}

void rs_device_unregister(void)
{
	misc_deregister(&device);
	cancel_delayed_work_sync(&recheck_work);
	cancel_delayed_work_sync(&link_work);
	irq_work_sync(&wake_work);
}
