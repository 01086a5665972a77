// SPDX-License-Identifier: GPL-3.0-or-later
// A machine in Debugger Mode without a processor: threads as cores, each going through the real way
// back to its guest, the real event engine, and the real debugger of core/debug at one end of
// shared memory. Who has the other end is the test's business.
#pragma once

#include <sys/mman.h>

#include <atomic>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <thread>

#include "debug/debugger.hpp"
#include "event/registry.hpp"
#include "support/fake_machine.hpp"

namespace ringside::test {

class DebuggedMachine : public FakeMachine {
public:
    static constexpr u64 kTicksPerMs = 2'000'000;
    static constexpr u64 kSharedBytes = 0x100000;

    /// @param shared  memory of kSharedBytes that is the link, null: some of its own
    explicit DebuggedMachine(u32 cores = 2, void* shared = nullptr) : FakeMachine{cores} {
        machine->short_circuit.ticks_per_ms = kTicksPerMs;
        debug::fill(machine->exits);
        machine_of_registry.cores = cores;
        engine->use_memory(held);
        EXPECT_TRUE(registry->open(*engine, machine_of_registry));
        own_shared = map(kSharedBytes);
        link_memory = shared != nullptr ? shared : own_shared;
        chunks = map(kChunks * event::Reserve::kChunkBytes);
        for (u32 i = 0; i < kChunks; ++i)
            EXPECT_TRUE(
                reserve->add_chunk(static_cast<u8*>(chunks) + i * event::Reserve::kChunkBytes));
        for (u32 core = 0; core < cores; ++core) {
            indices.push_back(std::make_unique<ring::Indices>());
            data.emplace_back(kRingBytes / sizeof(u64));
            u8* const bytes = reinterpret_cast<u8*>(data.back().data());
            consumers[core].init(indices.back().get(), bytes, kRingBytes);
            vcpu(core).core_state->link_producer.init(
                core, RootPointer<ring::Indices>::from_root(indices.back().get()),
                RootPointer<u8>::from_root(bytes), kRingBytes);
        }
        debug::Setup& setup = debugger->setup;
        setup.kind = RS_LINK_SHARED_MEMORY;
        setup.shared_address = reinterpret_cast<u64>(link_memory);
        setup.shared_bytes = kSharedBytes;
        setup.receive = bytes_of(receive);
        setup.send = bytes_of(send);
        setup.request = bytes_of(request);
        setup.reply = bytes_of(reply);
        setup.engine = engine.get();
        setup.registry = registry.get();
        setup.reserve = reserve.get();
        setup.consumers = consumers.data();
        setup.memory = {.reserve = reserve.get(),
                        .code_pool = nullptr,
                        .owned = &machine->owned,
                        .leftovers = nullptr,
                        .direct_map = 0,
                        .root_delta = 0,
                        .code_base = 0};
        setup.version.size = sizeof setup.version;
        setup.version.abi = RS_ABI_VERSION;
        setup.version.cores_online = setup.version.cores_possible = cores;
        setup.version.state = RS_STATE_LOADED;
        setup.version.vendor = RS_VENDOR_SVM;
        std::memcpy(setup.version.kernel, "6.1.0-fake", 11);
        std::memcpy(setup.version.host_name, "fake", 5);
        std::memcpy(setup.version.release, RS_RELEASE, sizeof RS_RELEASE);
    }
    ~DebuggedMachine() {
        stop();
        if (machine->debugger != nullptr)
            debugger->close(vcpu());
        // As guest context does when the vmm is unloaded.
        registry->clear_all();
        for (u32 core = 0; core < machine->core_count; ++core)
            event::adopt(*vcpu(core).core_state);
        registry->reclaim();
        registry->close();
        // Blocks of this context's that root mode let go of.
        for (debug::Leftover* next = debugger->leftovers(); next != nullptr;) {
            debug::Leftover* const leftover = next;
            next = leftover->next;
            held.release(leftover, leftover->bytes);
        }
        engine->close();
        munmap(chunks, kChunks * event::Reserve::kChunkBytes);
        munmap(own_shared, kSharedBytes);
    }

    u32 open() { return debugger->open(vcpu()); }

    /// The cores run their guests from now on.
    void start() {
        has_ended = false;
        running = machine->core_count;
        for (u32 core = 0; core < machine->core_count; ++core)
            threads.emplace_back([this, core] {
                run(core);
                --running;
            });
    }
    /// Also of a machine that stands: it is let go.
    void stop() {
        has_ended = true;
        for (; running != 0; std::this_thread::yield()) {
            if (!vcpu::is_halted(*machine))
                continue;
            std::atomic_ref<u32>(machine->halt.generation).store(0);
            std::atomic_ref<u32>(machine->halt.is_taken).store(0);
        }
        for (std::thread& thread : threads)
            thread.join();
        threads.clear();
    }
    /// Something happens to a core's guest, which the core takes notice of when it runs next.
    std::future<void> happen(u32 core, std::function<void()> what) {
        std::packaged_task<void()> task{std::move(what)};
        auto done = task.get_future();
        const std::lock_guard guard{mutex};
        jobs.emplace_back(core, std::move(task));
        return done;
    }
    std::future<void> interrupt(u32 core, u8 vector) {
        return happen(core, [this, core, vector] { (void)arrive(vector, core); });
    }

    debug::Debugger& get() { return *debugger; }
    u32 left() const { return u32(reserve->free_bytes()); }

    std::atomic<u64> steps[8] = {};          ///< of each guest
    std::function<void(u32 core)> on_round;  ///< on a core's thread, before its guest goes on
    void* link_memory = nullptr;
    std::unique_ptr<event::Reserve> reserve = std::make_unique<event::Reserve>();
    std::unique_ptr<event::Registry> registry = std::make_unique<event::Registry>();

private:
    static constexpr u32 kChunks = 8;
    static constexpr u64 kRingBytes = 64 * 1024;

    class RegistryMachine final : public event::Machine {
    public:
        u32 cores = 0;
        bool core_exists(u32 core) override { return core < cores; }
        bool pid_exists(u32) override { return true; }
    };
    /// Guest context's memory; what is released goes back to where it came from.
    class HeldMemory final : public event::SharedMemory {
    public:
        explicit HeldMemory(DebuggedMachine& machine) : machine_{machine} {}
        void* allocate(usize bytes) override { return machine_.memory.allocate(bytes); }
        void release(void* at, usize bytes) override {
            if (machine_.reserve->contains(at))
                machine_.reserve->release(at, bytes);
            else
                machine_.memory.release(at, bytes);
        }
        void* allocate_for_user(usize bytes) override { return allocate(bytes); }
        void release_for_user(void* at, usize bytes) override { release(at, bytes); }
        s64 root_delta() override { return 0; }

    private:
        DebuggedMachine& machine_;
    };

    static void* map(usize bytes) {
        void* const at =
            mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        EXPECT_NE(at, MAP_FAILED);
        return at;
    }
    static std::span<u8> bytes_of(std::vector<u64>& words) {
        return {reinterpret_cast<u8*>(words.data()), words.size() * sizeof(u64)};
    }

    void run(u32 core) {
        while (!has_ended) {
            if (auto job = take_job(core); job.valid())
                job();
            if (on_round)
                on_round(core);
            vcpu::settle_entry(vcpu(core));
            ++steps[core];
            std::this_thread::yield();
        }
    }
    std::packaged_task<void()> take_job(u32 core) {
        const std::lock_guard guard{mutex};
        for (auto job = jobs.begin(); job != jobs.end(); ++job)
            if (job->first == core) {
                auto task = std::move(job->second);
                jobs.erase(job);
                return task;
            }
        return {};
    }

    HeldMemory held{*this};
    RegistryMachine machine_of_registry;
    void* own_shared = nullptr;
    void* chunks = nullptr;
    std::vector<std::unique_ptr<ring::Indices>> indices;
    std::vector<std::vector<u64>> data;
    std::vector<ring::Consumer> consumers = std::vector<ring::Consumer>(vcpu::kMaxCores);
    std::vector<u64> receive = std::vector<u64>(debug::Debugger::kReceiveBytes / 8);
    std::vector<u64> send = std::vector<u64>(debug::Debugger::kSendBytes / 8);
    std::vector<u64> request = std::vector<u64>(2 * debug::Debugger::kRequestBytes / 8);
    std::vector<u64> reply = std::vector<u64>(debug::Debugger::kRequestBytes / 8);
    std::unique_ptr<debug::Debugger> debugger = std::make_unique<debug::Debugger>();
    std::mutex mutex;
    std::deque<std::pair<u32, std::packaged_task<void()>>> jobs;
    std::atomic<bool> has_ended = false;
    std::atomic<u32> running = 0;
    std::vector<std::thread> threads;
};

}  // namespace ringside::test
