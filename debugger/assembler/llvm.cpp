// SPDX-License-Identifier: GPL-3.0-or-later
// The assembler module: LLVM's machine-code layer behind a C function. The only file that sees
// LLVM.
#include <llvm/ADT/SmallVector.h>
#include <llvm/ADT/Triple.h>
#include <llvm/MC/MCAsmBackend.h>
#include <llvm/MC/MCAsmInfo.h>
#include <llvm/MC/MCCodeEmitter.h>
#include <llvm/MC/MCContext.h>
#include <llvm/MC/MCInstrInfo.h>
#include <llvm/MC/MCObjectFileInfo.h>
#include <llvm/MC/MCObjectWriter.h>
#include <llvm/MC/MCParser/MCAsmParser.h>
#include <llvm/MC/MCParser/MCTargetAsmParser.h>
#include <llvm/MC/MCRegisterInfo.h>
#include <llvm/MC/MCStreamer.h>
#include <llvm/MC/MCSubtargetInfo.h>
#include <llvm/MC/MCTargetOptions.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Object/ELFObjectFile.h>
#include <llvm/Support/ErrorHandling.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Support/SourceMgr.h>
#include <llvm/Support/raw_ostream.h>

#include <csetjmp>
#include <memory>
#include <string>

#include "assembler/module.h"

// llvm/Support/TargetSelect.h would declare all of LLVM's targets.
extern "C" {
void LLVMInitializeX86TargetInfo();
void LLVMInitializeX86TargetMC();
void LLVMInitializeX86AsmParser();
}

namespace {

constexpr const char* kTarget = "x86_64-unknown-linux-gnu";
constexpr unsigned kIntelSyntax = 1;

struct Run {
    const ringside_assembler_sink* sink;
    bool has_failed;
    std::jmp_buf gave_up;
};

void tell(Run& run, unsigned line, unsigned column, const char* text) {
    run.has_failed = true;
    run.sink->error(run.sink->user, line, column, text);
}

void on_diagnostic(const llvm::SMDiagnostic& diagnostic, void* context) {
    if (diagnostic.getKind() != llvm::SourceMgr::DK_Error)
        return;
    const int line = diagnostic.getLineNo(), column = diagnostic.getColumnNo();
    tell(*static_cast<Run*>(context), line > 0 ? static_cast<unsigned>(line) : 0,
         column >= 0 ? static_cast<unsigned>(column) + 1 : 0,
         diagnostic.getMessage().str().c_str());
}

/// LLVM ends the process behind this function if it returns. What the assembler holds is lost: the
/// price of an error of its own.
void on_fatal_error(void* context, const char* reason, bool /*with_dump*/) {
    Run& run = *static_cast<Run*>(context);
    tell(run, 0, 0, reason);
    std::longjmp(run.gave_up, 1);
}

void report(Run& run, llvm::StringRef object_file) {
    auto parsed = llvm::object::ObjectFile::createELFObjectFile(
        llvm::MemoryBufferRef{object_file, "code"}, true);
    if (!parsed)
        return tell(run, 0, 0, llvm::toString(parsed.takeError()).c_str());
    const llvm::object::ObjectFile& object = **parsed;
    const ringside_assembler_sink& sink = *run.sink;
    for (const llvm::object::SectionRef& section : object.sections()) {
        if (section.isText()) {
            if (auto bytes = section.getContents())
                sink.code(sink.user, bytes->bytes_begin(), bytes->size());
            else
                llvm::consumeError(bytes.takeError());
        }
        for (const llvm::object::RelocationRef& relocation : section.relocations())
            sink.relocation(sink.user, relocation.getOffset());
    }
    for (const llvm::object::SymbolRef& symbol : object.symbols()) {
        auto flags = symbol.getFlags();
        auto name = symbol.getName();
        auto value = symbol.getValue();
        if (flags && name && value && !name->empty())
            sink.symbol(sink.user, name->str().c_str(), *value,
                        (*flags & llvm::object::SymbolRef::SF_Undefined) == 0);
        if (!flags)
            llvm::consumeError(flags.takeError());
        if (!name)
            llvm::consumeError(name.takeError());
        if (!value)
            llvm::consumeError(value.takeError());
    }
}

/// The object file, empty after an error.
llvm::SmallString<0> assemble(Run& run, llvm::StringRef text) {
    llvm::SmallString<0> object_file;
    std::string why;
    const llvm::Target* target = llvm::TargetRegistry::lookupTarget(kTarget, why);
    if (target == nullptr) {
        tell(run, 0, 0, why.c_str());
        return object_file;
    }
    const llvm::Triple triple{kTarget};
    llvm::MCTargetOptions options;
    const std::unique_ptr<llvm::MCRegisterInfo> registers{target->createMCRegInfo(kTarget)};
    const std::unique_ptr<llvm::MCAsmInfo> syntax{
        target->createMCAsmInfo(*registers, kTarget, options)};
    const std::unique_ptr<llvm::MCInstrInfo> instructions{target->createMCInstrInfo()};
    const std::unique_ptr<llvm::MCSubtargetInfo> subtarget{
        target->createMCSubtargetInfo(kTarget, "", "")};

    llvm::SourceMgr source;
    source.setDiagHandler(on_diagnostic, &run);
    source.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBuffer(text, "code"), llvm::SMLoc{});
    llvm::MCContext context{triple,          syntax.get(), registers.get(),
                            subtarget.get(), &source,      &options};
    context.setDiagnosticHandler(
        [&run](const llvm::SMDiagnostic& diagnostic, bool, const llvm::SourceMgr&,
               std::vector<const llvm::MDNode*>&) { on_diagnostic(diagnostic, &run); });
    const std::unique_ptr<llvm::MCObjectFileInfo> sections{
        target->createMCObjectFileInfo(context, false)};
    context.setObjectFileInfo(sections.get());

    llvm::raw_svector_ostream output{object_file};
    auto backend = std::unique_ptr<llvm::MCAsmBackend>{
        target->createMCAsmBackend(*subtarget, *registers, options)};
    auto writer = backend->createObjectWriter(output);
    auto emitter = std::unique_ptr<llvm::MCCodeEmitter>{
        target->createMCCodeEmitter(*instructions, *registers, context)};
    const std::unique_ptr<llvm::MCStreamer> streamer{
        target->createMCObjectStreamer(triple, context, std::move(backend), std::move(writer),
                                       std::move(emitter), *subtarget, false, false, false)};
    streamer->initSections(false, *subtarget);
    const std::unique_ptr<llvm::MCAsmParser> parser{
        llvm::createMCAsmParser(source, context, *streamer, *syntax)};
    const std::unique_ptr<llvm::MCTargetAsmParser> target_parser{
        target->createMCAsmParser(*subtarget, *parser, *instructions, options)};
    parser->setAssemblerDialect(kIntelSyntax);
    parser->setTargetParser(*target_parser);
    if (parser->Run(true) && !run.has_failed)
        tell(run, 0, 0, "not accepted");
    return object_file;
}

}  // namespace

extern "C" [[gnu::visibility("default")]] void ringside_assemble_1(
    const char* text, size_t length, const ringside_assembler_sink* sink) {
    static const bool is_ready = [] {
        LLVMInitializeX86TargetInfo();
        LLVMInitializeX86TargetMC();
        LLVMInitializeX86AsmParser();
        return true;
    }();
    (void)is_ready;
    static Run run;  // longjmp() restores no automatic variable that changed
    run.sink = sink;
    run.has_failed = false;
    llvm::install_fatal_error_handler(on_fatal_error, &run);
    if (setjmp(run.gave_up) == 0) {
        const auto object_file = assemble(run, llvm::StringRef{text, length});
        if (!run.has_failed)
            report(run, object_file);
    }
    llvm::remove_fatal_error_handler();
}
