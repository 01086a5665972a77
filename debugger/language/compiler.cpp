// SPDX-License-Identifier: GPL-3.0-or-later
#include "language/compiler.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "language/code_generator.hpp"
#include "language/image_builder.hpp"
#include "language/lexer.hpp"
#include "language/parser.hpp"
#include "script/verifier.hpp"

namespace ringside::language {

namespace {

constexpr usize kMaxSourceBytes = 0x100000;

/// Fills in the image unless a limit is exceeded.
void build(const Script& script, const CheckResult& checked, const CompileOptions& options,
           const Source& source, DiagnosticList& diagnostics, CompileOutput& output) {
    ImageBuilder builder;
    generate(script, checked, source, builder);
    if (const std::string_view overflow = builder.overflow(); !overflow.empty())
        return diagnostics.report(Code::kTooLarge, 0, std::string{overflow});
    std::vector<u8> image = builder.build(checked.globals);
    if (image.size() > options.max_image_bytes)
        return diagnostics.report(Code::kTooLarge, 0, "script is too large for one event");
    // What is refused here would be refused by the kernel side, with less to say about it.
    const script::Limits limits{.in_event = options.in_event};
    if (const script::VerifyResult verdict = script::verify(image, limits); !verdict)
        return diagnostics.report(
            Code::kTooLarge, 0,
            std::string{"the compiled script is refused: "} + script::rule_text(verdict.rule));
    output.image = std::move(image);
    output.lines.places = builder.take_places();
    for (usize file = 0; file < source.count(); ++file)
        output.lines.files.push_back(source.name(file));
    output.globals_assigned = checked.globals_assigned;
    output.ok = true;
}

}  // namespace

std::string CompileOutput::text() const {
    std::string out;
    for (const Diagnostic& diagnostic : diagnostics)
        out += diagnostic.text() + '\n';
    return out;
}

namespace {

constexpr usize kMaxIncludeDepth = 16;

/// Files that are included, each once.
class Includes {
public:
    Includes(Source& source, const CompileOptions& options, DiagnosticList& diagnostics)
        : source_{source}, options_{options}, diagnostics_{diagnostics} {}

    Includer includer() {
        if (!options_.load_file)
            return {};
        return [this](const Token& path) { return include(path); };
    }

private:
    std::optional<std::vector<Token>> include(const Token& path) {
        const usize from = source_.file_at(path.offset);
        if (depth_of(from) >= kMaxIncludeDepth)
            return fail(path, "files are included 16 deep");
        IncludedFile file = options_.load_file(path_of(path), source_.name(from));
        if (!file.error.empty())
            return fail(path, "cannot include '" + path_of(path) + "': " + file.error);
        if (file.text.size() > kMaxSourceBytes)
            return fail(path, "'" + file.name + "' is longer than 1 MiB");
        for (usize i = 0; i < source_.count(); ++i)
            if (source_.name(i) == file.name)
                return std::vector<Token>{};
        if (total_ + file.text.size() > kMaxIncludedBytes)
            return fail(path, "the included files are too long together");
        total_ += file.text.size();
        unwrap(file.text);
        const usize number = source_.add(std::move(file.text), file.name);
        included_from_.push_back(from);
        std::vector<Token> tokens = tokenize(source_, diagnostics_, number);
        tokens.pop_back();  // the end
        return tokens;
    }

    std::optional<std::vector<Token>> fail(const Token& path, std::string message) {
        diagnostics_.report(Code::kInclude, path.offset, std::move(message));
        return std::nullopt;
    }

    /// In a path only the backslash and the quote are escaped; both separators are taken.
    static std::string path_of(const Token& path) {
        std::string text;
        const std::string_view quoted = path.text.substr(1, path.text.size() - 2);
        for (usize i = 0; i < quoted.size(); ++i) {
            const bool escapes = quoted[i] == '\\' && i + 1 < quoted.size() &&
                                 (quoted[i + 1] == '\\' || quoted[i + 1] == '"');
            const char c = escapes ? quoted[++i] : quoted[i];
            text += c == '\\' ? '/' : c;
        }
        return text;
    }

    /// A file may be written as a command, '? { ... }'; the place of everything stays.
    static void unwrap(std::string& text) {
        const usize first = text.find_first_not_of(" \t\r\n");
        if (first != std::string::npos && text[first] == '?')
            text[first] = ' ';
    }

    usize depth_of(usize file) const {
        usize depth = 0;
        for (; file > 0; file = included_from_[file - 1])
            ++depth;
        return depth;
    }

    static constexpr usize kMaxIncludedBytes = 16 * kMaxSourceBytes;
    Source& source_;
    const CompileOptions& options_;
    DiagnosticList& diagnostics_;
    std::vector<usize> included_from_;  ///< per file behind the first
    usize total_ = 0;
};

}  // namespace

CompileOutput compile(std::string_view text, const CompileOptions& options) {
    const bool is_too_long = text.size() > kMaxSourceBytes;
    Source source{is_too_long ? std::string_view{} : text, options.file_name};
    DiagnosticList diagnostics{source};
    CompileOutput output;
    if (is_too_long)
        diagnostics.report(Code::kTooLarge, 0, "script is longer than 1 MiB");
    Includes includes{source, options, diagnostics};
    Script script = parse(tokenize(source, diagnostics), diagnostics, includes.includer());
    if (!diagnostics.has_errors()) {
        const CheckOptions check_options{options.in_event, options.known_globals, options.symbols};
        const CheckResult checked = check(script, check_options, diagnostics);
        if (!diagnostics.has_errors())
            build(script, checked, options, source, diagnostics, output);
    }
    output.diagnostics = diagnostics.take();
    return output;
}

namespace {

IncludedFile load_script_file(const std::string& path, const std::string& from,
                              const std::string& main) {
    namespace fs = std::filesystem;
    std::vector<fs::path> folders;
    if (fs::path{path}.is_absolute()) {
        folders.emplace_back();
    } else {
        folders.push_back(fs::path{from}.parent_path());
        folders.push_back(fs::path{main}.parent_path());
        const char* more = std::getenv("RINGSIDE_SCRIPTS");
        std::istringstream list{more != nullptr ? more : ""};
        for (std::string folder; std::getline(list, folder, ':');)
            if (!folder.empty())
                folders.emplace_back(folder);
    }
    for (const fs::path& folder : folders) {
        const fs::path file = folder / path;
        std::error_code error;
        if (!fs::exists(file, error))
            continue;
        if (!fs::is_regular_file(file, error))
            return {path, {}, "not a file"};
        std::ifstream stream{file, std::ios::binary};
        std::string text{std::istreambuf_iterator<char>{stream}, {}};
        if (!stream)
            return {path, {}, std::strerror(errno)};
        const fs::path name = fs::weakly_canonical(file, error);
        return {error ? file.string() : name.string(), std::move(text), {}};
    }
    return {path, {}, std::strerror(ENOENT)};
}

}  // namespace

FileLoader script_files(std::string main) {
    return [main = std::move(main)](const std::string& path, const std::string& from) {
        return load_script_file(path, from, main);
    };
}

}  // namespace ringside::language
