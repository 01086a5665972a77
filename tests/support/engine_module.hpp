// SPDX-License-Identifier: GPL-3.0-or-later
// A module without a kernel whose events are the real ones: registration, scripts, counters and
// rings of core/event, with interrupts that the test raises. For what the whole program shows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "transport/device.hpp"

namespace ringside::test {

/// Cores are numbered from 0; processes 0 and 1 exist.
class EngineModule {
public:
    explicit EngineModule(std::uint32_t cores = 2);
    ~EngineModule();

    transport::DeviceOpener opener() const;
    std::size_t open_files() const;
    bool is_loaded() const;

    /// An interrupt of process `pid` on a core: runs the events it triggers, scripts included.
    /// Nothing happens while the hypervisor is not loaded.
    void arrive(std::uint32_t core, std::uint8_t vector, std::uint32_t pid = 1);

    /// All processes end, and others begin under their numbers.
    void replace_processes();

    struct State;

private:
    std::shared_ptr<State> state_;
};

}  // namespace ringside::test
