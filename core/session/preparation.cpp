// SPDX-License-Identifier: GPL-2.0-or-later
#include "session/preparation.hpp"

#include <new>

namespace ringside {

u8* Preparation::take(usize bytes) {
    auto* const memory = static_cast<u8*>(parts_.hypervisor->memory().allocate(bytes));
    if (memory)
        pieces_[piece_count_++] = {memory, bytes};
    return memory;
}

u32 Preparation::take_memory(const Parts& parts) {
    using debug::Debugger;
    parts_ = parts;
    piece_count_ = 0;
    const u32 cores = parts.hypervisor->core_count();
    u8* const debugger = take(sizeof(Debugger));
    u8* const reserve = take(sizeof(event::Reserve));
    u8* const consumers = take(cores * sizeof(ring::Consumer));
    u8* const receive = take(Debugger::kReceiveBytes);
    u8* const send = take(Debugger::kSendBytes);
    u8* const request = take(2 * Debugger::kRequestBytes);
    u8* const reply = take(Debugger::kRequestBytes);
    if (!debugger || !reserve || !consumers || !receive || !send || !request || !reply)
        return RS_ERR_CANNOT_CREATE;
    // Both usable from zeroed memory.
    debugger_ = reinterpret_cast<Debugger*>(debugger);
    reserve_ = reinterpret_cast<event::Reserve*>(reserve);
    consumers_ = reinterpret_cast<ring::Consumer*>(consumers);
    RootMemory& memory = parts.hypervisor->memory();
    for (u32 core = 0; core < cores; ++core) {
        new (&consumers_[core]) ring::Consumer;
        LinkRing& ring = rings_[core];
        ring.indices = static_cast<ring::Indices*>(memory.allocate(sizeof(ring::Indices)));
        ring.data = static_cast<u8*>(memory.allocate(Debugger::kLinkRingBytes));
        if (!ring.indices || !ring.data)
            return RS_ERR_CANNOT_CREATE;
        consumers_[core].init(ring.indices, ring.data, Debugger::kLinkRingBytes);
    }
    debug::Setup& setup = debugger_->setup;
    setup.receive = {receive, Debugger::kReceiveBytes};
    setup.send = {send, Debugger::kSendBytes};
    setup.request = {request, 2 * Debugger::kRequestBytes};
    setup.reply = {reply, Debugger::kRequestBytes};
    setup.engine = parts.engine;
    setup.registry = parts.registry;
    setup.reserve = reserve_;
    setup.consumers = consumers_;
    setup.symbols = parts.symbols;
    setup.memory = {.reserve = reserve_,
                    .code_pool = memory.code_pool(),
                    .owned = &parts.hypervisor->machine().owned,
                    .leftovers = nullptr,
                    .direct_map = memory.direct_map(),
                    .root_delta = memory.root_delta(),
                    .code_base = kRootCodeBase};
    for (u32 i = 0; i < kChunks; ++i)
        grow_reserve();
    if (reserve_->chunk_count() < kChunks / 2)
        return RS_ERR_CANNOT_CREATE;
    memory.use_reserve(reserve_);
    return RS_OK;
}

void Preparation::grow_reserve() {
    auto* const chunk =
        static_cast<u8*>(parts_.hypervisor->memory().allocate(event::Reserve::kChunkBytes));
    if (chunk && !reserve_->add_chunk(chunk))
        parts_.hypervisor->memory().release(chunk, event::Reserve::kChunkBytes);
}

/// The reserve is empty by now: no event is left whose memory came from it.
void Preparation::give_back() {
    RootMemory& memory = parts_.hypervisor->memory();
    memory.use_reserve(nullptr);
    if (reserve_) {
        for (u32 i = 0; i < reserve_->chunk_count(); ++i)
            memory.release(reserve_->chunk(i), event::Reserve::kChunkBytes);
        reserve_->clear();
    }
    for (u32 core = 0; core < parts_.hypervisor->core_count(); ++core) {
        LinkRing& ring = rings_[core];
        if (ring.indices)
            memory.release(ring.indices, sizeof(ring::Indices));
        if (ring.data)
            memory.release(ring.data, debug::Debugger::kLinkRingBytes);
        ring = {};
    }
    for (u32 i = 0; i < piece_count_; ++i)
        memory.release(pieces_[i].memory, pieces_[i].bytes);
    piece_count_ = 0;
    debugger_ = nullptr;
    reserve_ = nullptr;
    consumers_ = nullptr;
}

/// A core's root mode does not run while guest code does on it: so each core's own producer is set
/// up there.
void Preparation::attach_rings() {
    struct Job {
        Preparation* self;
        u32 core;
    };
    const auto attach = [](void* argument) {
        const Job& job = *static_cast<Job*>(argument);
        const LinkRing& ring = job.self->rings_[job.core];
        auto& state = *job.self->parts_.engine->core(job.core).in_guest(
            job.self->parts_.hypervisor->memory().root_delta());
        state.link_producer.init(job.core, RootPointer<ring::Indices>::from_root(ring.indices),
                                 RootPointer<u8>::from_root(ring.data),
                                 debug::Debugger::kLinkRingBytes);
    };
    for (u32 core = 0; core < parts_.hypervisor->core_count(); ++core) {
        Job job{this, core};
        if (parts_.platform->run_on(core, attach, &job) != 0)
            attach(&job);
    }
}

u32 Preparation::ask(debug::LinkOperation operation) {
    u64 answer = RS_ERR_BAD_CORE;
    const bool has_run = parts_.hypervisor->ask_here(vcpu::Hypercall::kLink, u64(operation),
                                                     reinterpret_cast<u64>(debugger_), &answer);
    return has_run ? u32(answer) : u32{RS_ERR_BAD_CORE};
}

u32 Preparation::begin(const Parts& parts, const rs_prepare& request, const rs_link_device& device,
                       const rs_version& version) {
    if (debugger_)
        return RS_ERR_DEBUGGER_MODE;
    u32 error = take_memory(parts);
    if (error == RS_OK && request.kind == RS_LINK_SHARED_MEMORY && !has_shared_memory_) {
        const auto mapped = parts.hypervisor->map_shared_memory(Hpa{device.address}, device.bytes);
        error = mapped ? u32{RS_OK} : u32{mapped.error().code};
        has_shared_memory_ = mapped.ok();
    }
    if (error == RS_OK) {
        debug::Setup& setup = debugger_->setup;
        setup.kind = request.kind;
        setup.baud = request.baud;
        setup.port = u16(request.port);
        setup.irq = request.irq;
        setup.shared_address = kRootSharedBase;
        setup.shared_bytes = device.bytes;
        setup.version = version;
        attach_rings();
        error = ask(debug::LinkOperation::kOpen);
    }
    if (error != RS_OK)
        give_back();
    return error;
}

void Preparation::end() {
    if (!debugger_)
        return;
    const u64 close = u64(debug::LinkOperation::kClose),
              debugger = reinterpret_cast<u64>(debugger_);
    bool is_closed = parts_.hypervisor->ask_here(vcpu::Hypercall::kLink, close, debugger);
    // Root mode may have left the core this runs on, and work with the memory on another.
    for (u32 core = 0; core < parts_.hypervisor->core_count() && !is_closed; ++core)
        is_closed = parts_.hypervisor->ask_on(core, vcpu::Hypercall::kLink, close, debugger);
    // A core that still found the link there has left root mode once guest code runs on it.
    for (u32 core = 0; core < parts_.hypervisor->core_count(); ++core)
        (void)parts_.platform->run_on(
            core, [](void*) {}, nullptr);
    give_back();
}

void Preparation::tend() {
    if (!debugger_)
        return;
    (void)ask(debug::LinkOperation::kTend);
    EventWork work{*this};
    RootMemory& memory = parts_.hypervisor->memory();
    for (debug::Leftover* next = debugger_->leftovers(); next;) {
        debug::Leftover& leftover = *next;
        next = leftover.next;
        debugger_->leftovers() = next;
        const usize bytes = leftover.bytes;
        if (leftover.is_for_user)
            memory.release_for_user(&leftover, bytes);
        else
            memory.release(&leftover, bytes);
    }
    // What pools promise beside what is taken.
    u64 wanted = 0;
    for (u32 type = 0; type < RS_POOL_COUNT; ++type)
        wanted += debug::kPoolStock[type] * debug::kPoolObjectBytes[type];
    if (reserve_->free_bytes() < wanted)
        grow_reserve();
}

}  // namespace ringside
