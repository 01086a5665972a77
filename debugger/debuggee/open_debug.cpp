// SPDX-License-Identifier: GPL-3.0-or-later
#include "debuggee/connection.hpp"
#include "debuggee/debug_connection.hpp"
#include "transport/serial.hpp"
#include "transport/shared_link.hpp"

namespace ringside::debuggee {
namespace {

ConnectionResult unreachable(int error_number, std::string text) {
    return {.connection = nullptr,
            .failure = {.kind = ConnectFailure::Kind::kUnreachable,
                        .error_number = error_number,
                        .text = std::move(text)}};
}

/// A way to the debuggee, with what it needs to be kept.
struct Stream {
    transport::UniqueFd descriptor;
    KeepAlive keep;
    std::string name;
};

ConnectionResult introduce(transport::Loop& loop, Stream stream, const DebugOptions& options,
                           ConnectionEvents events) {
    auto connection = std::make_shared<DebugConnection>(
        loop, transport::Channel::create(loop.context(), std::move(stream.descriptor)),
        std::move(stream.keep), std::move(stream.name), std::move(events),
        DebugConnection::Times{});
    if (auto failure = connection->introduce(options.pause, options.timeout); !failure)
        return {.connection = nullptr, .failure = std::move(failure)};
    return {.connection = std::move(connection), .failure = {}};
}

}  // namespace

ConnectionResult open_debug(transport::Loop& loop, const DebugOptions& options,
                            ConnectionEvents events) {
    if (!options.line.empty()) {
        transport::SerialLine line = transport::open_serial(options.line, options.baud);
        if (!line.descriptor)
            return unreachable(line.error_number, line.error);
        return introduce(loop,
                         {std::move(line.descriptor),
                          std::shared_ptr<transport::LineSettings>{std::move(line.settings)},
                          "serial " + line.path},
                         options, std::move(events));
    }
    transport::UniqueFd bell;
    if (!options.bell.empty()) {
        transport::SerialLine line = transport::open_serial(options.bell);
        if (!line.descriptor)
            return unreachable(line.error_number, line.error);
        bell = std::move(line.descriptor);
    }
    transport::SharedLink link = transport::open_shared_link(options.memory, std::move(bell));
    if (!link.descriptor)
        return unreachable(link.error_number, link.error);
    return introduce(loop,
                     {std::move(link.descriptor),
                      std::shared_ptr<transport::SharedMemoryBridge>{std::move(link.bridge)},
                      "shared memory " + link.path},
                     options, std::move(events));
}

}  // namespace ringside::debuggee
