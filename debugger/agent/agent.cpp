// SPDX-License-Identifier: GPL-3.0-or-later
#include "agent/agent.hpp"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include "agent/session.hpp"
#include "transport/channel.hpp"
#include "transport/handshake.hpp"
#include "transport/tcp.hpp"

namespace ringside::agent {
namespace {

using namespace std::chrono_literals;
using transport::bytes_of;
using transport::Channel;
using transport::Handshake;

// Links at a time, strangers included; one of them is served.
constexpr std::size_t kMaxLinks = 8;
// How long a link may take to read our last words.
constexpr auto kFarewell = 1s;

}  // namespace

class Agent::Implementation : public std::enable_shared_from_this<Implementation> {
public:
    Implementation(transport::Loop& loop, Options options)
        : context_{loop.context()}, options_{std::move(options)}, listener_{context_} {}

    int listen() {
        const int error_number = listener_.listen(options_.address, options_.port);
        if (error_number == 0) {
            log("listening on " + options_.address + ":" + std::to_string(port()) +
                (options_.key.empty() ? " without a key" : ""));
            asio::co_spawn(context_, accept_links(shared_from_this()), asio::detached);
        }
        return error_number;
    }

    std::uint16_t port() const { return listener_.port(); }
    bool has_client() const { return session_ != nullptr; }

    void stop() {
        listener_.close();
        for (const auto& channel : channels_) {
            if (!session_ || channel != session_->channel())
                channel->close();
        }
        if (session_)
            session_->stop();
    }

    /// Stops, and speaks to nobody any more: what the callbacks refer to may be gone.
    void abandon() {
        options_.log = nullptr;
        options_.open_device = nullptr;
        stop();
    }

private:
    // `self` keeps the object alive from the moment a coroutine is made, before it first runs.
    asio::awaitable<void> accept_links([[maybe_unused]] std::shared_ptr<Implementation> self) {
        while (true) {
            transport::Socket socket = co_await listener_.accept();
            if (socket.error_number == EBADF)
                co_return;
            if (socket.error_number != 0) {
                // Out of descriptors, for example: they come back when a link ends.
                log(std::string{"cannot accept a link: "} + std::strerror(socket.error_number));
                asio::steady_timer timer{context_, 100ms};
                co_await timer.async_wait(asio::use_awaitable);
                continue;
            }
            if (channels_.size() >= kMaxLinks)
                continue;
            const auto channel = Channel::create(context_, std::move(socket.descriptor));
            channels_.insert(channel);
            asio::co_spawn(context_, serve(self, channel), asio::detached);
        }
    }

    asio::awaitable<void> serve([[maybe_unused]] std::shared_ptr<Implementation> self,
                                std::shared_ptr<Channel> channel) {
        const auto deadline = std::chrono::steady_clock::now() + options_.handshake_timeout;
        const Handshake handshake =
            co_await transport::introduce_agent(*channel, options_.key, deadline);
        if (handshake.outcome == Handshake::Outcome::kDone) {
            co_await serve_debugger(channel);
        } else if (handshake.outcome == Handshake::Outcome::kRefused) {
            log("refused a debugger: " + transport::describe(handshake));
            if (handshake.is_ours)
                channel->send(RS_PACKET_ERROR, {bytes_of(handshake.error)});
        } else if (handshake.outcome == Handshake::Outcome::kTimedOut) {
            send_error(*channel, RS_LINK_ERR_TIMEOUT);
        }
        co_await channel->finish(std::chrono::steady_clock::now() + kFarewell);
        channels_.erase(channel);
    }

    asio::awaitable<void> serve_debugger(const std::shared_ptr<Channel>& channel) {
        if (session_) {
            log("refused a debugger: another one is being served");
            send_error(*channel, RS_LINK_ERR_BUSY);
            co_return;
        }
        if (!options_.open_device)
            co_return;
        auto device = options_.open_device();
        if (!device.file) {
            log(std::string{"cannot open the device: "} + std::strerror(device.error_number));
            send_error(*channel, RS_LINK_ERR_DEVICE, device.error_number);
            co_return;
        }
        log("a debugger is connected");
        const auto session = std::make_shared<Session>(context_, channel, std::move(device.file));
        session_ = session;
        channel->send(RS_PACKET_READY);
        const std::string reason = co_await session->serve();
        session_.reset();
        log("link ended: " + reason);
    }

    static void send_error(Channel& channel, rs_link_error code, int error_number = 0) {
        channel.send(RS_PACKET_ERROR, {bytes_of(transport::make_link_error(code, error_number))});
    }

    void log(const std::string& line) const {
        if (options_.log)
            options_.log(line);
    }

    asio::io_context& context_;
    Options options_;
    transport::TcpListener listener_;
    std::set<std::shared_ptr<Channel>> channels_;
    std::shared_ptr<Session> session_;  ///< the debugger being served
};

Agent::Agent(transport::Loop& loop, Options options)
    : implementation_{std::make_shared<Implementation>(loop, std::move(options))} {}

Agent::~Agent() {
    implementation_->abandon();
}

int Agent::listen() {
    return implementation_->listen();
}

std::uint16_t Agent::port() const {
    return implementation_->port();
}

bool Agent::has_client() const {
    return implementation_->has_client();
}

void Agent::stop() {
    implementation_->stop();
}

}  // namespace ringside::agent
