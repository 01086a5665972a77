// SPDX-License-Identifier: GPL-3.0-or-later
#include "debuggee/debuggee.hpp"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

#include "debuggee/connection.hpp"
#include "debuggee/structures.hpp"
#include "ringside/version.h"

namespace ringside::debuggee {
namespace {

// Room for a list of events; asked again from where it ended if there are more.
constexpr std::size_t kListBytes = 64 * 1024;
static_assert(kListBytes >= sizeof(rs_event_list) + sizeof(rs_event_entry) + RS_MAX_COMMAND_BYTES);

/// Reads the entries behind the header of a list. False if they do not fit where they claim to be.
bool append_events(std::span<const std::byte> image, const rs_event_list& list,
                   std::vector<ListedEvent>& events) {
    if (list.used_len > image.size() || list.used_len < sizeof(list))
        return false;
    auto rest = image.first(list.used_len).subspan(sizeof(list));
    for (std::uint32_t index = 0; index < list.count; ++index) {
        if (rest.size() < sizeof(rs_event_entry))
            return false;
        ListedEvent event{.entry = read_at<rs_event_entry>(rest), .command = {}};
        rest = rest.subspan(sizeof(rs_event_entry));
        const std::size_t length = event.entry.command_len;
        if (length > rest.size())
            return false;
        event.command.assign(reinterpret_cast<const char*>(rest.data()), length);
        rest = rest.subspan(std::min(padded(length), rest.size()));
        events.push_back(std::move(event));
    }
    return true;
}

}  // namespace

Debuggee::Debuggee(transport::Loop& loop) : loop_{loop} {}

Debuggee::~Debuggee() {
    disconnect();
}

void Debuggee::on_message(MessageHandler handler) {
    on_message_ = std::move(handler);
}

void Debuggee::on_halt(std::function<void(const rs_halt&)> handler) {
    on_halt_ = std::move(handler);
}

void Debuggee::on_notice(std::function<void(const std::string&)> handler) {
    on_notice_ = std::move(handler);
}

void Debuggee::on_lost(std::function<void(const std::string&)> handler) {
    on_lost_ = std::move(handler);
}

ConnectionEvents Debuggee::events() {
    return {.on_message = [this](const Message& message) { deliver(message); },
            .on_lost =
                [this](const std::string& reason) {
                    if (is_introduced_ && on_lost_)
                        on_lost_(reason);
                },
            .on_halt =
                [this](const rs_halt& halt) {
                    if (on_halt_)
                        on_halt_(halt);
                },
            .on_notice =
                [this](const std::string& sentence) {
                    if (on_notice_)
                        on_notice_(sentence);
                }};
}

void Debuggee::deliver(const Message& message) {
    if (!on_message_)
        return;
    is_delivering_ = true;
    try {
        on_message_(message);
    } catch (...) {
        is_delivering_ = false;
        throw;
    }
    is_delivering_ = false;
}

/// Whether a request may be made now.
Failure Debuggee::check_ready() const {
    if (!is_connected())
        return {.kind = Failure::Kind::kNotConnected};
    if (is_delivering_)
        return {.kind = Failure::Kind::kRefused, .error_number = EDEADLK};
    return {};
}

ConnectFailure Debuggee::connect_local() {
    return connect_local([] { return transport::open_device(); });
}

ConnectFailure Debuggee::connect_local(const transport::DeviceOpener& opener) {
    disconnect();
    return adopt(open_local(loop_, opener, events()));
}

ConnectFailure Debuggee::connect_tcp(const std::string& host, std::uint16_t port,
                                     TcpOptions options) {
    disconnect();
    return adopt(open_remote(loop_, host, port, options.key, options.timeout, events()));
}

ConnectFailure Debuggee::connect_serial(const std::string& path, const LineOptions& options) {
    disconnect();
    transport::SerialLine line = transport::open_serial(path);
    if (!line.descriptor)
        return {.kind = ConnectFailure::Kind::kUnreachable,
                .error_number = line.error_number,
                .text = line.error};
    return adopt(open_on_line(loop_, std::move(line), options, events()));
}

ConnectFailure Debuggee::connect_debug(const DebugOptions& options) {
    disconnect();
    return adopt(open_debug(loop_, options, events()));
}

/// Makes a new connection ours if the module at its end speaks our version.
ConnectFailure Debuggee::adopt(ConnectionResult result) {
    if (!result.failure)
        return std::move(result.failure);
    connection_ = std::move(result.connection);
    connection_->start();
    const auto answer = version();
    ConnectFailure failure;
    if (!answer) {
        using Kind = ConnectFailure::Kind;
        const Failure::Kind kind = answer.failure().kind;
        failure = {.kind = kind == Failure::Kind::kTimedOut      ? Kind::kTimedOut
                           : kind == Failure::Kind::kInterrupted ? Kind::kInterrupted
                           : kind == Failure::Kind::kRefused     ? Kind::kDevice
                                                                 : Kind::kClosed,
                   .error_number = answer.failure().error_number,
                   .text = "asking the module for its version failed: " + answer.failure().text()};
    } else if (answer->abi != RS_ABI_VERSION) {
        const std::string release{answer->release,
                                  strnlen(answer->release, sizeof(answer->release))};
        failure = {.kind = ConnectFailure::Kind::kVersion,
                   .text = "versions differ: this program is " RS_RELEASE " (abi " +
                           std::to_string(RS_ABI_VERSION) + "), the module is " + release +
                           " (abi " + std::to_string(answer->abi) + ")"};
    } else {
        identity_ = *answer;
        is_introduced_ = true;
        return {};
    }
    disconnect();
    return failure;
}

void Debuggee::disconnect() {
    if (connection_)
        connection_->close();
    connection_.reset();
    identity_ = {};
    is_introduced_ = false;
}

bool Debuggee::is_connected() const {
    return connection_ && connection_->is_open();
}

bool Debuggee::is_remote() const {
    return is_connected() && connection_->is_remote();
}

bool Debuggee::is_debug_link() const {
    return is_connected() && connection_->is_debug_link();
}

Reply<rs_prepare> Debuggee::prepare(const rs_prepare& request) {
    return request_structure(RS_IOC_PREPARE, request);
}

Reply<rs_run> Debuggee::run(const rs_run& request) {
    return request_structure(RS_IOC_RUN, request);
}

Reply<rs_pause> Debuggee::pause() {
    return request_structure(RS_IOC_PAUSE, rs_pause{});
}

Reply<rs_switch_core> Debuggee::switch_core(std::uint32_t core) {
    return request_structure(RS_IOC_SWITCH_CORE, rs_switch_core{.core = core});
}

Reply<rs_halt_state> Debuggee::halt_state() {
    return request_structure(RS_IOC_HALT_STATE, rs_halt_state{});
}

Reply<rs_breakpoint> Debuggee::breakpoint(const rs_breakpoint& request) {
    return request_structure(RS_IOC_BREAKPOINT, request);
}

Reply<rs_event_sc> Debuggee::short_circuit(bool ignores) {
    return request_structure(RS_IOC_SHORT_CIRCUIT, rs_event_sc{.ignores = ignores ? 1u : 0u});
}

Reply<rs_prealloc> Debuggee::preallocate(std::uint32_t type, std::uint32_t count) {
    return request_structure(RS_IOC_PREALLOC, rs_prealloc{.type = type, .count = count});
}

std::string Debuggee::name() const {
    return is_connected() ? connection_->name() : "";
}

std::string Debuggee::label() const {
    return is_connected() ? connection_->label() : "";
}

void Debuggee::set_timeout(std::chrono::milliseconds timeout) {
    timeout_ = timeout;
}

Reply<void> Debuggee::request(std::uint32_t request, std::span<std::byte> argument) {
    if (const Failure failure = check_ready(); failure.kind != Failure::Kind::kNone)
        return failure;
    const auto connection = connection_;  // a handler may disconnect while we wait
    const Failure failure =
        connection->request(request, argument, timeout_.value_or(connection->usual_timeout()));
    if (failure.kind != Failure::Kind::kNone)
        return failure;
    return {};
}

Reply<void> Debuggee::drain() {
    if (const Failure failure = check_ready(); failure.kind != Failure::Kind::kNone)
        return failure;
    const auto connection = connection_;
    // What 'imm no' gathers comes, too. Without a hypervisor there is nothing.
    rs_flush hand_over{.flags = RS_FLUSHF_HAND_OVER};
    hand_over.size = sizeof(hand_over);
    (void)request(RS_IOC_FLUSH, writable_bytes_of(hand_over));
    const Failure failure = connection->drain(timeout_.value_or(connection->usual_timeout()));
    if (failure.kind != Failure::Kind::kNone)
        return failure;
    return {};
}

Reply<rs_version> Debuggee::version() {
    rs_version version{};
    version.size = sizeof(version);
    const auto done = request(RS_IOC_VERSION, writable_bytes_of(version));
    if (!done)
        return done.failure();
    return version;
}

Reply<rs_load> Debuggee::load(const LoadOptions& options) {
    rs_load load{};
    load.size = sizeof(load);
    load.abi = RS_ABI_VERSION;
    load.flags = options.nested_paging ? RS_LOADF_NPT : 0;
    load.msg_ring_kb = options.msg_ring_kb;
    load.script_budget = options.script_budget;
    load.script_time_us = options.script_time_us;
    load.fail_step = options.fail_step;
    load.fail_core = options.fail_core;
    const auto done = request(RS_IOC_LOAD, writable_bytes_of(load));
    if (done)
        return load;
    Failure failure = with_code(done.failure(), load.error);
    if (failure.code != 0)
        failure.core = load.error_core;
    return failure;
}

Reply<rs_load> Debuggee::unload() {
    rs_load load{};
    load.abi = RS_ABI_VERSION;
    return request_structure(RS_IOC_UNLOAD, load);
}

Reply<std::uint64_t> Debuggee::register_event(const EventImage& image) {
    auto bytes = image.bytes();
    const auto done = request(RS_IOC_REGISTER_EVENT, bytes);
    const auto detail = read_at<rs_event_detail>(bytes);
    if (!done)
        return with_code(done.failure(), detail.error);
    return detail.tag;
}

Reply<bool> Debuggee::modify_event(std::uint64_t tag, std::uint32_t action) {
    rs_modify_event modify{};
    modify.action = action;
    modify.tag = tag;
    const auto done = request_structure(RS_IOC_MODIFY_EVENT, modify);
    if (!done)
        return done.failure();
    return done->is_enabled != 0;
}

Reply<std::vector<ListedEvent>> Debuggee::list_events() {
    std::vector<ListedEvent> events;
    std::uint64_t first_tag = 0;
    do {
        std::vector<std::byte> image(kListBytes);
        rs_event_list list{};
        list.size = sizeof(list);
        list.total_len = image.size();
        list.first_tag = first_tag;
        std::memcpy(image.data(), &list, sizeof(list));
        const auto done = request(RS_IOC_LIST_EVENTS, image);
        list = read_at<rs_event_list>(image);
        if (!done)
            return with_code(done.failure(), list.error);
        // The next page begins behind this one, or the module would send us round for ever.
        if (!append_events(image, list, events) ||
            (list.next_tag != 0 && list.next_tag <= first_tag))
            return Failure{.kind = Failure::Kind::kMalformed};
        first_tag = list.next_tag;
    } while (first_tag != 0);
    return events;
}

Reply<rs_event_stat> Debuggee::event_stat(std::uint64_t tag) {
    return request_structure(RS_IOC_EVENT_STAT, rs_event_stat{.kind = RS_STAT_EVENT, .tag = tag});
}

Reply<rs_event_stat> Debuggee::core_stat(std::uint32_t core) {
    return request_structure(RS_IOC_EVENT_STAT, rs_event_stat{.kind = RS_STAT_CORE, .tag = core});
}

Reply<std::uint64_t> Debuggee::flush() {
    const auto done = request_structure(RS_IOC_FLUSH, rs_flush{});
    if (!done)
        return done.failure();
    return done->count;
}

Reply<std::uint64_t> Debuggee::address_of(const std::string& name) {
    rs_symbol symbol{};
    if (name.empty() || name.size() >= sizeof(symbol.name))
        return Failure{
            .kind = Failure::Kind::kRefused, .error_number = ENOENT, .code = RS_ERR_NO_SYMBOL};
    std::memcpy(symbol.name, name.c_str(), name.size());
    const auto done = request_structure(RS_IOC_SYMBOL, symbol);
    if (!done)
        return done.failure();
    return done->address;
}

Reply<std::string> Debuggee::symbol_at(std::uint64_t address) {
    const auto done = request_structure(RS_IOC_SYMBOL, rs_symbol{.address = address});
    if (!done)
        return done.failure();
    return std::string{done->name, strnlen(done->name, sizeof(done->name))};
}

Reply<rs_process> Debuggee::process(std::uint32_t pid) {
    return request_structure(RS_IOC_PROCESS, rs_process{.pid = pid});
}

Reply<rs_idt> Debuggee::idt(std::uint32_t first, std::uint32_t count) {
    return request_structure(RS_IOC_IDT, rs_idt{.first = first, .count = count});
}

Reply<rs_settings> Debuggee::settings(const rs_settings& wanted) {
    return request_structure(RS_IOC_SETTINGS, wanted);
}

Reply<rs_ring> Debuggee::ring(const rs_ring& request) {
    return request_structure(RS_IOC_RING, request);
}

int Debuggee::descriptor() const {
    return is_connected() ? connection_->descriptor() : -1;
}

Reply<Evaluation> Debuggee::eval(std::span<const std::byte> program, std::size_t text_room) {
    std::vector<std::byte> image(sizeof(rs_eval) + padded(std::max(program.size(), text_room)));
    rs_eval header{};
    header.size = sizeof(header);
    header.total_len = image.size();
    header.program_len = static_cast<std::uint32_t>(program.size());
    std::memcpy(image.data(), &header, sizeof(header));
    std::ranges::copy(program, image.begin() + sizeof(header));
    const auto done = request(RS_IOC_EVAL, image);
    header = read_at<rs_eval>(image);
    if (!done)
        return with_code(done.failure(), header.error);
    if (header.text_len > image.size() - sizeof(header))
        return Failure{.kind = Failure::Kind::kMalformed};
    const auto* text = reinterpret_cast<const char*>(image.data() + sizeof(header));
    return Evaluation{.header = header, .text = {text, header.text_len}};
}

}  // namespace ringside::debuggee
