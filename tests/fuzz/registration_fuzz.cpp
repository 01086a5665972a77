// SPDX-License-Identifier: GPL-3.0-or-later
// Images that register an event, from strangers (API-5): refused ones leave nothing behind,
// accepted ones run on an arrival and leave nothing either. The first byte says what the rest is: 0
// mod 2 a registration, 1 mod 2 an action for an event that is there; for 2 mod 4 and more the
// lengths in its header are put right first.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <span>
#include <vector>

#include "base/bits.hpp"
#include "event/adoption.hpp"
#include "event/engine.hpp"
#include "event/pipeline.hpp"
#include "event/registry.hpp"
#include "ringside/version.h"
#include "support/fake_code.hpp"
#include "support/fake_guest.hpp"

namespace {

using namespace ringside;

constexpr u32 kClient = 1;

/// From the heap, so that the sanitizer watches every block; counts what lives.
class HeapMemory final : public event::SharedMemory {
public:
    void* allocate(usize bytes) override {
        bytes = align_up(bytes, kPageSize);
        void* const memory = std::aligned_alloc(kPageSize, bytes);
        std::memset(memory, 0, bytes);
        ++live_;
        return memory;
    }
    void release(void* memory, usize) override {
        std::free(memory);
        --live_;
    }
    void* allocate_for_user(usize bytes) override { return allocate(bytes); }
    void release_for_user(void* memory, usize bytes) override { release(memory, bytes); }
    s64 root_delta() override { return 0; }
    int live() const { return live_; }

private:
    int live_ = 0;
};

class OneCore final : public event::Machine {
public:
    bool core_exists(u32 core) override { return core == 0; }
    bool pid_exists(u32 pid) override { return pid <= 1; }
};

void require(bool holds, const char* what) {
    if (holds)
        return;
    std::fprintf(stderr, "%s\n", what);
    std::abort();
}

template <class T>
void put(std::vector<u8>& image, usize offset, T value) {
    if (offset + sizeof value <= image.size())
        std::memcpy(image.data() + offset, &value, sizeof value);
}

/// An engine that lives as long as the fuzzer.
struct World {
    HeapMemory memory;
    OneCore machine;
    event::Engine engine;
    event::Registry registry;
    test::FakeGuest guest{0};
    int at_rest = 0;

    World() {
        event::EngineSettings settings;
        settings.core_count = 1;
        settings.ring_bytes = ring::kMinimumBytes;
        settings.limits.script_budget = 20'000;
        require(bool(engine.open(memory, settings)) && bool(registry.open(engine, machine)),
                "open");
        engine.rings().add_owner(kClient);
        engine.set_participating(0, true);
        settle();
        at_rest = memory.live();
    }
    event::CoreState& core() { return *engine.core(0).in_root(); }
    void settle() {
        event::adopt(core());
        registry.reclaim();
    }
    void clear() {
        registry.clear_all();
        settle();
        (void)engine.rings().discard_all();
        require(registry.count() == 0, "an event is left");
        require(memory.live() == at_rest, "memory is left");
    }
};

/// An event without an action, for actions to be added to.
u64 add_bare_event(World& world) {
    rs_event_detail detail{};
    detail.size = sizeof detail;
    detail.abi = RS_ABI_VERSION;
    detail.total_len = sizeof detail;
    detail.event_type = RS_EVENT_EXTERNAL_INTERRUPT;
    detail.core_id = RS_ANY;
    detail.process_id = RS_ANY;
    detail.optional_param[0] = 0x30;
    const auto tag =
        world.registry.add({reinterpret_cast<const u8*>(&detail), sizeof detail}, kClient);
    require(bool(tag), "a bare event was refused");
    return *tag;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, usize size) {
    static World& world = *new World;
    if (size < 2)
        return 0;
    std::vector<u8> image(data + 1, data + size);
    const bool is_action = data[0] % 2 != 0;
    const bool put_right = data[0] % 4 >= 2;
    bool is_accepted = false;
    if (is_action) {
        const u64 tag = add_bare_event(world);
        if (put_right) {
            put(image, offsetof(rs_action, size), u32{sizeof(rs_action)});
            put(image, offsetof(rs_action, event_tag), tag);
        }
        is_accepted = bool(world.registry.add_action(image));
    } else {
        if (put_right) {
            put(image, offsetof(rs_event_detail, size), u32{sizeof(rs_event_detail)});
            put(image, offsetof(rs_event_detail, abi), RS_ABI_VERSION);
            put(image, offsetof(rs_event_detail, total_len), u64{image.size()});
        }
        is_accepted = bool(world.registry.add(image, kClient));
        require(is_accepted || world.registry.count() == 0, "a refused event is there");
    }
    if (is_accepted) {
        world.settle();
        test::FakeCode code;
        for (const u8 vector : {u8{0x30}, u8{0xff}}) {
            (void)event::count_arrival(world.core(), vector);
            (void)event::run_pre_stage(world.core(), vector, world.guest, code);
            event::run_post_stage(world.core(), vector, world.guest, code);
        }
    }
    world.clear();
    return 0;
}
