// SPDX-License-Identifier: GPL-2.0-or-later
// The door of the core: one load of the hypervisor, its event engine and its clients, behind the C
// functions of core_api.h. Kernel context only; nothing here is read in root mode.
#include "core_api.h"

#include "base/memory.hpp"
#include "event/registry.hpp"
#include "monitor/monitor.hpp"
#include "svm/svm_vendor.hpp"
#include "vcpu/hypervisor.hpp"
#include "x86/cpuid.hpp"

namespace ringside {
namespace {

constexpr u32 kDefaultRingKb = 1024, kMinRingKb = 64, kMaxRingKb = 4096;

/// One open file of the device.
struct Client {
    u32 id = 0;  ///< 0: free
    bool waits = false;
    ring::MergedReader reader;
};

/// Everything between load and unload.
class Session final : public event::Machine {
public:
    u32 load(const rs_platform& platform, const rs_kernel_facts& facts, rs_load& request);
    u32 unload();

    bool core_exists(u32 core) override {
        return hypervisor.is_virtualized(core) && platform_->core_online(core);
    }
    bool pid_exists(u32 pid) override { return pid == 0 || platform_->pid_exists(pid); }

    /// RS_IOC_EVAL; `bytes` of program, then room for text, lie behind the request.
    u32 evaluate(rs_eval& request, u64 bytes);

    Client* find_client(u32 id);
    u32 add_client(u32 id);
    void remove_client(u32 id);
    s64 read_messages(Client& client, u8* buffer, u64 bytes);
    bool has_messages(Client& client);

    /// Makes every virtualized core take over what was published, and waits for it.
    u32 publish_and_wait();
    const rs_platform& platform() const { return *platform_; }

    bool is_loaded = false;
    vcpu::Hypervisor hypervisor;
    event::Engine engine;
    event::Registry registry;
    Client clients[ring::kMaxOwners] = {};

private:
    Result<void> bring_up(const rs_kernel_facts& facts, const rs_load& request, u32& failed_core);
    void tear_down();
    bool attach_client(Client& client);

    const rs_platform* platform_ = nullptr;
    bool engine_open_ = false;
    bool registry_open_ = false;
};

constinit Session session;
constinit svm::SvmVendor svm_vendor;

Result<void> check_request(const rs_load& request) {
    if (request.abi != RS_ABI_VERSION)
        return Error{RS_ERR_ABI_MISMATCH, request.abi};
    const u32 ring = request.msg_ring_kb ? request.msg_ring_kb : kDefaultRingKb;
    if (request.flags & ~RS_LOADF_NPT || ring < kMinRingKb || ring > kMaxRingKb ||
        (ring & (ring - 1)))
        return Error{RS_ERR_BAD_IMAGE, ring};
    for (u32 word : request.reserved)
        if (word)
            return Error{RS_ERR_BAD_IMAGE, word};
    return {};
}

u32 Session::load(const rs_platform& platform, const rs_kernel_facts& facts, rs_load& request) {
    request.error_core = RS_ANY;
    if (is_loaded)
        return RS_ERR_ALREADY_LOADED;
    if (auto checked = check_request(request); !checked)
        return checked.error().code;
    u32 vendor = 0;
    if (const u32 error = rs_core_probe(&vendor); error != RS_OK)
        return error;
    platform_ = &platform;
    u32 failed_core = RS_ANY;
    if (auto up = bring_up(facts, request, failed_core); !up) {
        request.error_core = failed_core;
        tear_down();
        return up.error().code;
    }
    is_loaded = true;
    request.cores = hypervisor.virtualized_count();
    return RS_OK;
}

Result<void> Session::bring_up(const rs_kernel_facts& facts, const rs_load& request,
                               u32& failed_core) {
    vcpu::ExitTable exits;
    monitor::fill(exits);
    RS_TRY(hypervisor.prepare(svm_vendor, *platform_, facts, request, exits));
    event::EngineSettings settings;
    settings.core_count = hypervisor.core_count();
    settings.tsc_khz = facts.tsc_khz;
    settings.ring_bytes = u64{request.msg_ring_kb ? request.msg_ring_kb : kDefaultRingKb} * 1024;
    if (request.script_budget)
        settings.script_budget = request.script_budget;
    if (request.script_time_us)
        settings.script_time_us = request.script_time_us;
    RS_TRY(engine.open(hypervisor.memory(), settings));
    engine_open_ = true;
    RS_TRY(registry.open(engine, *this));
    registry_open_ = true;
    for (Client& client : clients)
        if (client.id)
            attach_client(client);
    for (u32 core = 0; core < hypervisor.core_count(); ++core)
        hypervisor.attach_core(core, engine.core(core).in_root());
    RS_TRY(hypervisor.launch(failed_core));
    for (u32 core = 0; core < hypervisor.core_count(); ++core)
        if (hypervisor.is_virtualized(core))
            engine.set_participating(core, true);
    return {};
}

void Session::tear_down() {
    if (registry_open_)
        registry.close();
    if (engine_open_)
        engine.close();
    registry_open_ = engine_open_ = false;
    hypervisor.release();
}

u32 Session::unload() {
    if (!is_loaded)
        return RS_ERR_NOT_LOADED;
    registry.clear_all();
    publish_and_wait();
    if (auto stopped = hypervisor.stop(); !stopped)
        return stopped.error().code;
    for (u32 core = 0; core < hypervisor.core_count(); ++core)
        engine.set_participating(core, false);
    is_loaded = false;
    platform_->wait_for_nmi_handlers();
    tear_down();
    return RS_OK;
}

bool Session::attach_client(Client& client) {
    client.waits = false;
    client.reader.init(engine.rings(), client.id);
    return engine.rings().add_owner(client.id);
}

Client* Session::find_client(u32 id) {
    for (Client& client : clients)
        if (client.id == id)
            return &client;
    return nullptr;
}

u32 Session::add_client(u32 id) {
    Client* client = find_client(0);
    if (!client)
        return RS_ERR_OTHER_CLIENTS;
    client->id = id;
    if (is_loaded)
        attach_client(*client);
    return RS_OK;
}

void Session::remove_client(u32 id) {
    Client* client = find_client(id);
    if (!client)
        return;
    if (is_loaded) {
        if (client->waits)
            client->reader.finish_waiting();
        registry.remove_client(id);
        publish_and_wait();
        engine.rings().remove_owner(id);
        engine.rings().release_all();
    }
    client->id = 0;
    client->waits = false;
}

bool Session::has_messages(Client& client) {
    if (client.waits)
        return static_cast<bool>(client.reader.peek());
    client.waits = !client.reader.prepare_to_wait();
    return !client.waits;
}

s64 Session::read_messages(Client& client, u8* buffer, u64 bytes) {
    if (client.waits)
        client.reader.finish_waiting();
    client.waits = false;
    u64 used = 0;
    while (const ring::Record record = client.reader.peek()) {
        const u32 length = record.read_bytes();
        if (used + length > bytes) {
            if (used == 0)
                return -1;
            return s64(used);
        }
        copy_bytes(buffer + used, record.header, length);
        used += length;
        client.reader.consume();
    }
    if (used == 0)
        has_messages(client);
    return s64(used);
}

u32 Session::evaluate(rs_eval& request, u64 bytes) {
    auto* tail = reinterpret_cast<u8*>(&request + 1);
    const u64 room = bytes - sizeof request;
    if (request.program_len > room || request.reserved)
        return RS_ERR_BAD_IMAGE;
    constexpr u64 kMaxText = 0x10000;
    auto prepared = registry.prepare_evaluation({tail, request.program_len},
                                                u32(room < kMaxText ? room : kMaxText));
    if (!prepared)
        return prepared.error().code;
    event::Evaluation& evaluation = **prepared;
    struct Job {
        Session* self;
        event::Evaluation* evaluation;
    } job{this, hypervisor.memory().to_root(&evaluation)};
    // In the context of the calling thread: on the CPU it runs on.
    const int ran = platform_->run_on(
        platform_->this_cpu(),
        [](void* argument) {
            auto& work = *static_cast<Job*>(argument);
            work.self->hypervisor.hypercall_here(vcpu::Hypercall::kEvaluate,
                                                 reinterpret_cast<u64>(work.evaluation));
        },
        &job);
    u32 error = RS_ERR_BAD_CORE;
    if (ran == 0) {
        const script::RunResult& result = evaluation.result;
        copy_bytes(tail, evaluation.text_in_guest, evaluation.text_len);
        request.text_len = evaluation.text_len;
        request.value = result.last_value;
        request.script_error = result.error;
        request.error_pc = result.pc;
        request.error_value = result.value;
        request.core = evaluation.core;
        error = RS_OK;
    }
    registry.release_evaluation(&evaluation);
    return error;
}

u32 Session::publish_and_wait() {
    hypervisor.signal_adoption();
    // Every core exits at the NMI and adopts on its way back; a core in a long script follows when
    // that run ends, which its time limit bounds.
    constexpr u64 kMaxRounds = 100'000'000;
    const u64 generation = engine.generation();
    for (u64 round = 0; !engine.all_adopted(generation); ++round) {
        if (round == kMaxRounds)
            return RS_ERR_CORES_NOT_HALTED;
        platform_->relax();
    }
    registry.reclaim();
    return RS_OK;
}

}  // namespace
}  // namespace ringside

using ringside::session;

extern "C" {

__u32 rs_core_probe(__u32* vendor) {
    *vendor = RS_VENDOR_NONE;
    if (ringside::x86::has_vmx()) {
        *vendor = RS_VENDOR_VMX;
        return RS_ERR_VENDOR_NOT_YET;
    }
    if (!ringside::x86::has_svm())
        return RS_ERR_NO_SVM;
    *vendor = RS_VENDOR_SVM;
    if (session.is_loaded)
        return RS_OK;
    const auto probed = ringside::svm_vendor.probe();
    return probed ? RS_OK : probed.error().code;
}

__u32 rs_core_load(const struct rs_platform* platform, const struct rs_kernel_facts* facts,
                   struct rs_load* request) {
    return session.load(*platform, *facts, *request);
}

__u32 rs_core_unload(void) {
    return session.unload();
}

int rs_core_is_loaded(void) {
    return session.is_loaded;
}

__u32 rs_core_cpu_online(__u32 cpu) {
    if (!session.is_loaded)
        return RS_OK;
    const auto launched = session.hypervisor.launch_here();
    if (!launched)
        return launched.error().code;
    session.engine.set_participating(cpu, true);
    session.hypervisor.hypercall_here(ringside::vcpu::Hypercall::kAdopt);
    return RS_OK;
}

__u32 rs_core_cpu_offline(__u32 cpu) {
    if (!session.is_loaded || !session.hypervisor.is_virtualized(cpu))
        return RS_OK;
    const auto stopped = session.hypervisor.stop_here();
    if (!stopped)
        return stopped.error().code;
    session.engine.set_participating(cpu, false);
    return RS_OK;
}

void rs_core_emergency_leave(void) {
    if (session.is_loaded)
        session.hypervisor.leave_here_now();
}

int rs_core_take_wakeup(__u32 cpu) {
    return session.is_loaded && session.hypervisor.take_wakeup(cpu);
}

__u32 rs_core_add_client(__u32 client) {
    return session.add_client(client);
}

void rs_core_remove_client(__u32 client) {
    session.remove_client(client);
}

__s64 rs_core_read_messages(__u32 client, void* buffer, __u64 bytes) {
    auto* reader = session.find_client(client);
    if (!session.is_loaded || !reader)
        return 0;
    return session.read_messages(*reader, static_cast<ringside::u8*>(buffer), bytes);
}

int rs_core_poll_messages(__u32 client) {
    auto* reader = session.find_client(client);
    return session.is_loaded && reader && session.has_messages(*reader);
}

int rs_core_waiting_messages(void) {
    if (!session.is_loaded)
        return 0;
    for (auto& client : session.clients)
        if (client.id && client.waits && session.has_messages(client))
            return 1;
    return 0;
}

__u32 rs_core_register_event(__u32 client, void* image, __u64 bytes) {
    if (bytes < sizeof(rs_event_detail))
        return RS_ERR_BAD_IMAGE;
    auto& detail = *static_cast<rs_event_detail*>(image);
    if (!session.is_loaded)
        return detail.error = RS_ERR_NOT_LOADED;
    const auto tag = session.registry.add({static_cast<const ringside::u8*>(image), bytes}, client);
    if (!tag)
        return detail.error = tag.error().code;
    detail.tag = *tag;
    detail.event_id = ringside::u32(*tag - RS_TAG_BASE);
    detail.error = RS_OK;
    return session.publish_and_wait();
}

__u32 rs_core_modify_event(__u32, struct rs_modify_event* request) {
    if (!session.is_loaded)
        return RS_ERR_NOT_LOADED;
    const auto modified = session.registry.modify(*request);
    if (!modified)
        return modified.error().code;
    return request->action == RS_MODIFY_QUERY ? RS_OK : session.publish_and_wait();
}

__u32 rs_core_list_events(void* image, __u64 bytes) {
    if (bytes < sizeof(rs_event_list))
        return RS_ERR_BAD_IMAGE;
    auto& header = *static_cast<rs_event_list*>(image);
    if (!session.is_loaded)
        return header.error = RS_ERR_NOT_LOADED;
    auto* entries = static_cast<ringside::u8*>(image) + sizeof header;
    const auto listed = session.registry.list(header, {entries, bytes - sizeof header});
    return header.error = listed ? RS_OK : listed.error().code;
}

__u32 rs_core_event_stat(struct rs_event_stat* request) {
    if (!session.is_loaded)
        return RS_ERR_NOT_LOADED;
    const auto filled = session.registry.stat(*request);
    return filled ? RS_OK : filled.error().code;
}

__u32 rs_core_eval(__u32, void* image, __u64 bytes) {
    if (bytes < sizeof(rs_eval))
        return RS_ERR_BAD_IMAGE;
    auto& request = *static_cast<rs_eval*>(image);
    if (!session.is_loaded)
        return request.error = RS_ERR_NOT_LOADED;
    return request.error = session.evaluate(request, bytes);
}

}  // extern "C"
