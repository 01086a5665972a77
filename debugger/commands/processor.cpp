// SPDX-License-Identifier: GPL-3.0-or-later
// The names of a processor's features are those Linux shows in /proc/cpuinfo.
// Source: AMD APM vol. 3 appendix E "Obtaining Processor Information Via the CPUID Instruction";
// Intel SDM vol. 2A "CPUID"; Linux, arch/x86/include/asm/cpufeatures.h.
#include "commands/processor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <string_view>

#include "base/types.hpp"

namespace ringside::commands {
namespace {

struct Feature {
    u8 bit;
    std::string_view name;
};

constexpr Feature kLeaf1Edx[] = {
    {0, "fpu"},      {1, "vme"},  {2, "de"},    {3, "pse"},  {4, "tsc"},    {5, "msr"},
    {6, "pae"},      {7, "mce"},  {8, "cx8"},   {9, "apic"}, {11, "sep"},   {12, "mtrr"},
    {13, "pge"},     {14, "mca"}, {15, "cmov"}, {16, "pat"}, {17, "pse36"}, {18, "pn"},
    {19, "clflush"}, {21, "dts"}, {22, "acpi"}, {23, "mmx"}, {24, "fxsr"},  {25, "sse"},
    {26, "sse2"},    {27, "ss"},  {28, "ht"},   {29, "tm"},  {31, "pbe"}};
constexpr Feature kLeaf80000001Edx[] = {
    {11, "syscall"}, {19, "mp"},     {20, "nx"}, {22, "mmxext"},   {25, "fxsr_opt"},
    {26, "pdpe1gb"}, {27, "rdtscp"}, {29, "lm"}, {30, "3dnowext"}, {31, "3dnow"}};
constexpr Feature kLeaf1Ecx[] = {
    {0, "pni"},     {1, "pclmulqdq"},  {2, "dtes64"},  {3, "monitor"},
    {4, "ds_cpl"},  {5, "vmx"},        {6, "smx"},     {7, "est"},
    {8, "tm2"},     {9, "ssse3"},      {10, "cid"},    {11, "sdbg"},
    {12, "fma"},    {13, "cx16"},      {14, "xtpr"},   {15, "pdcm"},
    {17, "pcid"},   {18, "dca"},       {19, "sse4_1"}, {20, "sse4_2"},
    {21, "x2apic"}, {22, "movbe"},     {23, "popcnt"}, {24, "tsc_deadline_timer"},
    {25, "aes"},    {26, "xsave"},     {28, "avx"},    {29, "f16c"},
    {30, "rdrand"}, {31, "hypervisor"}};
constexpr Feature kLeaf80000001Ecx[] = {
    {0, "lahf_lm"},       {1, "cmp_legacy"},  {2, "svm"},    {3, "extapic"},
    {4, "cr8_legacy"},    {5, "abm"},         {6, "sse4a"},  {7, "misalignsse"},
    {8, "3dnowprefetch"}, {9, "osvw"},        {10, "ibs"},   {11, "xop"},
    {12, "skinit"},       {13, "wdt"},        {15, "lwp"},   {16, "fma4"},
    {17, "tce"},          {19, "nodeid_msr"}, {21, "tbm"},   {22, "topoext"},
    {23, "perfctr_core"}, {24, "perfctr_nb"}, {26, "bpext"}, {27, "ptsc"},
    {28, "perfctr_llc"},  {29, "mwaitx"}};
constexpr Feature kLeaf6Eax[] = {{0, "dtherm"}, {1, "ida"}, {2, "arat"},
                                 {4, "pln"},    {6, "pts"}, {7, "hwp"}};
constexpr Feature kLeaf6Ecx[] = {{0, "aperfmperf"}, {3, "epb"}};
constexpr Feature kLeaf7Ebx[] = {
    {0, "fsgsbase"}, {1, "tsc_adjust"}, {3, "bmi1"},      {4, "hle"},         {5, "avx2"},
    {7, "smep"},     {8, "bmi2"},       {9, "erms"},      {10, "invpcid"},    {11, "rtm"},
    {12, "cqm"},     {14, "mpx"},       {15, "rdt_a"},    {16, "avx512f"},    {17, "avx512dq"},
    {18, "rdseed"},  {19, "adx"},       {20, "smap"},     {21, "avx512ifma"}, {23, "clflushopt"},
    {24, "clwb"},    {25, "intel_pt"},  {26, "avx512pf"}, {27, "avx512er"},   {28, "avx512cd"},
    {29, "sha_ni"},  {30, "avx512bw"},  {31, "avx512vl"}};
constexpr Feature kLeaf7Ecx[] = {{1, "avx512vbmi"},
                                 {2, "umip"},
                                 {3, "pku"},
                                 {4, "ospke"},
                                 {5, "waitpkg"},
                                 {6, "avx512_vbmi2"},
                                 {8, "gfni"},
                                 {9, "vaes"},
                                 {10, "vpclmulqdq"},
                                 {11, "avx512_vnni"},
                                 {12, "avx512_bitalg"},
                                 {13, "tme"},
                                 {14, "avx512_vpopcntdq"},
                                 {16, "la57"},
                                 {22, "rdpid"},
                                 {24, "bus_lock_detect"},
                                 {25, "cldemote"},
                                 {27, "movdiri"},
                                 {28, "movdir64b"},
                                 {29, "enqcmd"}};
constexpr Feature kLeaf7Edx[] = {
    {2, "avx512_4vnniw"}, {3, "avx512_4fmaps"}, {4, "fsrm"},       {8, "avx512_vp2intersect"},
    {10, "md_clear"},     {14, "serialize"},    {16, "tsxldtrk"},  {18, "pconfig"},
    {19, "arch_lbr"},     {20, "ibt"},          {22, "amx_bf16"},  {23, "avx512_fp16"},
    {24, "amx_tile"},     {25, "amx_int8"},     {28, "flush_l1d"}, {29, "arch_capabilities"}};
constexpr Feature kLeaf7_1Eax[] = {{4, "avx_vnni"}, {5, "avx512_bf16"}};
constexpr Feature kLeafd_1Eax[] = {{0, "xsaveopt"}, {1, "xsavec"}, {2, "xgetbv1"}, {3, "xsaves"}};
constexpr Feature kLeaf80000007Edx[] = {
    {7, "hw_pstate"}, {8, "constant_tsc"}, {8, "nonstop_tsc"}, {9, "cpb"}};
constexpr Feature kLeaf80000008Ebx[] = {{0, "clzero"},    {1, "irperf"},   {2, "xsaveerptr"},
                                        {4, "rdpru"},     {9, "wbnoinvd"}, {23, "amd_ppin"},
                                        {25, "virt_ssbd"}};
constexpr Feature kLeaf8000000aEdx[] = {
    {0, "npt"},          {1, "lbrv"},         {2, "svm_lock"},    {3, "nrip_save"},
    {4, "tsc_scale"},    {5, "vmcb_clean"},   {6, "flushbyasid"}, {7, "decodeassists"},
    {10, "pausefilter"}, {12, "pfthreshold"}, {13, "avic"},       {15, "v_vmsave_vmload"},
    {16, "vgif"}};

/// One register of one answer.
struct FeatureWord {
    u32 leaf;
    u32 subleaf;
    __u32 rs_cpuid::*part;
    std::span<const Feature> features;
};

constexpr FeatureWord kWords[] = {
    {0x1, 0, &rs_cpuid::edx, kLeaf1Edx},
    {0x80000001, 0, &rs_cpuid::edx, kLeaf80000001Edx},
    {0x1, 0, &rs_cpuid::ecx, kLeaf1Ecx},
    {0x80000001, 0, &rs_cpuid::ecx, kLeaf80000001Ecx},
    {0x6, 0, &rs_cpuid::eax, kLeaf6Eax},
    {0x6, 0, &rs_cpuid::ecx, kLeaf6Ecx},
    {0x7, 0, &rs_cpuid::ebx, kLeaf7Ebx},
    {0x7, 0, &rs_cpuid::ecx, kLeaf7Ecx},
    {0x7, 0, &rs_cpuid::edx, kLeaf7Edx},
    {0x7, 1, &rs_cpuid::eax, kLeaf7_1Eax},
    {0xd, 1, &rs_cpuid::eax, kLeafd_1Eax},
    {0x80000007, 0, &rs_cpuid::edx, kLeaf80000007Edx},
    {0x80000008, 0, &rs_cpuid::ebx, kLeaf80000008Ebx},
    {0x8000000a, 0, &rs_cpuid::edx, kLeaf8000000aEdx},
};

constexpr u32 kExtended = 0x8000'0000;

/// The highest leaf of the half that `leaf` is in.
struct Highest {
    u32 basic;
    u32 extended;
    bool has(u32 leaf) const { return leaf <= (leaf < kExtended ? basic : extended); }
};

void append(std::string& text, std::initializer_list<u32> words) {
    for (const u32 word : words) {
        char bytes[sizeof word];
        std::memcpy(bytes, &word, sizeof bytes);
        text.append(bytes, sizeof bytes);
    }
}

/// Up to the first zero, without blanks around it.
std::string trimmed(const std::string& text) {
    const std::string_view whole = std::string_view{text}.substr(0, text.find('\0'));
    const auto first = whole.find_first_not_of(' ');
    if (first == std::string_view::npos)
        return {};
    return std::string{whole.substr(first, whole.find_last_not_of(' ') - first + 1)};
}

std::string brand(const ReadCpuid& read, const Highest& highest) {
    constexpr u32 kFirst = 0x8000'0002, kLast = 0x8000'0004;
    if (!highest.has(kLast))
        return {};
    std::string text;
    for (u32 leaf = kFirst; leaf <= kLast; ++leaf) {
        const rs_cpuid part = read(leaf, 0);
        append(text, {part.eax, part.ebx, part.ecx, part.edx});
    }
    return trimmed(text);
}

/// Family, model and stepping, as the kernel puts their halves together.
std::string signature(u32 eax) {
    u32 family = eax >> 8 & 0xf;
    u32 model = eax >> 4 & 0xf;
    if (family == 0xf)
        family += eax >> 20 & 0xff;
    if (family >= 6)
        model += (eax >> 16 & 0xf) << 4;
    return fmt::format("family {0:#x} ({0}), model {1:#x} ({1}), stepping {2:#x} ({2})", family,
                       model, eax & 0xf);
}

std::string features(const ReadCpuid& read, const Highest& highest) {
    constexpr std::size_t kColumns = 100;
    std::string text = "features:";
    std::size_t column = text.size();
    for (const FeatureWord& word : kWords) {
        if (!highest.has(word.leaf) || (word.subleaf != 0 && word.leaf == 7 && read(7, 0).eax == 0))
            continue;
        const rs_cpuid answer = read(word.leaf, word.subleaf);
        for (const Feature& feature : word.features) {
            if (!(answer.*word.part >> feature.bit & 1))
                continue;
            if (column + 1 + feature.name.size() > kColumns) {
                text += "\n   ";
                column = 3;
            }
            text += fmt::format(" {}", feature.name);
            column += 1 + feature.name.size();
        }
    }
    return text;
}

}  // namespace

std::string processor_text(const ReadCpuid& read) {
    const rs_cpuid first = read(0, 0);
    const Highest highest{.basic = first.eax, .extended = read(kExtended, 0).eax};
    std::string vendor;
    append(vendor, {first.ebx, first.edx, first.ecx});
    std::string text = fmt::format("vendor: {}\n", trimmed(vendor));
    if (const std::string name = brand(read, highest); !name.empty())
        text += fmt::format("brand: {}\n", name);
    return text + fmt::format("{}\n{}\n", signature(read(1, 0).eax), features(read, highest));
}

}  // namespace ringside::commands
