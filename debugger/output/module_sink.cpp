// SPDX-License-Identifier: GPL-3.0-or-later
#include "output/module_sink.hpp"

#include <dlfcn.h>

#include <memory>
#include <utility>

namespace ringside::output {
namespace {

constexpr const char* kExports[] = {"ringside_event_forwarding", "hyperdbg_event_forwarding"};

class ModuleSink final : public Sink {
public:
    ModuleSink(void* library, EventForwarding function) : library_{library}, function_{function} {}
    ~ModuleSink() override { unload(); }
    ModuleSink(const ModuleSink&) = delete;
    ModuleSink& operator=(const ModuleSink&) = delete;

    bool write(std::string_view bytes) override {
        if (library_ == nullptr)
            return false;
        text_ = bytes;
        function_(text_.c_str(), static_cast<unsigned>(text_.size()));
        return true;
    }

    std::size_t close() override {
        unload();
        return 0;
    }

private:
    void unload() {
        if (library_ != nullptr)
            ::dlclose(std::exchange(library_, nullptr));
    }

    void* library_;
    EventForwarding function_;
    std::string text_;  ///< kept, so that a message costs no allocation
};

}  // namespace

OpenedSink open_module(const std::string& path) {
    void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr)
        return {nullptr, ::dlerror()};
    for (const char* name : kExports)
        if (void* symbol = ::dlsym(library, name))
            return {
                std::make_shared<ModuleSink>(library, reinterpret_cast<EventForwarding>(symbol)),
                {}};
    // The sentence about the first name, which is ours.
    (void)::dlsym(library, kExports[0]);
    const char* sentence = ::dlerror();
    OpenedSink result{nullptr, sentence != nullptr ? sentence : "exports no event forwarding"};
    ::dlclose(library);
    return result;
}

}  // namespace ringside::output
