// SPDX-License-Identifier: GPL-2.0-or-later
// The debugger's requests, as root mode carries them out.
#include "base/memory.hpp"
#include "debug/debugger.hpp"
#include "event/adoption.hpp"
#include "inspect/inspect.hpp"
#include "symbols/answers.hpp"
#include "vcpu/exit_loop.hpp"
#include "vcpu/guest_view.hpp"
#include "x86/instructions.hpp"

namespace ringside::debug {
namespace {

// Error numbers of Linux on x86-64, where they are no macros of a hosted build's.
constexpr u32 kLinuxEPERM = 1, kLinuxENOENT = 2, kLinuxESRCH = 3, kLinuxEIO = 5, kLinuxENXIO = 6,
              kLinuxE2BIG = 7, kLinuxENOMEM = 12, kLinuxEACCES = 13, kLinuxEFAULT = 14,
              kLinuxEBUSY = 16, kLinuxEEXIST = 17, kLinuxENODEV = 19, kLinuxEINVAL = 22,
              kLinuxENOSPC = 28, kLinuxERANGE = 34, kLinuxEBADMSG = 74, kLinuxEMSGSIZE = 90,
              kLinuxEOPNOTSUPP = 95, kLinuxENOBUFS = 105, kLinuxETIMEDOUT = 110,
              kLinuxECANCELED = 125;

/// What registration asks about a machine that is halted: processes are not looked for, they simply
/// never match (INT-3).
class HaltedMachine final : public event::Machine {
public:
    explicit HaltedMachine(const vcpu::Machine& machine) : machine_{machine} {}
    bool core_exists(u32 core) override {
        return core < machine_.core_count && machine_.vcpus[core] != nullptr &&
               std::atomic_ref<bool>(machine_.vcpus[core]->is_virtualized).load();
    }
    bool pid_exists(u32) override { return true; }

private:
    const vcpu::Machine& machine_;
};

/// A structure of `size` bytes in the image; later versions' longer ones are taken if what we do
/// not know is 0.
template <class T>
u32 check(std::span<u8> image) {
    T* const request = reinterpret_cast<T*>(image.data());
    if (image.size() < sizeof(T) || request->size < sizeof(T) || request->size > image.size())
        return RS_ERR_BAD_IMAGE;
    for (usize i = sizeof(T); i < request->size; ++i)
        if (image[i] != 0)
            return RS_ERR_UNKNOWN_FIELDS;
    return RS_OK;
}

/// Answers a structure with an 'error' field.
template <class T, class Answer>
u32 answer(std::span<u8> image, Answer work) {
    if (const u32 error = check<T>(image); error != RS_OK)
        return error;
    T& request = *reinterpret_cast<T*>(image.data());
    request.error = work(request);
    return request.error;
}

}  // namespace

u32 Debugger::errno_of(u32 error) {
    switch (error) {
        case RS_OK:
            return 0;
#define RS_ERRNO_CASE(name, code, errno_name, text) \
    case RS_ERR_##name:                             \
        return kLinux##errno_name;
            RS_ERROR_TABLE(RS_ERRNO_CASE)
#undef RS_ERRNO_CASE
        default:
            return kLinuxEIO;
    }
}

u32 Debugger::carry_out(vcpu::Vcpu& vcpu, u32 number, std::span<u8> image) {
    switch (number) {
        case RS_NR_VERSION: {
            if (image.size() < sizeof setup.version)
                return RS_ERR_BAD_IMAGE;
            copy_bytes(image.data(), &setup.version, sizeof setup.version);
            return RS_OK;
        }
        case RS_NR_PAUSE:
            return answer<rs_pause>(image, [&](rs_pause&) {
                wants_halt_ = true;
                return u32{RS_OK};
            });
        case RS_NR_HALT_STATE:
            return answer<rs_halt_state>(
                image, [&](rs_halt_state& request) { return tell_halt_state(vcpu, request); });
        default:
            break;
    }
    if (vcpu::operates(vcpu))
        return carry_out_halted(vcpu, number, image);
    // The error stands where nearly all structures have it.
    if (image.size() >= 8) {
        const u32 error = RS_ERR_NOT_HALTED;
        copy_bytes(image.data() + 4, &error, sizeof error);
    }
    return RS_ERR_NOT_HALTED;
}

u32 Debugger::carry_out_halted(vcpu::Vcpu& vcpu, u32 number, std::span<u8> image) {
    if (inspect::is_look(number))
        return inspect::answer(vcpu, number, image, inspect::Others::kStand);
    switch (number) {
        case RS_NR_RUN:
            return answer<rs_run>(image, [&](rs_run& request) { return run(vcpu, request); });
        case RS_NR_SWITCH_CORE:
            return answer<rs_switch_core>(
                image, [&](rs_switch_core& request) { return switch_core(vcpu, request); });
        case RS_NR_SHORT_CIRCUIT:
            return answer<rs_event_sc>(
                image, [&](rs_event_sc& request) { return short_circuit(vcpu, request); });
        case RS_NR_BREAKPOINT:
            return answer<rs_breakpoint>(
                image, [&](rs_breakpoint& request) { return breakpoints_.answer(vcpu, request); });
        case RS_NR_PREALLOC:
            return answer<rs_prealloc>(image,
                                       [&](rs_prealloc& request) { return preallocate(request); });
        case RS_NR_IDT:
            return answer<rs_idt>(image, [&](rs_idt& request) { return tell_idt(vcpu, request); });
        case RS_NR_SETTINGS:
            return answer<rs_settings>(
                image, [&](rs_settings& request) { return change_settings(vcpu, request); });
        case RS_NR_FLUSH:
            return answer<rs_flush>(image, [&](rs_flush& request) {
                if (!(request.flags & RS_FLUSHF_HAND_OVER))
                    request.count = rings_.discard_all();
                return u32{RS_OK};
            });
        case RS_NR_SYMBOL:
            return answer<rs_symbol>(image, [&](rs_symbol& request) {
                return setup.symbols ? symbols::answer_symbol(*setup.symbols.in_root(), request)
                                     : u32{RS_ERR_NO_SYMBOL};
            });
        case RS_NR_SYMBOL_LIST:
            return setup.symbols ? symbols::answer_list(*setup.symbols.in_root(), image)
                                 : u32{RS_ERR_NO_SYMBOL};
        default:
            return work_on_events(vcpu, number, image);
    }
}

/// Runs `work` on the registry, which takes its memory from the reserve meanwhile. Guest context
/// may have been halted in the middle of a change: then nothing is done.
template <class Work>
u32 Debugger::with_registry(vcpu::Vcpu& vcpu, Work work) {
    if (guest_works_.load(std::memory_order_acquire) != 0)
        return RS_ERR_HALTED_IN_CHANGE;
    HaltedMemory::Parts parts = setup.memory;
    parts.leftovers = &leftovers_;
    HaltedMemory memory{parts};
    HaltedMachine machine{*vcpu.machine};
    const event::Registry::Context before =
        setup.registry->exchange({.memory = &memory, .machine = &machine, .offers_breaks = true});
    const u32 error = work(*setup.registry);
    (void)setup.registry->exchange(before);
    return error;
}

u32 Debugger::work_on_events(vcpu::Vcpu& vcpu, u32 number, std::span<u8> image) {
    const auto code = [](const auto& result) {
        return result ? u32{RS_OK} : u32{result.error().code};
    };
    switch (number) {
        case RS_NR_REGISTER_EVENT:
            return register_event(vcpu, image);
        case RS_NR_ADD_ACTION: {
            if (image.size() < sizeof(rs_action))
                return RS_ERR_BAD_IMAGE;
            auto& request = *reinterpret_cast<rs_action*>(image.data());
            return request.error = with_registry(vcpu, [&](event::Registry& registry) {
                       const u32 error = code(registry.add_action(image));
                       return error == RS_ERR_CANNOT_CREATE ? u32{RS_ERR_RESERVE_EXHAUSTED} : error;
                   });
        }
        case RS_NR_MODIFY_EVENT:
            return answer<rs_modify_event>(image, [&](rs_modify_event& request) {
                return with_registry(vcpu, [&](event::Registry& registry) {
                    return code(registry.modify(request));
                });
            });
        case RS_NR_EVENT_STAT:
            return answer<rs_event_stat>(
                image, [&](rs_event_stat& request) { return code(setup.registry->stat(request)); });
        case RS_NR_LIST_EVENTS: {
            if (image.size() < sizeof(rs_event_list))
                return RS_ERR_BAD_IMAGE;
            auto& list = *reinterpret_cast<rs_event_list*>(image.data());
            if (list.size != sizeof list)
                return list.error = RS_ERR_BAD_IMAGE;
            return list.error = code(setup.registry->list(list, image.subspan(sizeof list)));
        }
        case RS_NR_EVAL:
            return evaluate(vcpu, image);
        default:
            return RS_ERR_NOT_YET;
    }
}

u32 Debugger::register_event(vcpu::Vcpu& vcpu, std::span<u8> image) {
    if (image.size() < sizeof(rs_event_detail))
        return RS_ERR_BAD_IMAGE;
    auto& detail = *reinterpret_cast<rs_event_detail*>(image.data());
    if (detail.total_len > image.size() || detail.total_len < sizeof detail)
        return detail.error = RS_ERR_BAD_IMAGE;
    const std::span<u8> given = image.first(detail.total_len);
    // A debugger's events end with it, and with the memory they were given.
    detail.flags &= ~RS_EVF_PERSIST;
    // In the debugger's memory: it is too large for this stack.
    event::Registration& registration = registration_;
    registration = {};
    if (const auto parsed = event::parse_registration(given, registration); !parsed)
        return detail.error = parsed.error().code;
    return detail.error = with_registry(vcpu, [&](event::Registry& registry) -> u32 {
               if (const u32 error = pools_.take(registration); error != RS_OK)
                   return error;
               const auto added = registry.add(given, event::kLinkOwner);
               if (!added) {
                   pools_.put_back(registration);
                   return added.error().code == RS_ERR_CANNOT_CREATE ||
                                  added.error().code == RS_ERR_NO_BUFFER_MEMORY
                              ? u32{RS_ERR_RESERVE_EXHAUSTED}
                              : u32{added.error().code};
               }
               detail.tag = *added;
               detail.event_id = u32(*added - RS_TAG_BASE);
               return RS_OK;
           });
}

u32 Debugger::evaluate(vcpu::Vcpu& vcpu, std::span<u8> image) {
    if (image.size() < sizeof(rs_eval))
        return RS_ERR_BAD_IMAGE;
    auto& request = *reinterpret_cast<rs_eval*>(image.data());
    const std::span<u8> data = image.subspan(sizeof request);
    if (request.size != sizeof request || request.program_len > data.size())
        return request.error = RS_ERR_BAD_IMAGE;
    constexpr usize kMostText = 0x10000;
    const u32 room = u32(data.size() < kMostText ? data.size() : kMostText);
    return request.error = with_registry(vcpu, [&](event::Registry& registry) -> u32 {
               const auto prepared =
                   registry.prepare_evaluation(data.first(request.program_len), room);
               if (!prepared)
                   return prepared.error().code;
               event::Evaluation& evaluation = **prepared;
               evaluation.occasion =
                   vcpu.halt_reason != nullptr ? vcpu.halt_reason->occasion : nullptr;
               vcpu::GuestView guest{vcpu};
               event::evaluate(*vcpu.core_state, evaluation, guest);
               copy_bytes(data.data(), evaluation.text_in_guest, evaluation.text_len);
               request.text_len = evaluation.text_len;
               request.value = evaluation.result.last_value;
               request.script_error = evaluation.result.error;
               request.error_pc = evaluation.result.pc;
               request.error_value = evaluation.result.value;
               request.core = vcpu.core;
               registry.release_evaluation(&evaluation);
               return RS_OK;
           });
}

u32 Debugger::run(vcpu::Vcpu& vcpu, rs_run& request) {
    const bool is_to_task = request.how == RS_RUN_TO_PROCESS || request.how == RS_RUN_TO_THREAD;
    if (request.left > RS_MAX_LEFT_ON_STACK || request.how > RS_RUN_TO_THREAD ||
        (request.id != 0 && !is_to_task) || request.reserved != 0)
        return RS_ERR_BAD_IMAGE;
    has_run_end_ = false;
    if (request.how == RS_RUN_STEP_OUT || (request.how == RS_RUN_STEP_OVER && request.until != 0)) {
        const u32 error = set_end_of_run(vcpu, request);
        if (error != RS_OK && request.how == RS_RUN_STEP_OUT)
            return error;
        has_run_end_ = error == RS_OK;
    } else if (is_to_task) {
        Breakpoint end{.address = request.until};
        (request.how == RS_RUN_TO_PROCESS ? end.process_id : end.thread_id) = request.id;
        if (const u32 error = breakpoints_.set_temporary(vcpu, end); error != RS_OK)
            return error;
    }
    run_how_ = request.how;
    leaves_loop_ = true;
    return RS_OK;
}

u32 Debugger::switch_core(vcpu::Vcpu& vcpu, rs_switch_core& request) {
    if (request.core == vcpu.core) {
        reported_core_ = kNoCore;
        return RS_OK;
    }
    if (!vcpu::stands(*vcpu.machine, request.core))
        return RS_ERR_BAD_CORE;
    next_core_ = request.core;
    return RS_OK;
}

u32 Debugger::short_circuit(vcpu::Vcpu& vcpu, rs_event_sc& request) {
    event::Occasion* const occasion =
        vcpu.halt_reason != nullptr ? vcpu.halt_reason->occasion : nullptr;
    if (occasion == nullptr || !occasion->takes_verdict())
        return RS_ERR_NO_VERDICT;
    occasion->verdict =
        request.ignores != 0 ? event::UserVerdict::kIgnore : event::UserVerdict::kDeliver;
    return RS_OK;
}

u32 Debugger::tell_halt_state(vcpu::Vcpu& vcpu, rs_halt_state& request) {
    vcpu::Machine& machine = *vcpu.machine;
    request.is_halted = vcpu::is_halted(machine);
    request.core_count = machine.core_count;
    request.generation = std::atomic_ref<u64>(machine.halt.halts).load();
    request.lost_breaks = std::atomic_ref<u64>(machine.halt.lost_breaks).load();
    for (u32 core = 0; core < machine.core_count && core < RS_MAX_HALT_CORES; ++core) {
        const vcpu::Vcpu* other = machine.vcpus[core];
        const bool is_there =
            other != nullptr && std::atomic_ref<const bool>(other->is_virtualized).load();
        request.core[core] = u8(!is_there                     ? RS_CORE_ABSENT
                                : other == &vcpu              ? RS_CORE_OPERATES
                                : vcpu::stands(machine, core) ? RS_CORE_HALTED
                                                              : RS_CORE_RUNS);
        if (other == &vcpu && !vcpu::operates(vcpu))
            request.core[core] = RS_CORE_RUNS;
    }
    return RS_OK;
}

u32 Debugger::preallocate(rs_prealloc& request) {
    u32 error = request.type >= RS_POOL_COUNT ? u32{RS_ERR_BAD_POOL_TYPE} : u32{RS_OK};
    if (error == RS_OK && request.count != 0)
        error = pools_.add(request.type, request.count, setup.reserve->free_bytes());
    for (u32 type = 0; type < RS_POOL_COUNT; ++type) {
        request.available[type] = pools_.available(type);
        request.in_use[type] = pools_.in_use(type);
    }
    request.arena_bytes = setup.reserve->total_bytes();
    request.arena_free = setup.reserve->free_bytes();
    return error;
}

u32 Debugger::tell_idt(vcpu::Vcpu& vcpu, rs_idt& request) {
    if (request.count > RS_IDT_CHUNK || request.first > 255 || request.first + request.count > 256)
        return RS_ERR_BAD_IMAGE;
    vcpu::GuestView guest{vcpu};
    const u64 base = guest.read_register(RS_FULL_IDTR);
    const u16 limit = vcpu.backend->table_limit(RS_FULL_IDTR);
    request.core = vcpu.core;
    for (u32 i = 0; i < request.count; ++i) {
        const u32 offset = (request.first + i) * 16;
        u64 gate[2] = {};
        request.handler[i] = 0;
        if (offset + sizeof gate - 1 <= limit &&
            guest.read_memory(Gva{base + offset}, gate, sizeof gate))
            request.handler[i] = (gate[0] & 0xffff) | (gate[0] >> 32 & 0xffff'0000) | gate[1] << 32;
    }
    return RS_OK;
}

u32 Debugger::change_settings(vcpu::Vcpu& vcpu, rs_settings& request) {
    event::Limits limits = setup.engine->limits();
    if (!event::take_limits(request, limits))
        return RS_ERR_BAD_IMAGE;
    setup.engine->set_limits(limits);
    apic::Settings& switches = vcpu.machine->short_circuit;
    if (request.mask & RS_SET_SC_REPLAY)
        switches.replays.store(request.sc_replay != 0, std::memory_order_relaxed);
    if (request.mask & RS_SET_SC_DELIVER)
        switches.delivers_storms.store(request.sc_deliver != 0, std::memory_order_relaxed);
    if (request.mask & RS_SET_LINK_LOSS)
        goes_on_alone_ = request.link_loss != 0;
    request.link_loss = goes_on_alone_;
    request.sc_replay = switches.replays.load(std::memory_order_relaxed);
    request.sc_deliver = switches.delivers_storms.load(std::memory_order_relaxed);
    event::tell_limits(limits, request);
    return RS_OK;
}

/// The events go at once, as if their scripts had cleared them; guest context, which may be at work
/// on the registry, takes them away.
void Debugger::clear_events(vcpu::Vcpu& vcpu) {
    event::clear_owner(*vcpu.core_state, event::kLinkOwner);
    vcpu::signal_other_cores(vcpu);
}

void Debugger::disable_breaks(vcpu::Vcpu& vcpu) {
    event::disable_breaks(*vcpu.core_state);
}

}  // namespace ringside::debug
