// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/session.hpp"

#include "base/memory.hpp"
#include "inspect/inspect.hpp"
#include "monitor/monitor.hpp"
#include "x86/instructions.hpp"

namespace ringside {
namespace {

constexpr u32 kDefaultRingKb = 1024, kMinRingKb = 64, kMaxRingKb = 4096;

Result<void> check_request(const rs_load& request) {
    if (request.abi != RS_ABI_VERSION)
        return Error{RS_ERR_ABI_MISMATCH, request.abi};
    const u32 ring = request.msg_ring_kb ? request.msg_ring_kb : kDefaultRingKb;
    if (request.flags & ~(RS_LOADF_NPT | RS_LOADF_SC_DELIVER | RS_LOADF_SC_NO_REPLAY) ||
        ring < kMinRingKb || ring > kMaxRingKb || (ring & (ring - 1)))
        return Error{RS_ERR_BAD_IMAGE, ring};
    for (u32 word : request.reserved)
        if (word)
            return Error{RS_ERR_BAD_IMAGE, word};
    return {};
}

}  // namespace

u32 Session::load(vcpu::Vendor& vendor, const rs_platform& platform, const rs_kernel_facts& facts,
                  rs_load& request) {
    request.error_core = RS_ANY;
    if (is_loaded)
        return RS_ERR_ALREADY_LOADED;
    if (client_count() > 1)
        return RS_ERR_OTHER_CLIENTS;
    if (auto checked = check_request(request); !checked)
        return checked.error().code;
    if (auto probed = vendor.probe(); !probed)
        return probed.error().code;
    platform_ = &platform;
    u32 failed_core = RS_ANY;
    if (auto up = bring_up(vendor, facts, request, failed_core); !up) {
        request.error_core = failed_core;
        if (hypervisor.virtualized_count() != 0) {
            // A core would not leave again: its memory must stay, and so must we.
            platform.log(RS_LOG_ERROR, "a core could not be devirtualized after a failed launch");
            is_loaded = true;
            return RS_ERR_INTERNAL;
        }
        tear_down();
        return up.error().code;
    }
    is_loaded = true;
    ++generation_;
    request.cores = hypervisor.virtualized_count();
    return RS_OK;
}

Result<void> Session::bring_up(vcpu::Vendor& vendor, const rs_kernel_facts& facts,
                               const rs_load& request, u32& failed_core) {
    vcpu::ExitTable exits;
    monitor::fill(exits);
    debug::fill(exits);
    RS_TRY(hypervisor.prepare(vendor, *platform_, facts, request, exits));
    event::EngineSettings settings;
    settings.core_count = hypervisor.core_count();
    settings.tsc_khz = facts.tsc_khz;
    settings.realtime_less_tsc_ns = s64(
        platform_->realtime_ns() - event::Clock::from_khz(facts.tsc_khz).to_ns(x86::read_tsc()));
    settings.ring_bytes = u64{request.msg_ring_kb ? request.msg_ring_kb : kDefaultRingKb} * 1024;
    if (request.script_budget)
        settings.limits.script_budget = request.script_budget;
    if (request.script_time_us)
        settings.limits.script_time_us = request.script_time_us;
    void* const memory = hypervisor.memory().allocate(sizeof(Events));
    if (!memory)
        return Error{RS_ERR_CANNOT_CREATE};
    events_ = static_cast<Events*>(memory);  // usable from zeroed memory
    RS_TRY(engine().open(hypervisor.memory(), settings));
    engine_open_ = true;
    RS_TRY(registry().open(engine(), *this));
    registry_open_ = true;
    for (Client& client : clients)
        if (client.id)
            attach_client(client);
    for (u32 core = 0; core < hypervisor.core_count(); ++core)
        hypervisor.attach_core(core, engine().core(core).in_root());
    RS_TRY(hypervisor.launch(failed_core));
    for (u32 core = 0; core < hypervisor.core_count(); ++core)
        if (hypervisor.is_virtualized(core))
            engine().set_participating(core, true);
    return {};
}

void Session::tear_down() {
    drop_symbols();
    if (registry_open_)
        registry().close();
    if (engine_open_)
        engine().close();
    registry_open_ = engine_open_ = false;
    if (events_)
        hypervisor.memory().release(events_, sizeof(Events));
    events_ = nullptr;
    hypervisor.release();
    preparation.forget_mapping();
}

u32 Session::may_unload() const {
    if (!is_loaded)
        return RS_ERR_NOT_LOADED;
    return client_count() > 1 ? u32{RS_ERR_OTHER_CLIENTS} : u32{RS_OK};
}

u32 Session::unload() {
    if (!is_loaded)
        return RS_ERR_NOT_LOADED;
    {
        Preparation::EventWork work{preparation};
        registry().clear_all();
        publish_and_wait();
    }
    preparation.end();
    if (auto stopped = hypervisor.stop(); !stopped)
        return stopped.error().code;
    for (u32 core = 0; core < hypervisor.core_count(); ++core)
        engine().set_participating(core, false);
    is_loaded = false;
    platform_->wait_for_nmi_handlers();
    tear_down();
    return RS_OK;
}

u32 Session::change_settings(rs_settings& request) {
    event::Limits limits = engine().limits();
    if (!event::take_limits(request, limits))
        return RS_ERR_BAD_IMAGE;
    engine().set_limits(limits);
    auto switches = hypervisor.short_circuit();
    if (request.mask & RS_SET_SC_REPLAY)
        switches.replays = request.sc_replay;
    if (request.mask & RS_SET_SC_DELIVER)
        switches.delivers_storms = request.sc_deliver;
    hypervisor.set_short_circuit(switches);
    request.sc_replay = switches.replays;
    request.sc_deliver = switches.delivers_storms;
    event::tell_limits(limits, request);
    return RS_OK;
}

u32 Session::begin_symbols() {
    if (symbols_state_ == Symbols::kTaken)
        return RS_ERR_DEBUGGER_MODE;
    drop_symbols();
    symbols_ = symbols::SymbolTable::create(hypervisor.memory());
    if (symbols_ == nullptr)
        return RS_ERR_CANNOT_CREATE;
    symbols_state_ = Symbols::kBegun;
    return RS_OK;
}

u32 Session::add_symbol(u64 address, char type, const char* module, const char* name) {
    if (symbols_state_ != Symbols::kBegun)
        return RS_ERR_INTERNAL;
    const auto added = symbols_->add(hypervisor.memory(), address, type, module, name);
    return added ? u32{RS_OK} : u32{added.error().code};
}

u32 Session::add_symbol_end(u64 address) {
    if (symbols_state_ != Symbols::kBegun)
        return RS_ERR_INTERNAL;
    const auto added = symbols_->add_end(hypervisor.memory(), address);
    return added ? u32{RS_OK} : u32{added.error().code};
}

u32 Session::end_symbols() {
    if (symbols_state_ != Symbols::kBegun)
        return RS_ERR_INTERNAL;
    symbols_->finish(hypervisor.memory());
    symbols_state_ = Symbols::kFinished;
    return RS_OK;
}

RootPointer<const symbols::SymbolTable> Session::take_symbols() {
    if (symbols_state_ != Symbols::kFinished && symbols_state_ != Symbols::kTaken)
        return {};
    symbols_state_ = Symbols::kTaken;
    return RootPointer<const symbols::SymbolTable>::from_guest(symbols_,
                                                               hypervisor.memory().root_delta());
}

void Session::drop_symbols() {
    if (symbols_ != nullptr)
        symbols::SymbolTable::destroy(symbols_, hypervisor.memory());
    symbols_ = nullptr;
    symbols_state_ = Symbols::kNone;
}

void Session::give_back_symbols() {
    if (symbols_state_ == Symbols::kTaken)
        symbols_state_ = Symbols::kFinished;
}

bool Session::attach_client(Client& client) {
    client.waits = false;
    client.reader.init(engine().rings(), client.id);
    return engine().rings().add_owner(client.id);
}

Client* Session::find_client(u32 id) {
    for (Client& client : clients)
        if (client.id == id)
            return &client;
    return nullptr;
}

u32 Session::client_count() const {
    u32 count = 0;
    for (const Client& client : clients)
        count += client.id != 0;
    return count;
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
        Preparation::EventWork work{preparation};
        registry().remove_client(id);
        publish_and_wait();
        engine().rings().remove_owner(id);
        engine().rings().release_all();
    }
    client->id = 0;
    client->waits = false;
}

bool Session::has_messages(Client& client) {
    engine().flush_if_asked();
    if (client.waits)
        return static_cast<bool>(client.reader.peek());
    client.waits = !client.reader.prepare_to_wait();
    return !client.waits;
}

s64 Session::read_messages(Client& client, u8* buffer, u64 bytes) {
    if (client.waits)
        client.reader.finish_waiting();
    client.waits = false;
    engine().flush_if_asked();
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

u32 Session::ring(Client& client, rs_ring& request) {
    if (request.reserved)
        return RS_ERR_BAD_IMAGE;
    if (!is_loaded || (request.generation && request.generation != generation_))
        return RS_ERR_NOT_LOADED;
    if (request.core >= engine().core_count())
        return RS_ERR_BAD_CORE;
    ring::RingSet& rings = engine().rings();
    if (request.position && !rings.consumer(request.core).take_until(request.position, client.id))
        return RS_ERR_BAD_IMAGE;
    rings.release(request.core);
    request.generation = generation_;
    request.tail = rings.consumer(request.core).tail();
    request.ring_bytes = u32(engine().ring_memory(request.core).bytes);
    request.client = client.id;
    return RS_OK;
}

u32 Session::evaluate(rs_eval& request, std::span<u8> data) {
    Preparation::EventWork work{preparation};
    u8* const tail = data.data();
    const u64 room = data.size();
    if (request.program_len > room || request.reserved || request.reserved2[0] ||
        request.reserved2[1])
        return RS_ERR_BAD_IMAGE;
    constexpr u64 kMaxText = 0x10000;
    auto prepared = registry().prepare_evaluation({tail, request.program_len},
                                                  u32(room < kMaxText ? room : kMaxText));
    if (!prepared)
        return prepared.error().code;
    event::Evaluation& evaluation = **prepared;
    // In the context of the calling thread: on the CPU it runs on.
    const bool has_run =
        hypervisor.ask_here(vcpu::Hypercall::kEvaluate,
                            reinterpret_cast<u64>(hypervisor.memory().to_root(&evaluation)));
    u32 error = RS_ERR_BAD_CORE;
    if (has_run) {
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
    registry().release_evaluation(&evaluation);
    return error;
}

u32 Session::inspect(u32 number, u32 core, std::span<u8> image) {
    const u64 bytes = image.size() < RS_MAX_LOOK_BYTES ? image.size() : u64{RS_MAX_LOOK_BYTES};
    const u64 room = sizeof(inspect::Inspection) + bytes;
    RootMemory& memory = hypervisor.memory();
    void* const shared = memory.allocate(room);
    if (!shared)
        return RS_ERR_CANNOT_CREATE;
    u8* const copy = static_cast<u8*>(shared) + sizeof(inspect::Inspection);
    auto& asked = *::new (shared) inspect::Inspection{
        .number = number, .bytes = bytes, .image = memory.to_root(copy)};
    copy_bytes(copy, image.data(), bytes);
    u32 error = RS_OK;
    // Another core may not have come in time to stand still.
    constexpr u32 kMaxTries = 20;
    for (u32 tries = 0; tries < kMaxTries; ++tries) {
        asked.result = RS_ERR_INTERNAL;
        const u64 argument = reinterpret_cast<u64>(memory.to_root(&asked));
        const bool has_run = core == RS_ANY
                                 ? hypervisor.ask_here(vcpu::Hypercall::kInspect, argument)
                                 : hypervisor.ask_on(core, vcpu::Hypercall::kInspect, argument);
        error = has_run ? *const_cast<volatile u32*>(&asked.result) : u32{RS_ERR_BAD_CORE};
        if (error != RS_ERR_CORES_NOT_HALTED)
            break;
        platform_->relax();
    }
    copy_bytes(image.data(), copy, bytes);
    memory.release(shared, room);
    return error;
}

u32 Session::prepare(rs_prepare& request, const rs_link_device& device, const rs_version& version) {
    for (const u64 word : request.reserved)
        if (word)
            return RS_ERR_BAD_IMAGE;
    if (request.kind == 0) {
        if (!preparation.is_debuggee())
            return RS_ERR_NO_DEBUGGER;
        {
            Preparation::EventWork work{preparation};
            registry().remove_client(event::kLinkOwner);
            if (const u32 error = publish_and_wait(); error != RS_OK)
                return error;
        }
        preparation.end();
        drop_symbols();
        return RS_OK;
    }
    const bool is_shared = request.kind == RS_LINK_SHARED_MEMORY;
    if (request.kind > RS_LINK_SHARED_MEMORY || (!is_shared && !request.port) ||
        request.port > 0xfff8 || request.irq > 15 ||
        (request.port && !link::is_baud_rate(request.baud)))
        return RS_ERR_BAD_IMAGE;
    if (is_shared && !device.bytes)
        return RS_ERR_NO_SHARED_MEMORY;
    const u32 error = preparation.begin({.hypervisor = &hypervisor,
                                         .platform = platform_,
                                         .engine = &engine(),
                                         .registry = &registry(),
                                         .symbols = take_symbols()},
                                        request, device, version);
    if (!preparation.is_debuggee())
        give_back_symbols();
    return error;
}

void Session::drop_abandoned_cores() {
    for (u32 core = 0; core < hypervisor.core_count(); ++core)
        if (hypervisor.take_abandoned(core))
            engine().set_participating(core, false);
}

u32 Session::publish_and_wait() {
    drop_abandoned_cores();
    hypervisor.signal_adoption();
    // Every core exits at the NMI and adopts on its way back; a core in a long script follows when
    // that run ends, which its time limit bounds.
    constexpr u64 kMaxRounds = 100'000'000;
    const u64 generation = engine().generation();
    for (u64 round = 0; !engine().all_adopted(generation); ++round) {
        if (round == kMaxRounds)
            return RS_ERR_CORES_NOT_HALTED;
        drop_abandoned_cores();
        platform_->relax();
    }
    registry().reclaim();
    return RS_OK;
}

u32 Session::cpu_online(u32 cpu) {
    if (auto launched = hypervisor.launch_here(); !launched)
        return launched.error().code;
    engine().set_participating(cpu, true);
    hypervisor.hypercall_here(vcpu::Hypercall::kAdopt);
    return RS_OK;
}

u32 Session::cpu_offline(u32 cpu) {
    if (auto stopped = hypervisor.stop_here(); !stopped)
        return stopped.error().code;
    engine().set_participating(cpu, false);
    return RS_OK;
}

u32 Session::register_event(u32 client, const void* image, u64 bytes, u64& tag) {
    Preparation::EventWork work{preparation};
    const auto added = registry().add({static_cast<const u8*>(image), bytes}, client);
    if (!added)
        return added.error().code;
    if (const u32 error = publish_and_wait(); error != RS_OK) {
        rs_modify_event clear = {.size = sizeof clear, .action = RS_MODIFY_CLEAR, .tag = *added};
        (void)registry().modify(clear);
        return error;
    }
    tag = *added;
    return RS_OK;
}

u32 Session::add_action(void* image, u64 bytes) {
    Preparation::EventWork work{preparation};
    if (auto added = registry().add_action({static_cast<const u8*>(image), bytes}); !added)
        return added.error().code;
    return publish_and_wait();
}

u32 Session::modify_event(rs_modify_event& request) {
    Preparation::EventWork work{preparation};
    if (auto modified = registry().modify(request); !modified)
        return modified.error().code;
    return request.action == RS_MODIFY_QUERY ? u32{RS_OK} : publish_and_wait();
}

bool Session::hand_over_old() {
    // A core on its way through root mode looks at the age by itself.
    if (engine().has_old_text(x86::read_tsc()))
        hypervisor.signal_adoption();
    return engine().is_gathering();
}

u32 Session::hand_over_all() {
    if (!engine().is_gathering())
        return RS_OK;
    engine().announce();  // a core that adopts hands over what it gathered
    return publish_and_wait();
}

bool Session::has_news() {
    for (Client& client : clients)
        if (client.id && client.waits && has_messages(client))
            return true;
    return false;
}

}  // namespace ringside
