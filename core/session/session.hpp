// SPDX-License-Identifier: GPL-2.0-or-later
// One load of the hypervisor with its event engine, and the clients of the device. Kernel context
// only, the caller serialises; nothing here is read in root mode.
#pragma once

#include <span>

#include "core_api.h"
#include "event/registry.hpp"
#include "session/preparation.hpp"
#include "symbols/symbol_table.hpp"
#include "vcpu/hypervisor.hpp"

namespace ringside {

/// One open file of the device.
struct Client {
    u32 id = 0;  ///< 0: free
    bool waits = false;
    ring::MergedReader reader;
};

/// Everything between load and unload.
class Session final : public event::Machine {
public:
    /// Slides under every CPU, or leaves everything as it was. The caller must be the only client
    /// (API-1).
    u32 load(vcpu::Vendor& vendor, const rs_platform& platform, const rs_kernel_facts& facts,
             rs_load& request);
    /// Whether a client may unload: it must be the only one (API-1).
    u32 may_unload() const;
    /// Whoever has the device open: for clients may_unload() comes first.
    u32 unload();

    /// CPU hotplug, on that CPU.
    u32 cpu_online(u32 cpu);
    u32 cpu_offline(u32 cpu);

    /// Registers an event and makes it effective on all cores; nothing is left of one that fails.
    u32 register_event(u32 client, const void* image, u64 bytes, u64& tag);
    /// Makes cores pass through root mode if one keeps text that is old enough to go out.
    /// @return whether any core still gathers
    bool hand_over_old();
    /// Makes all gathered text readable.
    u32 hand_over_all();
    u32 add_action(void* image, u64 bytes);
    u32 modify_event(rs_modify_event& request);

    bool core_exists(u32 core) override {
        return hypervisor.is_virtualized(core) && platform_->core_online(core);
    }
    bool pid_exists(u32 pid) override { return pid == 0 || platform_->pid_exists(pid); }

    /// RS_IOC_SETTINGS
    u32 change_settings(rs_settings& request);

    /// The kernel's names, as core_api.h says.
    u32 begin_symbols();
    u32 add_symbol(u64 address, char type, const char* module, const char* name);
    u32 add_symbol_end(u64 address);
    u32 end_symbols();
    /// The finished table, for root mode to read from now on; null: there is none. It stays where
    /// it is until drop_symbols() or unload, before which root mode must have let go of it.
    RootPointer<const symbols::SymbolTable> take_symbols();
    void drop_symbols();
    /// Root mode did not take them after all.
    void give_back_symbols();

    /// RS_IOC_EVAL; `data`: the program, overwritten by the text it prints.
    u32 evaluate(rs_eval& request, std::span<u8> data);

    /// Has root mode answer a LOOK request (inspect/inspect.hpp) in the context of the calling
    /// thread.
    /// @param core   whom to ask; RS_ANY: the one the caller is on
    /// @param image  is copied to memory root mode reaches, RS_MAX_LOOK_BYTES of it at most, and
    ///               back
    /// @return also RS_ERR_BAD_CORE, RS_ERR_CANNOT_CREATE
    u32 inspect(u32 number, u32 core, std::span<u8> image);

    /// RS_IOC_PREPARE
    u32 prepare(rs_prepare& request, const rs_link_device& device, const rs_version& version);

    Client* find_client(u32 id);
    u32 add_client(u32 id);
    void remove_client(u32 id);
    /// Whole messages, oldest first; 0: none (the client counts as waiting then), -1: does not fit.
    s64 read_messages(Client& client, u8* buffer, u64 bytes);
    /// Whether there are any; if not, the client counts as waiting.
    bool has_messages(Client& client);
    /// Whether a waiting client has messages by now.
    bool has_news();

    /// RS_IOC_RING: hands back what a reader of a mapped ring has read.
    u32 ring(Client& client, rs_ring& request);

    bool is_loaded = false;
    vcpu::Hypervisor hypervisor;
    /// While loaded.
    event::Engine& engine() { return events_->engine; }
    event::Registry& registry() { return events_->registry; }
    Preparation preparation;  ///< Debugger Mode
    Client clients[ring::kMaxOwners] = {};

private:
    /// In memory that root mode reaches: while the machine is halted it works on them.
    struct Events {
        event::Engine engine;
        event::Registry registry;
    };
    Result<void> bring_up(vcpu::Vendor& vendor, const rs_kernel_facts& facts,
                          const rs_load& request, u32& failed_core);
    void tear_down();
    /// Makes every virtualized core take over what was published, and waits for it.
    u32 publish_and_wait();
    /// Forgets cores that root mode had to leave by itself, so that nobody waits for them.
    void drop_abandoned_cores();
    u32 client_count() const;
    bool attach_client(Client& client);

    enum class Symbols { kNone, kBegun, kFinished, kTaken };

    const rs_platform* platform_ = nullptr;
    Events* events_ = nullptr;
    symbols::SymbolTable* symbols_ = nullptr;  ///< null only with kNone
    Symbols symbols_state_ = Symbols::kNone;
    u64 generation_ = 0;  ///< of the load: mapped rings of an earlier one are dead
    bool engine_open_ = false;
    bool registry_open_ = false;
};

}  // namespace ringside
