// SPDX-License-Identifier: GPL-3.0-or-later
#include "support/engine_module.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "event/adoption.hpp"
#include "event/pipeline.hpp"
#include "event/registry.hpp"
#include "ringside/ioctl.h"
#include "support/error_number.hpp"
#include "support/fake_code.hpp"
#include "support/fake_guest.hpp"

namespace ringside::test {
namespace {

class EngineFile;

/// Ordinary memory; guest context and root see it at the same address.
class HeapMemory final : public event::SharedMemory {
public:
    void* allocate(usize bytes) override {
        const usize size = (bytes + kPage - 1) / kPage * kPage;
        void* const memory = std::aligned_alloc(kPage, size);
        if (memory)
            std::memset(memory, 0, size);
        return memory;
    }
    void release(void* memory, usize) override { std::free(memory); }
    void* allocate_for_user(usize bytes) override { return allocate(bytes); }
    void release_for_user(void* memory, usize bytes) override { release(memory, bytes); }
    s64 root_delta() override { return 0; }

private:
    static constexpr usize kPage = 4096;
};

constexpr u32 kLastProcess = 1;

// The kernel's names, for '!idt' and the assembler.
constexpr u64 kHandlers = 0xffff'ffff'81e0'0000;
constexpr u64 kHandlerBytes = 0x10;
constexpr u64 kJiffies = 0xffff'ffff'82a0'6c00;

u32 find_symbol(rs_symbol& symbol) {
    const std::string_view name{symbol.name, strnlen(symbol.name, sizeof(symbol.name))};
    if (!name.empty()) {
        symbol.address = kJiffies;
        return name == "jiffies" ? RS_OK : RS_ERR_NO_SYMBOL;
    }
    const u64 vector = (symbol.address - kHandlers) / kHandlerBytes;
    if (symbol.address < kHandlers || vector > 0xff)
        return RS_ERR_NO_SYMBOL;
    const std::string text = vector == 0xec   ? "asm_sysvec_apic_timer_interrupt+0x0/0x20"
                             : vector == 0x30 ? "irq_entry+0x10/0x40 [nvme]"
                                              : "asm_common+0x0/0x10";
    std::memcpy(symbol.name, text.c_str(), text.size() + 1);
    return RS_OK;
}

class SmallMachine final : public event::Machine {
public:
    explicit SmallMachine(u32 cores) : cores_{cores} {}
    bool core_exists(u32 core) override { return core < cores_; }
    bool pid_exists(u32 pid) override { return pid <= kLastProcess; }

private:
    u32 cores_;
};

/// What one load holds.
struct Load {
    HeapMemory memory;
    std::unique_ptr<event::Engine> engine = std::make_unique<event::Engine>();
    std::unique_ptr<event::Registry> registry = std::make_unique<event::Registry>();

    ~Load() {
        registry->close();
        engine->close();
    }
    void adopt_all() {
        for (u32 core = 0; core < engine->core_count(); ++core)
            event::adopt(*engine->core(core).in_root());
        registry->reclaim();
    }
};

template <class T>
T read_front(std::span<const std::byte> bytes) {
    T value;
    std::memcpy(&value, bytes.data(), sizeof(value));
    return value;
}

template <class T>
void write_front(std::span<std::byte> bytes, const T& value) {
    std::memcpy(bytes.data(), &value, sizeof(value));
}

u8* raw(std::span<std::byte> bytes) {
    return reinterpret_cast<u8*>(bytes.data());
}

template <class T>
u32 code_of(const Result<T>& result) {
    return result ? static_cast<u32>(RS_OK) : static_cast<u32>(result.error().code);
}

}  // namespace

struct EngineModule::State {
    explicit State(u32 core_count) : cores{core_count}, machine{core_count} {
        for (u32 core = 0; core < cores; ++core)
            guests.push_back(std::make_unique<FakeGuest>(core));
    }

    u32 load(const rs_load& request);

    u32 cores;
    SmallMachine machine;
    std::vector<std::unique_ptr<FakeGuest>> guests;
    std::unique_ptr<Load> loaded;
    std::vector<EngineFile*> files;
    u32 next_client = 1;
    u64 processes_began_ns = 1;
};

namespace {

class EngineFile final : public transport::DeviceFile {
public:
    explicit EngineFile(std::shared_ptr<EngineModule::State> state)
        : state_{std::move(state)},
          client_{state_->next_client++},
          readiness_{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)} {
        state_->files.push_back(this);
        if (state_->loaded)
            attach();
    }

    ~EngineFile() override {
        if (state_->loaded) {
            state_->loaded->registry->remove_client(client_);
            state_->loaded->adopt_all();
            state_->loaded->engine->rings().remove_owner(client_);
        }
        std::erase(state_->files, this);
        ::close(readiness_);
    }

    /// Reads from the rings of a new load from now on.
    void attach() {
        state_->loaded->engine->rings().add_owner(client_);
        reader_.init(state_->loaded->engine->rings(), client_);
    }

    void wake_if_readable() {
        const std::uint64_t one = 1;
        if (reader_.peek())
            (void)!::write(readiness_, &one, sizeof(one));
    }

    int request(std::uint32_t request, std::span<std::byte> argument) override {
        if (request == RS_IOC_VERSION) {
            write_front(argument, version());
            return 0;
        }
        if (request == RS_IOC_LOAD || request == RS_IOC_UNLOAD)
            return answer<rs_load>(argument, [&](rs_load& load) {
                return request == RS_IOC_LOAD ? this->load(load) : unload(load);
            });
        if (request == RS_IOC_MODIFY_EVENT)
            return answer<rs_modify_event>(argument, [&](rs_modify_event& modify) {
                return if_loaded([&] { return code_of(state_->loaded->registry->modify(modify)); });
            });
        if (request == RS_IOC_EVENT_STAT)
            return answer<rs_event_stat>(argument, [&](rs_event_stat& stat) {
                return if_loaded([&] { return code_of(state_->loaded->registry->stat(stat)); });
            });
        if (request == RS_IOC_SETTINGS)
            return answer<rs_settings>(argument, [&](rs_settings& settings) {
                return if_loaded([&] {
                    event::Limits limits = state_->loaded->engine->limits();
                    if (!event::take_limits(settings, limits))
                        return u32{RS_ERR_BAD_IMAGE};
                    state_->loaded->engine->set_limits(limits);
                    event::tell_limits(limits, settings);
                    return u32{RS_OK};
                });
            });
        if (request == RS_IOC_SYMBOL)
            return answer<rs_symbol>(argument, find_symbol);
        if (request == RS_IOC_IDT)
            return answer<rs_idt>(argument, [](rs_idt& table) {
                for (u32 i = 0; i < table.count; ++i)
                    table.handler[i] = kHandlers + (table.first + i) * kHandlerBytes;
                return u32{RS_OK};
            });
        if (request == RS_IOC_PROCESS)
            return answer<rs_process>(argument, [&](rs_process& process) {
                process.start_ns = state_->processes_began_ns;
                std::memcpy(process.name, process.pid == 1 ? "init" : "a\x1b[m", 5);
                return u32{process.pid <= kLastProcess ? RS_OK : RS_ERR_BAD_PID};
            });
        if (request == RS_IOC_FLUSH)
            return answer<rs_flush>(argument, [&](rs_flush& flush) {
                return if_loaded([&] {
                    state_->loaded->engine->announce();
                    state_->loaded->adopt_all();
                    flush.count = (flush.flags & RS_FLUSHF_HAND_OVER) != 0
                                      ? 0
                                      : state_->loaded->engine->rings().discard_all();
                    return u32{RS_OK};
                });
            });
        if (request == RS_IOC_REGISTER_EVENT)
            return answer<rs_event_detail>(argument, [&](rs_event_detail& detail) {
                return if_loaded([&] { return add(argument, detail); });
            });
        if (request == RS_IOC_ADD_ACTION)
            return answer<rs_action>(argument, [&](rs_action&) {
                return if_loaded([&] {
                    return code_of(
                        state_->loaded->registry->add_action({raw(argument), argument.size()}));
                });
            });
        if (request == RS_IOC_LIST_EVENTS)
            return answer<rs_event_list>(argument, [&](rs_event_list& list) {
                const auto room = argument.subspan(sizeof(list));
                return if_loaded([&] {
                    return code_of(state_->loaded->registry->list(list, {raw(room), room.size()}));
                });
            });
        if (request == RS_IOC_EVAL)
            return answer<rs_eval>(argument, [&](rs_eval& eval) {
                return if_loaded([&] { return evaluate(argument.subspan(sizeof(eval)), eval); });
            });
        return ENOTTY;
    }

    ReadResult read(std::span<std::byte> into) override {
        std::size_t used = 0;
        while (state_->loaded) {
            const ring::Record record = reader_.peek();
            if (!record)
                break;
            if (record.read_bytes() > into.size() - used) {
                if (used == 0)
                    return {.error_number = EMSGSIZE};
                return {.bytes = used};
            }
            std::memcpy(into.data() + used, record.header, record.read_bytes());
            used += record.read_bytes();
            reader_.consume();
        }
        std::uint64_t count = 0;
        (void)!::read(readiness_, &count, sizeof(count));
        if (used == 0)
            return {.error_number = EAGAIN};
        return {.bytes = used};
    }

    int poll_descriptor() const override { return readiness_; }

private:
    /// Lets `carry_out` change a copy of the structure in front and writes it back with its error.
    template <class T, class CarryOut>
    static int answer(std::span<std::byte> argument, CarryOut carry_out) {
        T structure = read_front<T>(argument);
        structure.error = carry_out(structure);
        write_front(argument, structure);
        return error_number_of(structure.error);
    }

    template <class CarryOut>
    u32 if_loaded(CarryOut carry_out) {
        if (!state_->loaded)
            return RS_ERR_NOT_LOADED;
        const u32 code = carry_out();
        state_->loaded->adopt_all();
        return code;
    }

    rs_version version() const {
        rs_version version{};
        version.size = sizeof(version);
        version.abi = RS_ABI_VERSION;
        version.vendor = RS_VENDOR_SVM;
        version.cores_online = state_->cores;
        version.cores_possible = state_->cores;
        version.state = state_->loaded ? RS_STATE_LOADED : 0;
        version.capabilities = RS_CAP_INTERRUPT_EVENTS | RS_CAP_SCRIPTS;
        std::strncpy(version.release, RS_RELEASE, sizeof(version.release) - 1);
        std::strncpy(version.kernel, "6.1.0-loopback", sizeof(version.kernel) - 1);
        std::strncpy(version.host_name, "loopback", sizeof(version.host_name) - 1);
        version.tsc_khz = 1'000'000;
        return version;
    }

    u32 load(rs_load& request) {
        request.error_core = RS_ANY;
        const u32 code = state_->load(request);
        if (code == RS_OK)
            request.cores = state_->cores;
        return code;
    }

    u32 unload(rs_load& request) {
        request.error_core = RS_ANY;
        if (!state_->loaded)
            return RS_ERR_NOT_LOADED;
        if (state_->files.size() > 1)
            return RS_ERR_OTHER_CLIENTS;
        state_->loaded.reset();
        return RS_OK;
    }

    u32 add(std::span<std::byte> argument, rs_event_detail& detail) {
        if (detail.total_len > argument.size())
            return RS_ERR_BAD_IMAGE;
        const auto tag = state_->loaded->registry->add({raw(argument), detail.total_len}, client_);
        if (!tag)
            return tag.error().code;
        detail.tag = *tag;
        detail.event_id = static_cast<u32>(*tag - RS_TAG_BASE);
        return RS_OK;
    }

    u32 evaluate(std::span<std::byte> tail, rs_eval& eval) {
        if (eval.program_len > tail.size())
            return RS_ERR_BAD_IMAGE;
        event::Registry& registry = *state_->loaded->registry;
        const auto prepared = registry.prepare_evaluation({raw(tail), eval.program_len},
                                                          static_cast<u32>(tail.size()));
        if (!prepared)
            return prepared.error().code;
        event::Evaluation& evaluation = **prepared;
        event::evaluate(*state_->loaded->engine->core(0).in_root(), evaluation, *state_->guests[0]);
        eval.value = evaluation.result.last_value;
        eval.script_error = static_cast<u32>(evaluation.result.error);
        eval.error_pc = evaluation.result.pc;
        eval.error_value = evaluation.result.value;
        eval.core = evaluation.core;
        eval.text_len = evaluation.text_len;
        std::memcpy(tail.data(), evaluation.text_in_guest, evaluation.text_len);
        registry.release_evaluation(&evaluation);
        return RS_OK;
    }

    std::shared_ptr<EngineModule::State> state_;
    u32 client_;
    int readiness_;
    ring::MergedReader reader_;
};

}  // namespace

u32 EngineModule::State::load(const rs_load& request) {
    if (request.abi != RS_ABI_VERSION)
        return RS_ERR_ABI_MISMATCH;
    if (loaded)
        return RS_ERR_ALREADY_LOADED;
    if (files.size() > 1)
        return RS_ERR_OTHER_CLIENTS;
    auto fresh = std::make_unique<Load>();
    event::EngineSettings settings;
    settings.core_count = cores;
    settings.tsc_khz = 1'000'000;
    if (request.msg_ring_kb != 0)
        settings.ring_bytes = u64{request.msg_ring_kb} * 1024;
    if (request.script_budget != 0)
        settings.limits.script_budget = request.script_budget;
    if (request.script_time_us != 0)
        settings.limits.script_time_us = request.script_time_us;
    if (const auto opened = fresh->engine->open(fresh->memory, settings); !opened)
        return opened.error().code;
    if (const auto opened = fresh->registry->open(*fresh->engine, machine); !opened)
        return opened.error().code;
    for (u32 core = 0; core < cores; ++core)
        fresh->engine->set_participating(core, true);
    fresh->adopt_all();
    loaded = std::move(fresh);
    for (EngineFile* file : files)
        file->attach();
    return RS_OK;
}

EngineModule::EngineModule(std::uint32_t cores) : state_{std::make_shared<State>(cores)} {}

EngineModule::~EngineModule() = default;

transport::DeviceOpener EngineModule::opener() const {
    return [state = state_]() -> transport::OpenedDevice {
        return {.file = std::make_unique<EngineFile>(state)};
    };
}

void EngineModule::replace_processes() {
    ++state_->processes_began_ns;
}

std::size_t EngineModule::open_files() const {
    return state_->files.size();
}

bool EngineModule::is_loaded() const {
    return state_->loaded != nullptr;
}

void EngineModule::arrive(std::uint32_t core, std::uint8_t vector, std::uint32_t pid) {
    if (!state_->loaded)
        return;
    FakeGuest& guest = *state_->guests[core];
    guest.task[script::TaskValue::kPid] = pid;
    event::CoreState& on_core = *state_->loaded->engine->core(core).in_root();
    if (event::needs_adoption(on_core))
        event::adopt(on_core);
    FakeCode code;
    const event::Verdict verdict = event::count_arrival(on_core, vector)
                                       ? event::run_pre_stage(on_core, vector, guest, code)
                                       : event::Verdict::kDeliver;
    if (verdict == event::Verdict::kDeliverWithPost)
        event::run_post_stage(on_core, vector, guest, code);
    (verdict == event::Verdict::kIgnore ? on_core.stats->ignored : on_core.stats->delivered).add(1);
    for (EngineFile* file : state_->files)
        file->wake_if_readable();
}

}  // namespace ringside::test
