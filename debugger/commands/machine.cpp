// SPDX-License-Identifier: GPL-3.0-or-later
// !idt, !apic, !ioapic, cpu, rdmsr, wrmsr, !pte, !va2pa, !pa2va: the machine below the kernel.
#include <fmt/format.h>

#include <map>

#include "commands/disassembly.hpp"
#include "commands/evaluation.hpp"
#include "commands/interrupt_controllers.hpp"
#include "commands/number.hpp"
#include "commands/processor.hpp"
#include "commands/symbol_names.hpp"

namespace ringside::commands {
namespace {

constexpr u32 kEntries = 256;

Outcome run_idt(Session& session, const Invocation& invocation) {
    if (!session.require_connection(invocation))
        return Outcome::kFailed;
    u32 first = 0, end = kEntries;
    if (!invocation.words.empty()) {
        const Token& word = invocation.words[0];
        const Number number = parse_number(word.text);
        if (number.status != NumberStatus::kOk || number.value >= kEntries)
            return session.fail(
                invocation,
                {"entry must be 0x0 to 0xff, not " + in_quotes(word.text), word.begin, {}});
        first = static_cast<u32>(number.value);
        end = first + 1;
    }
    const bool names_addresses = session.settings().is_on(Setting::kAddressConversion);
    std::string text = "IDT Entries:\n";
    std::map<u64, std::string> names;  // many entries share a handler
    for (u32 at = first; at < end; at += RS_IDT_CHUNK) {
        const u32 count = std::min(end - at, RS_IDT_CHUNK);
        const auto chunk = session.debuggee().idt(at, count);
        if (!chunk)
            return session.request_failed(chunk.failure());
        for (u32 i = 0; i < count; ++i) {
            const u64 handler = chunk->handler[i];
            auto known = names.find(handler);
            if (known == names.end()) {
                const auto symbol = session.debuggee().symbol_at(handler);
                if (!symbol && symbol.failure().code != RS_ERR_NO_SYMBOL)
                    return session.request_failed(symbol.failure());
                known = names.emplace(handler, symbol ? parse_symbol(*symbol).text() : "").first;
            }
            text += fmt::format("{:<14}: {}", fmt::format("IDT[0x{0:x}:{0}]", at + i),
                                address_text(handler));
            text += known->second.empty() || !names_addresses
                        ? "\n"
                        : fmt::format("     {}\n", known->second);
        }
    }
    session.output().text(text);
    return Outcome::kOk;
}

Outcome run_local_apic(Session& session, const Invocation& invocation) {
    if (const Outcome loaded = session.require_vmm(invocation); loaded != Outcome::kOk)
        return loaded;
    const auto apic = session.debuggee().local_apic();
    if (!apic)
        return session.request_failed(apic.failure());
    session.output().text(local_apic_text(*apic));
    return Outcome::kOk;
}

Outcome run_io_apic(Session& session, const Invocation& invocation) {
    if (const Outcome loaded = session.require_vmm(invocation); loaded != Outcome::kOk)
        return loaded;
    std::string text;
    for (u32 index = 0, count = 1; index < count; ++index) {
        const auto apic = session.debuggee().io_apic(index);
        if (!apic && index == 0 && apic.failure().code == RS_ERR_NO_SUCH_DEVICE)
            return session.fail(invocation, {"this machine has no IO-APIC", {}, {}});
        if (!apic)
            return session.request_failed(apic.failure());
        text += io_apic_text(*apic);
        count = apic->count;
    }
    session.output().text(text);
    return Outcome::kOk;
}

Outcome run_cpu(Session& session, const Invocation& invocation) {
    if (const Outcome loaded = session.require_vmm(invocation); loaded != Outcome::kOk)
        return loaded;
    std::optional<debuggee::Failure> failure;
    const std::string text = processor_text([&](u32 leaf, u32 subleaf) {
        const auto answer = session.debuggee().cpuid(leaf, subleaf);
        if (!answer && !failure)
            failure = answer.failure();
        return answer ? *answer : rs_cpuid{};
    });
    if (failure)
        return session.request_failed(*failure);
    session.output().text(text);
    return Outcome::kOk;
}

/// The cores behind "core": one, or all there may be. Nothing with the error told.
std::optional<std::vector<u32>> read_cores(Session& session, const Invocation& invocation,
                                           const Parts& parts) {
    const std::span<const Token> words = parts.behind("core");
    if (words.size() > 1) {
        (void)session.wrong_use(invocation, &words[1]);
        return std::nullopt;
    }
    std::vector<u32> cores;
    if (words.empty()) {
        for (u32 core = 0; core < session.debuggee().identity().cores_possible; ++core)
            cores.push_back(core);
        return cores;
    }
    const auto core = read_number(session, invocation, words[0], "core", 0, RS_ANY - 1);
    if (!core)
        return std::nullopt;
    cores.push_back(static_cast<u32>(*core));
    return cores;
}

/// Does something to an MSR of each core that is there. `act`: (core) gives a reply.
template <class Act>
Outcome for_each_core(Session& session, const Invocation& invocation, const Parts& parts, u32 msr,
                      std::string_view refused, Act act) {
    const auto cores = read_cores(session, invocation, parts);
    if (!cores)
        return Outcome::kFailed;
    const bool is_chosen = !parts.behind("core").empty();
    for (const u32 core : *cores) {
        const auto answer = act(core);
        if (answer)
            continue;
        const u32 code = answer.failure().code;
        if (code == RS_ERR_BAD_CORE && !is_chosen)
            continue;  // offline
        if (code == RS_ERR_BAD_CORE)
            return session.fail(invocation, {answer.failure().text(), parts.behind("core")[0].begin,
                                             "'status' tells how many there are"});
        if (code == RS_ERR_BAD_MSR)
            return session.fail(invocation, {fmt::format("msr {:x} not {} ({:08x})", msr, refused,
                                                         u32{RS_ERR_BAD_MSR}),
                                             parts.front()[0].begin,
                                             {}});
        return session.request_failed(answer.failure());
    }
    return Outcome::kOk;
}

Outcome run_rdmsr(Session& session, const Invocation& invocation) {
    const auto parts = Parts::split(session, invocation, {"core"});
    if (!parts)
        return Outcome::kFailed;
    if (parts->front().size() != 1)
        return session.wrong_use(invocation, parts->front().empty() ? nullptr : &parts->front()[1]);
    const auto msr = read_number(session, invocation, parts->front()[0], "msr", 0, 0xffff'ffff);
    if (!msr)
        return Outcome::kFailed;
    if (const Outcome loaded = session.require_vmm(invocation); loaded != Outcome::kOk)
        return loaded;
    const auto number = static_cast<u32>(*msr);
    return for_each_core(session, invocation, *parts, number, "readable", [&](u32 core) {
        const auto answer = session.debuggee().read_msr(number, core);
        if (answer)
            session.output().text(fmt::format("core : 0x{:x} - msr[{:x}] = {}\n", core, number,
                                              address_text(answer->value)));
        return answer;
    });
}

Outcome run_wrmsr(Session& session, const Invocation& invocation) {
    const auto parts = Parts::split(session, invocation, {"core"});
    if (!parts)
        return Outcome::kFailed;
    if (parts->front().size() != 2)
        return session.wrong_use(invocation,
                                 parts->front().size() > 2 ? &parts->front()[2] : nullptr);
    const auto msr = read_number(session, invocation, parts->front()[0], "msr", 0, 0xffff'ffff);
    if (!msr)
        return Outcome::kFailed;
    if (const Outcome loaded = session.require_vmm(invocation); loaded != Outcome::kOk)
        return loaded;
    u64 value = 0;
    const Outcome evaluated = evaluate(session, invocation, parts->front().subspan(1), value);
    if (evaluated != Outcome::kOk)
        return evaluated;
    const auto number = static_cast<u32>(*msr);
    return for_each_core(
        session, invocation, *parts, number, "writable with this value",
        [&](u32 core) { return session.debuggee().write_msr(number, value, core); });
}

/// The walk of the command's address; nothing with the error told in `outcome`.
std::optional<rs_page_walk> walk(Session& session, const Invocation& invocation, Outcome& outcome) {
    outcome = Outcome::kFailed;
    const auto parts = Parts::split(session, invocation, {"pid"});
    if (!parts)
        return std::nullopt;
    if (parts->front().empty()) {
        outcome = session.wrong_use(invocation);
        return std::nullopt;
    }
    outcome = session.require_vmm(invocation);
    if (outcome != Outcome::kOk)
        return std::nullopt;
    const auto process = read_process(session, invocation, *parts);
    if (!process) {
        outcome = Outcome::kFailed;
        return std::nullopt;
    }
    u64 address = 0;
    outcome = evaluate(session, invocation, parts->front(), address);
    if (outcome != Outcome::kOk)
        return std::nullopt;
    const auto answer = session.debuggee().page_walk(address, process->pid);
    if (answer)
        return *answer;
    outcome = memory_request_failed(session, invocation, *process, answer.failure());
    return std::nullopt;
}

/// Table entries by the level they are of: 1 is the page table.
constexpr std::string_view kEntryNames[] = {"PTE", "PDE", "PDPTE (PPE)", "PML4E (PXE)", "PML5E"};

std::string page_walk_text(const rs_page_walk& found) {
    std::string text = fmt::format("VA {:x}\n", found.address);
    const u32 top = std::min(found.levels, RS_MAX_PAGE_LEVELS);
    u32 level = top;
    for (u32 i = 0; i < found.depth && level > 0; ++i, --level)
        text += fmt::format("{} at {:016x}\tcontains {:016x}\n", kEntryNames[level - 1],
                            found.entry_address[i], found.entry[i]);
    const std::string_view last = kEntryNames[std::min(level, RS_MAX_PAGE_LEVELS - 1)];
    if (found.is_present == 0)
        text += fmt::format("{} is not present\n", last);
    else if (level > 0)
        text += fmt::format("{} is a large page, so it doesn't have a {}\n", last,
                            kEntryNames[level - 1]);
    return text;
}

Outcome run_page_table(Session& session, const Invocation& invocation) {
    Outcome outcome = Outcome::kOk;
    if (const auto found = walk(session, invocation, outcome))
        session.output().text(page_walk_text(*found));
    return outcome;
}

Outcome run_to_physical(Session& session, const Invocation& invocation) {
    Outcome outcome = Outcome::kOk;
    const auto found = walk(session, invocation, outcome);
    if (!found)
        return outcome;
    if (found->is_present == 0)
        return session.fail(
            invocation, {fmt::format("nothing is mapped at {}", address_text(found->address)),
                         invocation.words[0].begin, "'!pte' shows how far its translation goes"});
    session.output().text(address_text(found->physical) + "\n");
    return Outcome::kOk;
}

Outcome run_to_virtual(Session& session, const Invocation& invocation) {
    if (invocation.words.empty())
        return session.wrong_use(invocation);
    if (const Outcome loaded = session.require_vmm(invocation); loaded != Outcome::kOk)
        return loaded;
    u64 physical = 0;
    Outcome outcome = evaluate(session, invocation, invocation.words, physical);
    if (outcome != Outcome::kOk)
        return outcome;
    u64 address = 0;
    outcome = run_once(
        session, fmt::format("test_statement(physical_to_virtual(0x{:x}));", physical), address);
    if (outcome != Outcome::kOk)
        return outcome;
    const auto found = session.debuggee().page_walk(address);
    if (!found)
        return session.request_failed(found.failure());
    if (found->is_present == 0 || found->physical != physical)
        return session.fail(invocation,
                            {fmt::format("the kernel does not map {}", address_text(physical)),
                             invocation.words[0].begin,
                             {}});
    session.output().text(address_text(address) + "\n");
    return Outcome::kOk;
}

constexpr CommandSpec kCommands[] = {
    {.name = "!idt",
     .syntax = "!idt [ENTRY]",
     .summary = "shows the interrupt descriptor table: who handles which vector",
     .help = "ENTRY is 0 to ff; without it all are shown. The table is that of the core the\n"
             "request runs on; Linux has one for all.\n\n"
             "examples:\n"
             "    !idt\n"
             "    !idt ec       (the local timer)\n"
             "    !idt 0n14     (page faults)\n",
     .most_words = 1,
     .run = run_idt},
    {.name = "!apic",
     .aliases = "!lapic",
     .syntax = "!apic",
     .summary = "shows the local APIC of the core that answers",
     .help = "Mode, id, version, priorities, local vector table, timer, and which vectors are in\n"
             "service (ISR), level-triggered (TMR), pending (IRR).\n\nexample:\n    !apic\n",
     .run = run_local_apic},
    {.name = "!ioapic",
     .syntax = "!ioapic",
     .summary = "shows the IO-APICs and where their lines lead",
     .help = "One line an input: its entry, vector, delivery mode, destination, trigger mode,\n"
             "whether it is in service (rirr) or masked.\n\nexample:\n    !ioapic\n",
     .run = run_io_apic},
    {.name = "cpu",
     .syntax = "cpu",
     .summary = "shows the processor: vendor, brand, features",
     .help = "As CPUID tells the kernel, with the features' names of /proc/cpuinfo. That may show "
             "fewer:\n"
             "what the kernel was told not to use, or cannot.\n\nexample:\n    cpu\n",
     .run = run_cpu},
    {.name = "rdmsr",
     .syntax = "rdmsr MSR [core CORE]",
     .summary = "reads a model-specific register",
     .help = "Of one core, or of all that are online. What the guest would read; one that would\n"
             "fault is told, and does no harm.\n\n"
             "examples:\n    rdmsr c0000082\n    rdmsr 10 core 1\n",
     .keywords = "core",
     .is_free_form = true,
     .run = run_rdmsr},
    {.name = "wrmsr",
     .syntax = "wrmsr MSR VALUE [core CORE]",
     .summary = "writes a model-specific register",
     .help = "Of one core, or of all that are online. A value that would fault is refused.\n\n"
             "examples:\n    wrmsr c0000103 1 core 0\n    wrmsr 38d 0\n",
     .keywords = "core",
     .is_free_form = true,
     .run = run_wrmsr},
    {.name = "!pte",
     .syntax = "!pte ADDR [pid PID]",
     .summary = "shows the page-table entries of an address",
     .help = "From the top level down to the page, each with its physical address.\n\n"
             "examples:\n    !pte vmlinux!schedule\n    !pte 400000 pid 12c0\n",
     .keywords = "pid",
     .is_free_form = true,
     .run = run_page_table},
    {.name = "!va2pa",
     .syntax = "!va2pa ADDR [pid PID]",
     .summary = "says to which physical address a virtual one leads",
     .help = "examples:\n    !va2pa vmlinux!schedule\n    !va2pa 400000 pid 12c0\n",
     .keywords = "pid",
     .is_free_form = true,
     .run = run_to_physical},
    {.name = "!pa2va",
     .syntax = "!pa2va ADDR",
     .summary = "says where the kernel maps a physical address",
     .help = "In its direct map of all memory; other mappings may lead there, too.\n\n"
             "example:\n    !pa2va 1000000\n",
     .is_free_form = true,
     .run = run_to_virtual},
};

}  // namespace

std::span<const CommandSpec> machine_commands() {
    return kCommands;
}

}  // namespace ringside::commands
