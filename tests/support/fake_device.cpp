// SPDX-License-Identifier: GPL-3.0-or-later
#include "support/fake_device.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <span>
#include <utility>

namespace ringside::test {
namespace {

class FakeFile;

struct FakeEvent {
    std::uint64_t tag = 0;
    FakeFile* owner = nullptr;
    rs_event_detail detail{};
    std::string command;
    bool is_enabled = true;
    std::uint64_t triggers = 0;
    std::uint64_t lost = 0;
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

std::size_t padded(std::size_t size) {
    return (size + 7) / 8 * 8;
}

/// What error.h says goes with a code.
int error_number_of(std::uint32_t code) {
    switch (code) {
#define RS_NUMBER(name, number, errno_name, text) \
    case number:                                  \
        return errno_name;
        RS_ERROR_TABLE(RS_NUMBER)
#undef RS_NUMBER
        default:
            return 0;
    }
}

}  // namespace

struct FakeModule::State {
    rs_version identity{};
    bool is_loaded = false;
    std::vector<FakeFile*> files;
    std::map<std::uint64_t, FakeEvent> events;
    std::uint64_t next_id = 0;
    std::uint64_t requests = 0;
    std::uint64_t reads = 0;
    std::uint64_t clock_ns = 0;
    std::map<std::uint32_t, std::uint64_t> next_sequence;  ///< by core
    int request_failure = 0;
    int open_failure = 0;
    int read_failure = 0;
    std::function<void(std::uint32_t)> hook;
    FakeLook look;
};

namespace {

class FakeFile final : public transport::DeviceFile {
public:
    explicit FakeFile(std::shared_ptr<FakeModule::State> state)
        : state_{std::move(state)}, readiness_{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)} {
        state_->files.push_back(this);
    }

    ~FakeFile() override {
        std::erase_if(state_->events, [this](const auto& entry) {
            return entry.second.owner == this && !(entry.second.detail.flags & RS_EVF_PERSIST);
        });
        std::erase(state_->files, this);
        ::close(readiness_);
    }

    int request(std::uint32_t request, std::span<std::byte> argument) override {
        ++state_->requests;
        if (state_->hook)
            state_->hook(request);
        if (const int failure = std::exchange(state_->request_failure, 0))
            return failure;
        switch (request) {
            case RS_IOC_VERSION: {
                rs_version version = state_->identity;
                version.state = state_->is_loaded ? RS_STATE_LOADED : 0;
                write_front(argument, version);
                return 0;
            }
            case RS_IOC_LOAD:
                return load(argument, true);
            case RS_IOC_UNLOAD:
                return load(argument, false);
            case RS_IOC_REGISTER_EVENT:
                return register_event(argument);
            case RS_IOC_MODIFY_EVENT:
                return modify_event(argument);
            case RS_IOC_LIST_EVENTS:
                return list_events(argument);
            case RS_IOC_EVENT_STAT:
                return event_stat(argument);
            case RS_IOC_EVAL: {
                auto eval = read_front<rs_eval>(argument);
                eval.error = state_->is_loaded ? RS_ERR_BAD_ACTION : RS_ERR_NOT_LOADED;
                write_front(argument, eval);
                return error_number_of(eval.error);
            }
            default:
                return FakeLook::is_look(request) ? look(request, argument) : ENOTTY;
        }
    }

    ReadResult read(std::span<std::byte> into) override {
        if (state_->read_failure != 0)
            return {.error_number = state_->read_failure};
        if (records_.empty()) {
            std::uint64_t count = 0;
            (void)!::read(readiness_, &count, sizeof(count));
            return {.error_number = EAGAIN};
        }
        if (records_.front().size() > into.size())
            return {.error_number = EMSGSIZE};
        std::size_t used = 0;
        while (!records_.empty() && records_.front().size() <= into.size() - used) {
            std::ranges::copy(records_.front(), into.begin() + static_cast<std::ptrdiff_t>(used));
            used += records_.front().size();
            unread_bytes_ -= records_.front().size();
            records_.pop_front();
        }
        ++state_->reads;
        return {.bytes = used};
    }

    int poll_descriptor() const override { return readiness_; }

    bool emit(FakeEvent& event, std::uint32_t core, std::string_view payload, std::uint16_t kind) {
        const bool fits = unread_bytes_ + sizeof(rs_msg) + padded(payload.size()) + sizeof(rs_msg) +
                              sizeof(std::uint64_t) <=
                          FakeModule::kRingBytes;
        if (!fits) {
            ++event.lost;
            return false;
        }
        if (const std::uint64_t lost = std::exchange(event.lost, 0)) {
            append(event, core, {reinterpret_cast<const char*>(&lost), sizeof(lost)}, RS_MSG_LOST);
        }
        append(event, core, payload, kind);
        return true;
    }

    void wake() const {
        const std::uint64_t one = 1;
        (void)!::write(readiness_, &one, sizeof(one));
    }

private:
    void append(const FakeEvent& event, std::uint32_t core, std::string_view payload,
                std::uint16_t kind) {
        rs_msg header{};
        header.len = static_cast<std::uint32_t>(payload.size());
        header.kind = kind;
        header.core = core;
        header.pid = 1;
        header.tag = event.tag;
        header.cookie = event.detail.cookie;
        header.time_ns = ++state_->clock_ns;
        header.seq = state_->next_sequence[core]++;
        std::vector<std::byte> record(sizeof(header) + padded(payload.size()));
        write_front(record, header);
        std::memcpy(record.data() + sizeof(header), payload.data(), payload.size());
        unread_bytes_ += record.size();
        records_.push_back(std::move(record));
        wake();
    }

    int look(std::uint32_t request, std::span<std::byte> argument) {
        if (state_->is_loaded || request == RS_IOC_SYMBOL_LIST)
            return error_number_of(state_->look.answer(request, argument));
        const std::uint32_t error = RS_ERR_NOT_LOADED;
        std::memcpy(argument.data() + sizeof(error), &error, sizeof(error));
        return error_number_of(error);
    }

    int load(std::span<std::byte> argument, bool wanted) {
        auto load = read_front<rs_load>(argument);
        if (load.abi != RS_ABI_VERSION)
            load.error = RS_ERR_ABI_MISMATCH;
        else if (state_->is_loaded == wanted)
            load.error = wanted ? RS_ERR_ALREADY_LOADED : RS_ERR_NOT_LOADED;
        else if (state_->files.size() > 1)
            load.error = RS_ERR_OTHER_CLIENTS;
        load.error_core = RS_ANY;
        if (load.error == 0) {
            state_->is_loaded = wanted;
            state_->events.clear();
            load.cores = state_->identity.cores_online;
        }
        write_front(argument, load);
        return error_number_of(load.error);
    }

    std::uint32_t check(const rs_event_detail& detail) const {
        if (detail.abi != RS_ABI_VERSION)
            return RS_ERR_ABI_MISMATCH;
        if (!state_->is_loaded)
            return RS_ERR_NOT_LOADED;
        if (detail.event_type != RS_EVENT_EXTERNAL_INTERRUPT)
            return RS_ERR_BAD_EVENT_TYPE;
        const std::uint64_t vector = detail.optional_param[0];
        if (vector != RS_VECTOR_ALL && (vector < RS_VECTOR_FIRST || vector > RS_VECTOR_LAST))
            return RS_ERR_BAD_INTERRUPT_INDEX;
        if (detail.core_id != RS_ANY && detail.core_id >= state_->identity.cores_online)
            return RS_ERR_BAD_CORE;
        if (detail.command_len > RS_MAX_COMMAND_BYTES)
            return RS_ERR_COMMAND_TOO_LARGE;
        return RS_OK;
    }

    int register_event(std::span<std::byte> argument) {
        auto detail = read_front<rs_event_detail>(argument);
        detail.error = check(detail);
        const std::size_t command_bytes = padded(detail.command_len);
        if (detail.error == 0 && sizeof(detail) + command_bytes > detail.total_len)
            detail.error = RS_ERR_BAD_IMAGE;
        if (detail.error == 0) {
            detail.event_id = static_cast<std::uint32_t>(state_->next_id);
            detail.tag = RS_TAG_BASE + state_->next_id++;
            FakeEvent& event = state_->events[detail.tag];
            event.tag = detail.tag;
            event.owner = this;
            event.detail = detail;
            event.is_enabled = !(detail.flags & RS_EVF_START_DISABLED);
            event.command.assign(
                reinterpret_cast<const char*>(argument.data()) + detail.total_len - command_bytes,
                detail.command_len);
        }
        write_front(argument, detail);
        return error_number_of(detail.error);
    }

    int modify_event(std::span<std::byte> argument) {
        auto modify = read_front<rs_modify_event>(argument);
        if (!state_->is_loaded) {
            modify.error = RS_ERR_NOT_LOADED;
            write_front(argument, modify);
            return error_number_of(modify.error);
        }
        const bool all = modify.tag == RS_TAG_ALL;
        if (modify.action > RS_MODIFY_CLEAR)
            modify.error = RS_ERR_BAD_MODIFY;
        else if (!all && !state_->events.contains(modify.tag))
            modify.error = RS_ERR_NO_SUCH_EVENT;
        if (modify.error == 0) {
            for (auto& [tag, event] : state_->events) {
                if (!all && tag != modify.tag)
                    continue;
                if (modify.action == RS_MODIFY_ENABLE || modify.action == RS_MODIFY_DISABLE)
                    event.is_enabled = modify.action == RS_MODIFY_ENABLE;
                modify.is_enabled = event.is_enabled;
            }
            if (modify.action == RS_MODIFY_CLEAR) {
                std::erase_if(state_->events,
                              [&](const auto& entry) { return all || entry.first == modify.tag; });
            }
        }
        write_front(argument, modify);
        return error_number_of(modify.error);
    }

    int list_events(std::span<std::byte> argument) {
        auto list = read_front<rs_event_list>(argument);
        if (!state_->is_loaded) {
            list.error = RS_ERR_NOT_LOADED;
            write_front(argument, list);
            return error_number_of(list.error);
        }
        std::size_t used = sizeof(list);
        list.count = 0;
        list.next_tag = 0;
        for (const auto& [tag, event] : state_->events) {
            if (tag < list.first_tag)
                continue;
            rs_event_entry entry{};
            const std::size_t size = sizeof(entry) + padded(event.command.size());
            if (used + size > list.total_len) {
                list.next_tag = tag;
                break;
            }
            entry.tag = tag;
            entry.cookie = event.detail.cookie;
            entry.event_type = event.detail.event_type;
            entry.stage = event.detail.stage;
            entry.core_id = event.detail.core_id;
            entry.process_id = event.detail.process_id;
            entry.vector = event.detail.optional_param[0];
            entry.flags = event.detail.flags;
            entry.is_enabled = event.is_enabled;
            entry.action_count = event.detail.action_count;
            entry.command_len = static_cast<std::uint32_t>(event.command.size());
            write_front(argument.subspan(used), entry);
            std::memcpy(argument.data() + used + sizeof(entry), event.command.data(),
                        event.command.size());
            used += size;
            ++list.count;
        }
        list.used_len = used;
        write_front(argument, list);
        return 0;
    }

    int event_stat(std::span<std::byte> argument) {
        auto stat = read_front<rs_event_stat>(argument);
        if (!state_->is_loaded) {
            stat.error = RS_ERR_NOT_LOADED;
            write_front(argument, stat);
            return error_number_of(stat.error);
        }
        if (stat.kind == RS_STAT_CORE) {
            stat.error = stat.tag < state_->identity.cores_online ? RS_OK : RS_ERR_BAD_CORE;
            stat.is_virtualized = state_->is_loaded;
        } else if (const auto found = state_->events.find(stat.tag);
                   found != state_->events.end()) {
            stat.arrivals = found->second.triggers;
            stat.triggers_pre = found->second.triggers;
            stat.lost_messages = found->second.lost;
        } else {
            stat.error = RS_ERR_NO_SUCH_EVENT;
        }
        write_front(argument, stat);
        return error_number_of(stat.error);
    }

    std::shared_ptr<FakeModule::State> state_;
    int readiness_;
    std::deque<std::vector<std::byte>> records_;
    std::size_t unread_bytes_ = 0;
};

}  // namespace

FakeModule::FakeModule() : state_{std::make_shared<State>()} {
    rs_version& identity = state_->identity;
    identity.size = sizeof(identity);
    identity.abi = RS_ABI_VERSION;
    identity.vendor = RS_VENDOR_SVM;
    identity.cores_online = 2;
    identity.cores_possible = 2;
    identity.capabilities = RS_CAP_INTERRUPT_EVENTS | RS_CAP_SCRIPTS;
    std::strncpy(identity.release, RS_RELEASE, sizeof(identity.release) - 1);
    std::strncpy(identity.kernel, "6.1.0-fake", sizeof(identity.kernel) - 1);
    std::strncpy(identity.host_name, "loopback", sizeof(identity.host_name) - 1);
}

FakeModule::~FakeModule() = default;

transport::DeviceOpener FakeModule::opener() const {
    return [state = state_]() -> transport::OpenedDevice {
        if (const int failure = std::exchange(state->open_failure, 0))
            return {.file = nullptr, .error_number = failure};
        return {.file = std::make_unique<FakeFile>(state)};
    };
}

std::size_t FakeModule::open_files() const {
    return state_->files.size();
}
bool FakeModule::is_loaded() const {
    return state_->is_loaded;
}
std::size_t FakeModule::event_count() const {
    return state_->events.size();
}
std::uint64_t FakeModule::request_count() const {
    return state_->requests;
}
std::uint64_t FakeModule::read_count() const {
    return state_->reads;
}
FakeLook& FakeModule::look() {
    return state_->look;
}
rs_version& FakeModule::identity() {
    return state_->identity;
}

bool FakeModule::emit(std::uint64_t tag, std::uint32_t core, std::string_view payload,
                      std::uint16_t kind) {
    const auto found = state_->events.find(tag);
    return found != state_->events.end() &&
           found->second.owner->emit(found->second, core, payload, kind);
}

std::size_t FakeModule::tick(std::uint32_t vector, std::uint32_t core, std::string_view text) {
    std::size_t count = 0;
    for (auto& [tag, event] : state_->events) {
        const rs_event_detail& detail = event.detail;
        const bool covers_vector =
            detail.optional_param[0] == RS_VECTOR_ALL || detail.optional_param[0] == vector;
        const bool covers_core = detail.core_id == RS_ANY || detail.core_id == core;
        if (!event.is_enabled || !covers_vector || !covers_core)
            continue;
        ++event.triggers;
        event.owner->emit(event, core, text, RS_MSG_TEXT);
        ++count;
    }
    return count;
}

void FakeModule::fail_next_request(int error_number) {
    state_->request_failure = error_number;
}

void FakeModule::fail_next_open(int error_number) {
    state_->open_failure = error_number;
}

void FakeModule::fail_reads(int error_number) {
    state_->read_failure = error_number;
    for (const FakeFile* file : state_->files)
        file->wake();
}

void FakeModule::on_request(std::function<void(std::uint32_t)> hook) {
    state_->hook = std::move(hook);
}

}  // namespace ringside::test
