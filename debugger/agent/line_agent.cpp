// SPDX-License-Identifier: GPL-3.0-or-later
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <cstring>
#include <optional>
#include <utility>

#include "agent/agent.hpp"
#include "agent/session.hpp"
#include "transport/channel.hpp"
#include "transport/handshake.hpp"

namespace ringside::agent {
namespace {

using namespace std::chrono_literals;
using transport::Channel;
using transport::Frame;
using transport::Handshake;

// How long the line may take to carry our last words.
constexpr auto kFarewell = 1s;

}  // namespace

class LineAgent::Implementation : public std::enable_shared_from_this<Implementation> {
public:
    Implementation(transport::Loop& loop, transport::SerialLine line, Options options,
                   std::function<void()> on_end)
        : context_{loop.context()},
          options_{std::move(options)},
          on_end_{std::move(on_end)},
          settings_{std::move(line.settings)},
          channel_{Channel::create(context_, std::move(line.descriptor))} {
        channel_->set_room(transport::kLineRoomBytes);
        log("listening on serial line " + line.path +
            (options_.key.empty() ? " without a key" : ""));
    }

    void start() { asio::co_spawn(context_, serve(shared_from_this()), asio::detached); }

    bool has_client() const { return session_ != nullptr; }

    void stop() {
        is_stopping_ = true;
        if (session_)
            session_->stop();
        else
            channel_->stop_receiving();
    }

    /// Stops, and speaks to nobody any more: what the callbacks refer to may be gone.
    void abandon() {
        options_.log = nullptr;
        options_.open_device = nullptr;
        on_end_ = nullptr;
        stop();
    }

private:
    // `self` keeps the object alive from the moment the coroutine is made, before it first runs.
    asio::awaitable<void> serve([[maybe_unused]] std::shared_ptr<Implementation> self) {
        std::optional<Frame> hello;
        while (!is_stopping_ && channel_->is_open()) {
            const Handshake handshake = co_await transport::introduce_agent_on_line(
                *channel_, options_.key, std::exchange(hello, std::nullopt));
            if (handshake.outcome == Handshake::Outcome::kClosed)
                break;
            if (handshake.outcome == Handshake::Outcome::kDone) {
                hello = co_await serve_debugger(handshake);
            } else {
                log("refused a debugger: " + transport::describe(handshake));
                transport::send_error_on_line(*channel_, handshake.error, handshake.peer);
            }
        }
        co_await channel_->finish(std::chrono::steady_clock::now() + kFarewell);
        settings_.reset();
        if (!is_stopping_) {
            log("the serial line is gone");
            if (const auto on_end = on_end_)
                on_end();
        }
    }

    /// @return the HELLO of the next debugger, if it was what ended this one's session
    asio::awaitable<std::optional<Frame>> serve_debugger(Handshake handshake) {
        if (!options_.open_device)
            co_return std::nullopt;
        auto device = options_.open_device();
        if (!device.file) {
            log(std::string{"cannot open the device: "} + std::strerror(device.error_number));
            transport::send_error_on_line(
                *channel_, transport::make_link_error(RS_LINK_ERR_DEVICE, device.error_number),
                handshake.peer);
            co_return std::nullopt;
        }
        log("a debugger is connected");
        const auto session = std::make_shared<Session>(context_, channel_, std::move(device.file),
                                                       LineTraits{options_.silence});
        session_ = session;
        channel_->send(RS_PACKET_READY);
        const std::string reason = co_await session->serve();
        session_.reset();
        log("link ended: " + reason);
        if (!is_stopping_)
            channel_->resume_receiving();
        co_return session->take_hello();
    }

    void log(const std::string& line) const {
        if (options_.log)
            options_.log(line);
    }

    asio::io_context& context_;
    Options options_;
    std::function<void()> on_end_;
    std::unique_ptr<transport::LineSettings> settings_;
    std::shared_ptr<Channel> channel_;
    std::shared_ptr<Session> session_;  ///< the debugger being served
    bool is_stopping_ = false;
};

LineAgent::LineAgent(transport::Loop& loop, transport::SerialLine line, Options options,
                     std::function<void()> on_end)
    : implementation_{std::make_shared<Implementation>(loop, std::move(line), std::move(options),
                                                       std::move(on_end))} {
    implementation_->start();
}

LineAgent::~LineAgent() {
    implementation_->abandon();
}

bool LineAgent::has_client() const {
    return implementation_->has_client();
}

void LineAgent::stop() {
    implementation_->stop();
}

}  // namespace ringside::agent
