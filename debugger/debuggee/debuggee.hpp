// SPDX-License-Identifier: GPL-3.0-or-later
// The connected machine as commands see it: the same requests whether the module is on this machine
// or behind an agent (events spec 13.1, section 15).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "debuggee/debug_options.hpp"
#include "debuggee/event_image.hpp"
#include "debuggee/failure.hpp"
#include "debuggee/line_options.hpp"
#include "debuggee/look.hpp"
#include "debuggee/message.hpp"
#include "ringside/ioctl.h"
#include "transport/device.hpp"
#include "transport/key.hpp"
#include "transport/loop.hpp"

namespace ringside::debuggee {

class Connection;
struct ConnectionEvents;
struct ConnectionResult;

/// One line of 'events'.
struct ListedEvent {
    rs_event_entry entry{};
    std::string command;
};

/// What a script run by eval() left behind.
struct Evaluation {
    rs_eval header{};  ///< value, script_error, error_pc, error_value, core
    std::string text;  ///< what it printed
};

/// What load() asks for; 0 leaves the module's default (uapi rs_load).
struct LoadOptions {
    bool nested_paging = false;
    std::uint32_t msg_ring_kb = 0;
    std::uint64_t script_budget = 0;
    std::uint64_t script_time_us = 0;
    std::uint32_t fail_step = 0;  ///< test only
    std::uint32_t fail_core = 0;  ///< test only
};

/// How to reach an agent.
struct TcpOptions {
    /// The shared key; an empty one means "run without a key" and needs the same at the agent.
    transport::Key key;
    std::chrono::milliseconds timeout{10'000};  ///< for connecting and introducing ourselves
};

/// The connected machine, or none.
///
/// Every request waits inside the loop: messages go on being delivered, and Loop::interrupt() ends
/// the wait. Requests are carried out one after the other in the order of the calls. A request made
/// while none is connected fails with kNotConnected. Callbacks run from the loop. A message's
/// handler may not make requests (they are refused with EDEADLK, since the answer would have to
/// arrive behind the message); it posts to the loop what needs one. No callback may destroy the
/// Debuggee.
class Debuggee {
public:
    explicit Debuggee(transport::Loop& loop);
    ~Debuggee();
    Debuggee(const Debuggee&) = delete;
    Debuggee& operator=(const Debuggee&) = delete;

    /// Called for each message of our events, per core in the order the scripts printed.
    void on_message(MessageHandler handler);
    /// Called once when the connection breaks by itself (never by disconnect()), after the last
    /// message, with a sentence without "err, ".
    void on_lost(std::function<void(const std::string& reason)> handler);

    /// Connects to this machine's own module. Any earlier connection ends first.
    ConnectFailure connect_local();
    /// The same through an opener, for stand-ins of the device.
    ConnectFailure connect_local(const transport::DeviceOpener& opener);
    /// Connects to an agent.
    /// @param host  numeric IPv4 or IPv6 address, or "localhost"
    ConnectFailure connect_tcp(const std::string& host, std::uint16_t port, TcpOptions options);
    /// Connects to an agent at the other end of a line.
    /// @param path  of a serial port or a unix socket (transport::open_serial())
    ConnectFailure connect_serial(const std::string& path, const LineOptions& options);
    /// Becomes the debugger of a machine at the end of a debug link.
    ConnectFailure connect_debug(const DebugOptions& options);
    /// Called when a machine at the end of a debug link has halted; may not make requests.
    void on_halt(std::function<void(const rs_halt& halt)> handler);
    /// Called with what the user should know of the link, a sentence.
    void on_notice(std::function<void(const std::string& sentence)> handler);
    /// Ends the connection; the module clears our events.
    void disconnect();

    bool is_connected() const;
    bool is_remote() const;
    /// Whether this is Debugger Mode: root mode answers.
    bool is_debug_link() const;
    /// "192.168.1.10:50000" or "serial /dev/ttyS1" of a remote debuggee, "local", or "" without
    /// one.
    std::string name() const;
    /// The prompt's short form: "serial ttyS1".
    std::string label() const;

    /// What the module said of itself when we connected: release, kernel, cores, vendor. `state` is
    /// as old as that; version() asks again.
    const rs_version& identity() const { return identity_; }

    /// Instead of one minute, or three over a line: for requests that may take long (load and
    /// unload wait for every core anyway).
    void set_timeout(std::chrono::milliseconds timeout);

    /// Carries out RS_IOC_* `request` on `argument`, which is changed in place also when the module
    /// refuses (then failure().error_number is its errno, and code is 0: it stands where the
    /// structure has it).
    Reply<void> request(std::uint32_t request, std::span<std::byte> argument);

    Reply<rs_version> version();
    /// @return the structure as the module left it: cores virtualized
    Reply<rs_load> load(const LoadOptions& options = {});
    Reply<rs_load> unload();
    /// @return the new event's tag
    Reply<std::uint64_t> register_event(const EventImage& image);
    /// @param action  RS_MODIFY_*
    /// @param tag     or RS_TAG_ALL
    /// @return is_enabled of the module's answer
    Reply<bool> modify_event(std::uint64_t tag, std::uint32_t action);
    /// Every event of every client, ascending tag.
    Reply<std::vector<ListedEvent>> list_events();
    Reply<rs_event_stat> event_stat(std::uint64_t tag);
    Reply<rs_event_stat> core_stat(std::uint32_t core);
    /// Changes what `wanted.mask` names (RS_SET_*).
    /// @return all of them as they are then
    Reply<rs_settings> settings(const rs_settings& wanted);
    /// Drops the unread messages of all events.
    /// @return how many there were
    Reply<std::uint64_t> flush();
    /// Delivers every message that scripts had sent when it was called; before the program ends,
    /// for example.
    Reply<void> drain();

    /// Where a name of the kernel or of a module ("module:name") stands; c000100d if nowhere.
    Reply<std::uint64_t> address_of(const std::string& name);
    /// What stands at an address: "asm_exc_page_fault+0x0/0x30"; c000100d if nothing known does.
    Reply<std::string> symbol_at(std::uint64_t address);
    /// A process; c000001e if there is none of that number.
    Reply<rs_process> process(std::uint32_t pid);
    /// Addresses of interrupt handlers `first` and following, `count` of them, and the core whose
    /// table it is.
    Reply<rs_idt> idt(std::uint32_t first, std::uint32_t count);

    // Debugger Mode.

    /// Makes the machine whose device this is a debuggee, or with kind 0 ends that.
    Reply<rs_prepare> prepare(const rs_prepare& request);
    /// Lets a halted machine go on; a step's end is told by on_halt().
    /// @param request  how, until, left and id
    Reply<rs_run> run(const rs_run& request);
    /// Has a running one halt, which on_halt() tells.
    Reply<rs_pause> pause();
    /// Has another core operate, which on_halt() tells.
    Reply<rs_switch_core> switch_core(std::uint32_t core);
    Reply<rs_halt_state> halt_state();
    /// @param request  operation (RS_BREAKPOINT_*) and what it needs
    Reply<rs_breakpoint> breakpoint(const rs_breakpoint& request);
    /// The verdict on the interrupt an event has the machine halted at (SC-6).
    Reply<rs_event_sc> short_circuit(bool ignores);
    /// @param count  objects to add to the pool `type`, 0 only tells
    Reply<rs_prealloc> preallocate(std::uint32_t type, std::uint32_t count);

    /// Asks for a core's ring, and hands back what was read of it (ringside/ring.h).
    Reply<rs_ring> ring(const rs_ring& request);
    /// The open device for mmap() and poll(); -1 if there is none on this machine.
    int descriptor() const;

    /// Runs a script image once in root mode.
    /// @param text_room  bytes of printed text to take back at most
    Reply<Evaluation> eval(std::span<const std::byte> program,
                           std::size_t text_room = RS_MAX_MESSAGE_BYTES);

    // Looking at the machine and changing it: answered by root mode, so the vmm must be loaded
    // (c0001002). Which context that is says uapi debug.h. Implemented in look.cpp.

    /// Reads memory from `address` on, as far as there is any: RAM only. A missing page is no
    /// failure; the answer says where it stopped.
    /// @param length  in bytes, any; split into requests, between which the debuggee may go on
    /// @return c000001e: no such process
    Reply<MemoryRead> read_memory(std::uint64_t address, std::uint64_t length,
                                  MemoryOptions options = {});
    /// Writes all of `bytes` or nothing within each RS_MAX_MEM_BYTES of them; a page that is
    /// missing or read-only is no failure, the answer says where it stopped.
    Reply<MemoryWrite> write_memory(std::uint64_t address, std::span<const std::byte> bytes,
                                    MemoryOptions options = {});
    /// Finds `pattern` in the `length` bytes from `address` on, where it lies on a multiple of
    /// `unit` (1, 4 or 8 bytes) from `address`. Stops at the first page that is missing, and at
    /// RS_MAX_MEM_HITS hits.
    /// @param pattern  1 to RS_MAX_MEM_PATTERN bytes, else EINVAL
    Reply<MemorySearch> search_memory(std::uint64_t address, std::uint64_t length,
                                      std::span<const std::byte> pattern, std::uint32_t unit,
                                      MemoryOptions options = {});
    /// Every register of the context, by RS_FULL_*.
    Reply<rs_registers> registers();
    /// A model-specific register as the guest sees it; c0001030: the processor refuses it.
    /// @param core  RS_ANY: the one that answers; c0000006 if it is not there
    Reply<rs_msr> read_msr(std::uint32_t msr, std::uint32_t core = RS_ANY);
    Reply<rs_msr> write_msr(std::uint32_t msr, std::uint64_t value, std::uint32_t core = RS_ANY);
    /// CPUID as the guest would read it there.
    Reply<rs_cpuid> cpuid(std::uint32_t leaf, std::uint32_t subleaf = 0,
                          std::uint32_t core = RS_ANY);
    /// The local APIC of the core that answers; c0001031 if it is switched off.
    Reply<rs_lapic> local_apic();
    /// The IO-APIC `index`, 0 and up; c0001031 above the last.
    Reply<rs_io_apic> io_apic(std::uint32_t index);
    /// The page-table entries an address is translated by; is_present tells whether it leads
    /// anywhere.
    Reply<rs_page_walk> page_walk(std::uint64_t address, std::uint32_t process_id = RS_ANY);
    /// Tasks as root mode finds them in the kernel's lists, in the lists' order.
    /// @param which       RS_TASKS_*
    /// @param process_id  whose threads, for RS_TASKS_THREADS; RS_ANY: of the current process;
    ///                    c000001e if there is none; the thread itself, for RS_TASKS_ONE
    /// @param task        address of its task_struct instead
    Reply<std::vector<rs_task>> tasks(std::uint32_t which, std::uint32_t process_id = RS_ANY,
                                      std::uint64_t task = 0);
    /// What a process has mapped of files, ascending addresses.
    /// @param process_id  RS_ANY: the current process; c000001e if there is none, c000103e if it
    /// has
    ///                    no memory of its own
    Reply<std::vector<Mapping>> mappings(std::uint32_t process_id = RS_ANY);
    /// Names of the kernel and its modules that match, ascending addresses. Needs no vmm.
    /// @param pattern  of the name, with '*' and '?'; "module!pattern", "*!pattern" for all
    /// modules;
    ///                 without a module: "vmlinux", also called "nt" and "kernel"
    Reply<std::vector<Symbol>> symbols(const std::string& pattern);

private:
    ConnectionEvents events();
    void deliver(const Message& message);
    Failure check_ready() const;
    ConnectFailure adopt(ConnectionResult result);
    template <class T>
    Reply<T> request_structure(std::uint32_t request, T structure);

    transport::Loop& loop_;
    MessageHandler on_message_;
    std::function<void(const std::string&)> on_lost_;
    std::function<void(const rs_halt&)> on_halt_;
    std::function<void(const std::string&)> on_notice_;
    std::optional<std::chrono::milliseconds> timeout_;
    std::shared_ptr<Connection> connection_;
    rs_version identity_{};
    bool is_delivering_ = false;  ///< a message's handler is running
    bool is_introduced_ = false;  ///< connect_*() has succeeded; before, it reports a loss itself
};

}  // namespace ringside::debuggee
