// SPDX-License-Identifier: GPL-2.0-or-later
// The events of one load: registration, changes, listing, counters. Guest context only; the
// caller serialises. Specification sections 10.1 "Events" and 15.2 "Event registration".
//
// Nothing here waits. What root may still be using is retired and freed by reclaim() once every
// core has adopted a later generation; making cores adopt is the hypervisor's business.
#pragma once

#include <span>

#include "base/result.hpp"
#include "event/engine.hpp"
#include "event/image.hpp"
#include "event/machine.hpp"
#include "event/pipeline.hpp"
#include "script/globals.hpp"

namespace ringside::event {

/// Usable from zeroed memory.
class Registry {
public:
    /// `engine` is open and outlives the registry. RS_ERR_CANNOT_CREATE: no memory.
    Result<void> open(Engine& engine, Machine& machine);
    /// Frees everything at once. No core may be in root any more.
    void close();

    /// While a machine is halted root mode works on the registry, with memory and answers of its
    /// own, and for the debugger, who may have events break. Exchanges them for those in use.
    struct Context {
        SharedMemory* memory;
        Machine* machine;
        bool offers_breaks;
    };
    Context exchange(const Context& context);

    /// Registers the event of an image for a client. Nothing is kept on failure, no id consumed.
    /// @param image  private copy of the caller's bytes, aligned to 8.
    /// @param owner  the client, not kNoOwner.
    /// @return the tag.
    Result<u64> add(std::span<const u8> image, u32 owner);

    /// Appends one action to a live event: each occurrence sees the old or the new list (API-9). An
    /// event without actions is enabled by its first unless it was to start disabled.
    /// @param image  private copy of struct rs_action and its payload, aligned to 8.
    Result<void> add_action(std::span<const u8> image);

    /// Queries, enables, disables or clears one event or all (RS_TAG_ALL); fills is_enabled, with
    /// RS_TAG_ALL: any event is. In effect for arrivals that begin after all cores have adopted
    /// the generation found afterwards (TRG-7).
    Result<void> modify(rs_modify_event& request);

    /// Lists events from header.first_tag on. @param room  where entries go, behind the header.
    Result<void> list(rs_event_list& header, std::span<u8> room) const;

    /// Counters of one event over all cores, or of one core.
    Result<void> stat(rs_event_stat& request) const;
    /// Counters of one event on one core.
    Result<void> stat_on_core(rs_event_stat& request, u32 core) const;

    /// Clears the client's events; those with RS_EVF_PERSIST stay without an owner.
    void remove_client(u32 owner);
    void clear_all();

    /// Takes events that scripts have cleared out of the snapshot, and frees what no core can
    /// hold. Call after adoption and now and then.
    /// @return whether something still waits for adoption.
    bool reclaim();

    /// Verifies, links and stores a script for RS_IOC_EVAL.
    /// @param text_room  bytes of text to keep.
    Result<Evaluation*> prepare_evaluation(std::span<const u8> program, u32 text_room);
    void release_evaluation(Evaluation* evaluation);

    /// Events listed.
    u32 count() const;

private:
    struct Program {
        u8* image = nullptr;
        u32 bytes = 0;
    };

    Result<Program> load_program(std::span<const u8> payload, bool in_event);
    void make_machine_code(Action& action, const Program& program);
    Result<Code> load_code(std::span<const u8> bytes);
    void release_code(const Code& code);
    Result<Action> load_action(const ActionImage& image);
    void release_action(const Action& action);
    Result<Event*> make_event(const Registration& registration, u32 owner);
    Result<void> fill_event(Event& event, const Registration& registration);
    Result<void> check_limits(u32 type, u64 vector) const;
    void free_event(Event* event);
    void clear(Event& event);
    bool rebuild();
    Event* find(u64 tag) const;
    template <class Visit>
    void for_each(Visit visit) const;

    Engine* engine_ = nullptr;
    Machine* machine_ = nullptr;
    bool offers_breaks_ = false;
    script::GlobalTable* globals_ = nullptr;
    u32 next_id_ = 0;
    u32 count_ = 0;  // of events_, those cleared but not yet left out of the snapshot included
    Event* events_[RS_MAX_EVENTS + 1] = {};
    Event* retired_ = nullptr;
};

/// Visits the events not cleared, ascending id.
template <class Visit>
void Registry::for_each(Visit visit) const {
    for (u32 i = 0; i < count_; ++i)
        if (!events_[i]->is_cleared())
            visit(*events_[i]);
}

}  // namespace ringside::event
