// SPDX-License-Identifier: GPL-2.0-or-later
#include "debug/debugger.hpp"

#include <new>
#include <utility>

#include "apic/io_apic.hpp"
#include "base/memory.hpp"
#include "event/gather.hpp"
#include "vcpu/exit_loop.hpp"
#include "vcpu/interrupt_controllers.hpp"
#include "vcpu/watchdogs.hpp"
#include "x86/instructions.hpp"

namespace ringside::debug {
namespace {

template <class T>
std::span<const u8> bytes_of(const T& value) {
    return {reinterpret_cast<const u8*>(&value), sizeof value};
}

/// Where two images of one size differ first; their size if nowhere.
usize first_difference(std::span<const u8> left, std::span<const u8> right) {
    usize first = 0;
    while (left.size() - first >= 8 && load_u64(&left[first]) == load_u64(&right[first]))
        first += 8;
    while (first < left.size() && left[first] == right[first])
        ++first;
    return first;
}

/// Behind where they differ last; `first` if nowhere behind it.
usize end_of_difference(std::span<const u8> left, std::span<const u8> right, usize first) {
    usize end = left.size();
    while (end - first >= 8 && load_u64(&left[end - 8]) == load_u64(&right[end - 8]))
        end -= 8;
    while (end > first && left[end - 1] == right[end - 1])
        --end;
    return end;
}

/// How long a debugger that was silent is asked whether it is still there.
constexpr u64 kAskPatienceMs = 2000;
/// How long what is said last before the machine runs may take to go out.
constexpr u64 kFarewellMs = 2000;
/// Behind an interrupt of the UART another may come for bytes that were read already.
constexpr u64 kEchoMs = 20;
/// Between two looks at a serial line on which nothing moves: a byte takes longer.
constexpr u64 kRestUs = 50;

}  // namespace

void fill(vcpu::ExitTable& table) {
    table.operate = [](vcpu::Vcpu& vcpu) {
        auto* const debugger = Debugger::of(*vcpu.machine);
        if (debugger != nullptr)
            debugger->operate(vcpu);
        else if (vcpu::operates(vcpu))
            vcpu::end_halt(vcpu, false);  // the link was let go meanwhile
    };
    table.tend_link = [](vcpu::Vcpu& vcpu, bool has_nmi) {
        auto* const debugger = Debugger::of(*vcpu.machine);
        return debugger != nullptr && debugger->tend(vcpu, has_nmi);
    };
    table.hidden_step_done = [](vcpu::Vcpu& vcpu) {
        if (auto* const debugger = Debugger::of(*vcpu.machine))
            debugger->end_passing(vcpu);
    };
    table.debug_exception = [](vcpu::Vcpu& vcpu, const vcpu::PendingEvent& exception) {
        auto* const debugger = Debugger::of(*vcpu.machine);
        return debugger != nullptr && debugger->take_exception(vcpu, exception);
    };
    table.request_link = [](vcpu::Vcpu& vcpu, u64 operation, void* address) -> u32 {
        auto& debugger = *static_cast<Debugger*>(address);
        switch (LinkOperation(operation)) {
            case LinkOperation::kOpen:
                return debugger.open(vcpu);
            case LinkOperation::kClose:
                debugger.close(vcpu);
                vcpu::let_stalls_be_reported(*vcpu.machine);
                return RS_OK;
            case LinkOperation::kTend:
                vcpu::reconsider_stall_reports(*vcpu.machine, x86::read_tsc());
                (void)debugger.tend(vcpu, true);
                return RS_OK;
        }
        return RS_ERR_BAD_IMAGE;
    };
}

Debugger* Debugger::of(vcpu::Machine& machine) {
    return static_cast<Debugger*>(std::atomic_ref<void*>(machine.debugger).load());
}

u8 MachinePorts::in(u16 port) {
    return x86::in_byte(port);
}

void MachinePorts::out(u16 port, u8 value) {
    x86::out_byte(port, value);
}

link::ByteStream& Debugger::stream() {
    if (setup.kind == RS_LINK_SERIAL)
        return uart_;
    return shared_;
}

u32 Debugger::open(vcpu::Vcpu& vcpu) {
    vcpu::Machine& machine = *vcpu.machine;
    ticks_per_ms_ = machine.short_circuit.ticks_per_ms;
    reported_core_ = next_core_ = kNoCore;
    ::new (&ports_) MachinePorts;
    ::new (&uart_) link::Uart;
    ::new (&shared_) link::SharedStream;
    receiver_.init(setup.receive);
    queue_.init(setup.send);
    rings_.init(setup.consumers, machine.core_count);
    (void)rings_.add_owner(event::kLinkOwner);
    messages_.init(rings_, event::kLinkOwner);
    if (setup.kind == RS_LINK_SHARED_MEMORY &&
        !shared_.format(reinterpret_cast<void*>(setup.shared_address), setup.shared_bytes))
        return RS_ERR_NO_SHARED_MEMORY;
    if (setup.port != 0) {
        // From here on the UART interrupts by NMI, whatever the guest does with its interrupt
        // flag. Where that cannot be the kernel's timer looks after the link.
        const vcpu::Vcpu& bell = machine.vcpus[0] != nullptr ? *machine.vcpus[0] : vcpu;
        bell_core_ = bell.core;
        vcpu::InterruptControllers hardware{vcpu};
        apic::NmiRoute route = apic::NmiRoute::kImpossible;
        for (u32 tries = 0; tries < 20; ++tries)
            if (hardware.while_others_stand(
                    [&] { route = apic::route_as_nmi(hardware, u8(setup.irq), bell.apic_id); }))
                break;
        if (route == apic::NmiRoute::kInUse)
            return RS_ERR_PORT_IN_USE;
        has_doorbell_ = route == apic::NmiRoute::kDone;
        // One byte of a bell is enough; those of frames come in numbers.
        if (!uart_.open(ports_, setup.port, setup.baud,
                        setup.kind == RS_LINK_SERIAL ? link::ReceiveTrigger::kEightBytes
                                                     : link::ReceiveTrigger::kOneByte)) {
            end_route(vcpu);
            return RS_ERR_NO_PORT;
        }
    }
    pools_.refill(setup.reserve->free_bytes());
    for (u32 core = 0; core < machine.core_count; ++core)
        if (machine.vcpus[core] != nullptr) {
            ::new (&halters_[core]) CoreHalter;
            halters_[core].init(*this, *machine.vcpus[core]);
            std::atomic_ref<event::Halter*>(machine.vcpus[core]->core_state->halter)
                .store(&halters_[core]);
        }
    std::atomic_ref<void*>(machine.debugger).store(this);
    std::atomic_ref<u32>(machine.has_link).store(1, std::memory_order_release);
    return RS_OK;
}

void Debugger::end_route(vcpu::Vcpu& vcpu) {
    vcpu::InterruptControllers hardware{vcpu};
    for (u32 tries = 0; tries < 20 && has_doorbell_; ++tries)
        if (hardware.while_others_stand([&] { apic::end_nmi_route(hardware, u8(setup.irq)); }))
            has_doorbell_ = false;
}

void Debugger::close(vcpu::Vcpu& vcpu) {
    vcpu::Machine& machine = *vcpu.machine;
    std::atomic_ref<u32>(machine.has_link).store(0, std::memory_order_release);
    lock(vcpu);
    breakpoints_.clear_all();
    if (vcpu::is_passing_here(vcpu))
        vcpu::end_halt(vcpu, false);
    if (has_session_) {
        (void)queue_.push(RS_PACKET_BYE);
        flush_out(kFarewellMs);
    }
    has_session_ = false;
    is_attached_.store(false);
    end_route(vcpu);
    uart_.close();
    for (u32 core = 0; core < machine.core_count; ++core)
        if (machine.vcpus[core] != nullptr)
            std::atomic_ref<event::Halter*>(machine.vcpus[core]->core_state->halter).store(nullptr);
    std::atomic_ref<void*>(machine.debugger).store(nullptr);
    unlock();
}

bool Debugger::is_attached() const {
    return is_attached_.load(std::memory_order_acquire);
}

bool Debugger::tend(vcpu::Vcpu& vcpu, bool has_nmi) {
    event::CoreState& state = *vcpu.core_state;
    const bool may_be_bell = has_nmi && has_doorbell_ && vcpu.core == bell_core_;
    if (vcpu::operates(vcpu))
        return may_be_bell;
    const bool has_work = has_nmi || state.has_link_news || has_output_.load() ||
                          (setup.kind == RS_LINK_SHARED_MEMORY && shared_.has_input());
    if (!has_work || !try_lock())
        return may_be_bell;
    if (std::atomic_ref<u32>(vcpu.machine->has_link).load(std::memory_order_acquire) == 0) {
        unlock();
        return may_be_bell;
    }
    if (vcpu::is_passing(
            *vcpu.machine)) {  // others stand, but not for the debugger: it is heard behind that
        state.has_link_news = true;
        unlock();
        return may_be_bell;
    }
    state.has_link_news = false;
    const bool was_ours = has_nmi && uart_.is_open() && take_interrupts(vcpu);
    serve(vcpu);
    has_output_.store(!queue_.is_drained());
    uart_.want_transmit_interrupt(setup.kind == RS_LINK_SERIAL && !queue_.is_drained());
    const bool wants_halt =
        wants_halt_ && (!vcpu::is_halted(*vcpu.machine) || vcpu::is_passing(*vcpu.machine));
    wants_halt_ = false;
    const u64 now = x86::read_tsc();
    const bool was_echo = may_be_bell && is_echo(vcpu, now);
    unlock();
    if (wants_halt) {
        vcpu::HaltReason reason{.reason = RS_HALT_REQUEST, .tsc = now};
        vcpu::halt_machine(vcpu, reason);
    }
    // The UART's come to one core; what another one looked after it for was the guest's.
    return may_be_bell && (was_ours || was_echo);
}

/// Whether an NMI of the bell's core is for what was heard anyway: it comes soon behind another, or
/// came while this core stood, and whoever operated has heard what it was for.
bool Debugger::is_echo(vcpu::Vcpu& vcpu, u64 now) {
    const u64 halts = std::atomic_ref<u64>(vcpu.machine->halt.halts).load();
    return std::exchange(bell_halts_, halts) != halts ||
           now - interrupt_tsc_ < kEchoMs * ticks_per_ms_;
}

/// Serves the UART until it asks for nothing any more: its line must fall, or no edge follows.
bool Debugger::take_interrupts(vcpu::Vcpu& vcpu) {
    constexpr u32 kMostRounds = 1000;
    bool was_any = false;
    for (u32 rounds = 0; rounds < kMostRounds && uart_.take_interrupt(); ++rounds) {
        was_any = true;
        interrupt_tsc_ = x86::read_tsc();
        if (setup.kind == RS_LINK_SERIAL) {
            serve(vcpu);
            continue;
        }
        u8 bells[16];
        (void)uart_.read(bells, sizeof bells);
        serve(vcpu);
    }
    return was_any;
}

/// From here on the link is looked at all the time: no interrupt has to tell of it.
void Debugger::begin_to_listen() {
    uart_.mute(true);
}

/// Interrupts tell of the link again. What came while it was listened to has been for nothing.
void Debugger::end_to_listen() {
    if (!uart_.is_open())
        return;
    if (setup.kind != RS_LINK_SERIAL) {
        constexpr u32 kMostRounds = 1000;
        u8 bells[64];
        for (u32 rounds = 0; rounds < kMostRounds && uart_.read(bells, sizeof bells) != 0; ++rounds)
            continue;
    }
    interrupt_tsc_ = x86::read_tsc();
    uart_.want_transmit_interrupt(setup.kind == RS_LINK_SERIAL && !queue_.is_drained());
    uart_.mute(false);
}

/// One look at the link. A serial line is left alone for a moment when there was nothing: each look
/// is a trip to the bus, and in a virtual machine keeps who brings the bytes from doing so.
void Debugger::listen(vcpu::Vcpu& vcpu) {
    const auto work = [&] {
        const auto& counts = receiver_.counts();
        return receiver_.buffered() + counts.frames + counts.garbage_bytes + queue_.unsent();
    };
    const u64 before = work();
    serve(vcpu);
    if (setup.kind != RS_LINK_SERIAL || work() != before)
        return;
    const u64 start = x86::read_tsc();
    while (x86::read_tsc() - start < kRestUs * ticks_per_ms_ / 1000)
        x86::compiler_barrier();
}

/// Whoever waits here stands if the machine is halted meanwhile: by one that has the lock.
void Debugger::lock(vcpu::Vcpu& vcpu) {
    while (!try_lock())
        vcpu::stand_in_halt(vcpu);
}

void Debugger::pump() {
    queue_.pump(stream());
}

/// What came in, then what is to go out.
void Debugger::serve(vcpu::Vcpu& vcpu) {
    while (receiver_.poll(stream())) {
        take(vcpu, receiver_.header(), receiver_.payload());
        receiver_.consume();
        if (leaves_loop_ || next_core_ != kNoCore)
            break;
    }
    send_messages();
    pump();
}

void Debugger::take(vcpu::Vcpu& vcpu, const rs_packet& header, std::span<const u8> payload) {
    if (header.type == RS_PACKET_HELLO)
        return take_hello(vcpu, payload);
    if (!has_session_) {
        // Of a debugger that we do not know, or one that did not hear our good-bye.
        if (header.type == RS_PACKET_BYE)
            (void)queue_.push(RS_PACKET_BYE);
        return;
    }
    heard_tsc_.store(x86::read_tsc(), std::memory_order_relaxed);
    is_attached_.store(true, std::memory_order_release);
    switch (header.type) {
        case RS_PACKET_REQUEST:
            take_request(vcpu, payload);
            break;
        case RS_PACKET_RESEND: {
            rs_packet_resend request;
            copy_bytes(&request, payload.data(), sizeof request);
            if (queue_.resend_from(request.sequence))
                break;
            send_error(RS_LINK_ERR_DAMAGED, bytes_of(request));
            reported_halt_ = 0;  // it may have been among what is gone
            break;
        }
        case RS_PACKET_PING:
            if (!payload.empty())
                send_messages();
            (void)queue_.push(RS_PACKET_PONG, {payload});
            break;
        case RS_PACKET_BYE:
            detach(vcpu);
            break;
        default:
            break;  // a PONG has said that somebody is there
    }
}

void Debugger::take_hello(vcpu::Vcpu& vcpu, std::span<const u8> payload) {
    rs_packet_hello hello;
    copy_bytes(&hello, payload.data(), sizeof hello);
    // Our answer was slow or did not arrive. What followed it is there still, and comes again.
    if (has_session_ && equal_bytes(nonce_, hello.nonce, sizeof nonce_) && queue_.resend_from(0))
        return;
    queue_.restart();
    copy_bytes(nonce_, hello.nonce, sizeof nonce_);
    if (hello.link_version != RS_LINK_VERSION || hello.abi != RS_ABI_VERSION ||
        !(hello.flags & RS_LINKF_DEBUG)) {
        has_session_ = false;
        is_attached_.store(false);
        // Behind it the echo, by which a debugger knows that it is meant.
        return send_error(hello.flags & RS_LINKF_DEBUG ? RS_LINK_ERR_VERSION : RS_LINK_ERR_PROTOCOL,
                          bytes_of(hello.nonce));
    }
    has_session_ = true;
    reply_ = {};
    heard_tsc_.store(x86::read_tsc(), std::memory_order_relaxed);
    is_attached_.store(true, std::memory_order_release);
    rs_packet_debuggee answer = {};
    answer.link_version = RS_LINK_VERSION;
    answer.abi = RS_ABI_VERSION;
    answer.is_halted = vcpu::is_halted(*vcpu.machine) && !vcpu::is_passing(*vcpu.machine);
    answer.kind = setup.kind;
    copy_bytes(answer.nonce, hello.nonce, sizeof answer.nonce);
    answer.version = setup.version;
    (void)queue_.push(RS_PACKET_DEBUGGEE, {bytes_of(answer)});
    reported_halt_ = 0;  // who comes anew is told where the machine stands
    if (hello.flags & RS_LINKF_PAUSE)
        wants_halt_ = true;
}

void Debugger::take_request(vcpu::Vcpu& vcpu, std::span<const u8> payload) {
    rs_packet_request request;
    copy_bytes(&request, payload.data(), sizeof request);
    if (request.id == reply_.header.id && request.id != 0)
        return send_reply();  // it did not arrive
    reply_ = {};
    reply_.header.id = request.id;
    constexpr u32 kInvalid = 22, kTooBig = 7;  // EINVAL, E2BIG
    const std::span<const u8> given = payload.subspan(sizeof request);
    if (request.service != RS_SERVICE_IOCTL || given.size() > request.size ||
        (request.request >> 8 & 0xff) != RS_IOC_MAGIC) {
        reply_.header.error_number = kInvalid;
        return send_reply();
    }
    if (request.size > setup.request.size() / 2) {
        reply_.header.error_number = kTooBig;
        return send_reply();
    }
    // As it came in the upper half, so that what changed can be told.
    const std::span<u8> image = setup.request.first(request.size);
    const std::span<u8> before = setup.request.subspan(setup.request.size() / 2, request.size);
    fill_bytes(image.data(), 0, image.size());
    copy_bytes(image.data(), given.data(), given.size());
    copy_bytes(before.data(), image.data(), image.size());
    const u32 error = carry_out(vcpu, RS_IOC_NR(request.request), image);
    reply_.header.error_number = errno_of(error);
    const usize first = first_difference(image, before);
    const usize end = end_of_difference(image, before, first);
    reply_.header.offset = static_cast<u32>(first);
    reply_.bytes = end - first;
    copy_bytes(setup.reply.data(), image.data() + first, reply_.bytes);
    send_reply();
}

/// An answer waits for room; whoever asked waits, too.
void Debugger::send_reply() {
    const std::span<const u8> data = setup.reply.first(reply_.bytes);
    const u64 start = x86::read_tsc();
    while (!queue_.push(RS_PACKET_REPLY, {bytes_of(reply_.header), data}) &&
           x86::read_tsc() - start < kFarewellMs * ticks_per_ms_)
        pump();
}

void Debugger::send_error(rs_link_error code, std::span<const u8> detail) {
    rs_packet_error error = {};
    error.code = code;
    error.link_version = RS_LINK_VERSION;
    error.abi = RS_ABI_VERSION;
    copy_bytes(error.release, RS_RELEASE, sizeof RS_RELEASE);
    (void)queue_.push(RS_PACKET_ERROR, {bytes_of(error), detail});
}

/// As many messages as there is room for, several in a frame.
void Debugger::send_messages() {
    if (!has_session_)
        return;
    for (;;) {
        usize used = 0;
        const usize room = queue_.room() < sizeof batch_ ? queue_.room() : sizeof batch_;
        for (;;) {
            const ring::Record record = messages_.peek();
            if (!record || record.read_bytes() > room - used)
                break;
            copy_bytes(batch_ + used, record.header, record.read_bytes());
            used += record.read_bytes();
            messages_.consume();
        }
        if (used == 0)
            return;
        (void)queue_.push(RS_PACKET_MESSAGES, {std::span<const u8>{batch_, used}});
    }
}

void Debugger::flush_out(u64 patience_ms) {
    const u64 start = x86::read_tsc();
    do {
        send_messages();
        pump();
    } while (!queue_.is_drained() && x86::read_tsc() - start < patience_ms * ticks_per_ms_);
}

/// The debugger has said good-bye: its events go, and the machine runs.
void Debugger::detach(vcpu::Vcpu& vcpu) {
    has_session_ = false;
    is_attached_.store(false, std::memory_order_release);
    wants_halt_ = false;  // nobody would let it go on
    clear_events(vcpu);
    breakpoints_.clear_all();
    (void)rings_.discard_all();
    (void)queue_.push(RS_PACKET_BYE);
    if (vcpu::operates(vcpu)) {
        run_how_ = RS_RUN_GO;
        leaves_loop_ = true;
    }
}

void Debugger::send_halt(vcpu::Vcpu& vcpu) {
    // What scripts printed before the machine stood comes before the news that it stands: all of it
    // if the link carries it.
    u64 since = x86::read_tsc();
    while (messages_.peek() && x86::read_tsc() - since < kFarewellMs * ticks_per_ms_) {
        const usize before = queue_.unsent();
        send_messages();
        pump();
        if (queue_.unsent() != before)
            since = x86::read_tsc();
    }
    rs_halt report = {};
    fill_halt(vcpu, report);
    if (!queue_.push(RS_PACKET_HALT, {bytes_of(report)}))
        return;
    reported_halt_ = vcpu.machine->halt.halts;
    reported_core_ = vcpu.core;
}

void Debugger::operate(vcpu::Vcpu& vcpu) {
    while (!try_lock())
        x86::compiler_barrier();
    leaves_loop_ = false;
    next_core_ = kNoCore;
    if (vcpu.halt_reason != nullptr && vcpu.halt_reason->reason == vcpu::kPassesBreakpoint) {
        unlock();
        return pass(vcpu);
    }
    begin_to_listen();
    breakpoints_.remove();
    breakpoints_.forget_temporary();
    while (vcpu::operates(vcpu) && !leaves_loop_ && next_core_ == kNoCore) {
        if (has_session_ &&
            (reported_halt_ != vcpu.machine->halt.halts || reported_core_ != vcpu.core))
            send_halt(vcpu);
        listen(vcpu);
        look_after_link(vcpu);
    }
    const bool runs = leaves_loop_;
    const u32 how = run_how_;
    const u32 next = next_core_;
    next_core_ = kNoCore;
    wants_halt_ = false;  // it stood when it was asked to
    flush_out(kFarewellMs);
    has_output_.store(!queue_.is_drained());
    leaves_loop_ = false;
    if (runs)
        pools_.refill(setup.reserve->free_bytes());
    end_to_listen();
    unlock();
    if (runs)
        resume(vcpu, how);
    else if (next != kNoCore)
        (void)vcpu::hand_over_operation(vcpu, next);
}

/// 'settings linkloss go': a machine that nobody can let run any more lets itself.
void Debugger::look_after_link(vcpu::Vcpu& vcpu) {
    if (!goes_on_alone_)
        return;
    const u64 silent = x86::read_tsc() - heard_tsc_.load(std::memory_order_relaxed);
    if (silent < u64{RS_LINK_SILENCE_MS} * ticks_per_ms_)
        return;
    is_attached_.store(false, std::memory_order_release);
    disable_breaks(vcpu);
    run_how_ = RS_RUN_GO;
    leaves_loop_ = true;
}

/// Whether somebody can let the machine go on again. One who was silent for long is asked.
bool Debugger::has_debugger(vcpu::Vcpu& vcpu) {
    if (!is_attached())
        return false;
    const u64 limit = u64{RS_LINK_SILENCE_MS} * ticks_per_ms_;
    const u64 heard = heard_tsc_.load(std::memory_order_relaxed);
    if (x86::read_tsc() - heard < limit || vcpu::is_halted(*vcpu.machine))
        return true;
    lock(vcpu);
    bool answers = x86::read_tsc() - heard_tsc_.load(std::memory_order_relaxed) < limit;
    if (!answers) {
        (void)queue_.push(RS_PACKET_PING);
        const u64 start = x86::read_tsc();
        while (!answers && x86::read_tsc() - start < kAskPatienceMs * ticks_per_ms_) {
            serve(vcpu);
            answers = heard_tsc_.load(std::memory_order_relaxed) != heard;
        }
        if (!answers)
            is_attached_.store(false, std::memory_order_release);
    }
    unlock();
    return answers && is_attached();  // its last word may have been a good-bye
}

bool CoreHalter::halt(event::Occasion& occasion) {
    vcpu::Vcpu& vcpu = *vcpu_;
    vcpu::HaltReason reason{
        .reason = occasion.reason, .occasion = &occasion, .tsc = x86::read_tsc()};
    if (!debugger_->has_debugger(vcpu)) {
        std::atomic_ref<u64>(vcpu.machine->halt.lost_breaks).fetch_add(1);
        return false;
    }
    (void)vcpu::halt_machine(vcpu, reason);
    return true;
}

}  // namespace ringside::debug
