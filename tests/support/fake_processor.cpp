// SPDX-License-Identifier: GPL-3.0-or-later
#include "support/fake_processor.hpp"

#include <gtest/gtest.h>

#include <mutex>

#include "x86/instructions.hpp"

namespace ringside {
namespace {

test::FakeProcessor* the_processor = nullptr;

test::FakeProcessor& processor() {
    EXPECT_NE(the_processor, nullptr) << "a privileged instruction without a processor";
    return *the_processor;
}

}  // namespace

namespace test {

FakeProcessor::FakeProcessor() {
    EXPECT_EQ(the_processor, nullptr);
    the_processor = this;
}
FakeProcessor::~FakeProcessor() {
    the_processor = nullptr;
}
FakeProcessor* FakeProcessor::current() {
    return the_processor;
}

}  // namespace test

namespace x86 {

u64 read_msr(u32 msr) {
    EXPECT_TRUE(processor().msrs.contains(msr)) << "#GP in root mode: RDMSR " << msr;
    return processor().msrs[msr];
}
void write_msr(u32 msr, u64 value) {
    {
        // Cores may be threads that send each other interrupts.
        static std::mutex mutex;
        const std::lock_guard guard{mutex};
        EXPECT_TRUE(processor().msrs.contains(msr)) << "#GP in root mode: WRMSR " << msr;
        processor().msrs[msr] = value;
    }
    if (processor().on_write_msr)
        processor().on_write_msr(msr, value);
}
u64 read_control_register(u32 number) {
    return processor().cr[number];
}
void write_control_register(u32 number, u64 value) {
    processor().cr[number] = value;
    processor().control_writes.emplace_back(number, value);
}
u64 read_debug_register(u32 number) {
    return processor().dr[number];
}
void write_debug_register(u32 number, u64 value) {
    processor().dr[number] = value;
}
void out_byte(u16 port, u8 value) {
    if (processor().on_out)
        return processor().on_out(port, value);
    constexpr u16 kDebugPort = 0xe9;
    EXPECT_EQ(port, kDebugPort);
    processor().debug_port += char(value);
}
u8 in_byte(u16 port) {
    return the_processor != nullptr && the_processor->on_in ? the_processor->on_in(port) : u8{0xff};
}
u32 read_device(u64 address) {
    if (the_processor != nullptr && the_processor->on_read_device)
        return the_processor->on_read_device(address);
    return *reinterpret_cast<const volatile u32*>(address);
}
void write_device(u64 address, u32 value) {
    if (the_processor != nullptr && the_processor->on_write_device)
        return the_processor->on_write_device(address, value);
    *reinterpret_cast<volatile u32*>(address) = value;
}
void write_back_caches() {
    ++processor().cache_write_backs;
}
void save_vectors(void* to) {
    *static_cast<u64*>(to) = processor().vectors;
}
void restore_vectors(const void* from) {
    processor().vectors = *static_cast<const u64*>(from);
}
void drop_translation(u64 address) {
    processor().dropped_translations.push_back(address);
}
void reload_page_table() {
    ++processor().page_table_loads;
}
void load_gdt(const DescriptorTable& table) {
    processor().gdt_limit = table.limit;
}

}  // namespace x86
}  // namespace ringside
