// SPDX-License-Identifier: GPL-3.0-or-later
// The module on this machine.
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "debuggee/connection.hpp"

namespace ringside::debuggee {
namespace {

constexpr std::size_t kBatchBytes = 64 * 1024;
// Batches in a row before other handlers of the loop have their turn.
constexpr int kBatchesPerTurn = 4;
// drain() stops here when scripts print faster than we read: 64 MiB.
constexpr int kBatchesPerDrain = 1024;

class LocalConnection final : public Connection,
                              public std::enable_shared_from_this<LocalConnection> {
public:
    LocalConnection(transport::Loop& loop, std::unique_ptr<transport::DeviceFile> device,
                    ConnectionEvents events)
        : device_{std::move(device)},
          readiness_{loop.context(), device_->poll_descriptor()},
          events_{std::move(events)},
          batch_(kBatchBytes) {}

    ~LocalConnection() override { close(); }

    Failure request(std::uint32_t request, std::span<std::byte> argument,
                    std::chrono::milliseconds) override {
        if (!device_)
            return {.kind = Failure::Kind::kLost};
        const int error_number = device_->request(request, argument);
        if (error_number != 0)
            return {.kind = Failure::Kind::kRefused, .error_number = error_number};
        return {};
    }

    Failure drain(std::chrono::milliseconds) override {
        const auto self = shared_from_this();
        for (int batch = 0; batch < kBatchesPerDrain && read_batch(); ++batch) {
        }
        return device_ ? Failure{} : Failure{.kind = Failure::Kind::kLost};
    }

    void start() override { wait(); }

    void close() override {
        if (!device_)
            return;
        // The descriptor is the device's: give it back before the device closes it.
        readiness_.release();
        device_.reset();
    }

    bool is_open() const override { return device_ != nullptr; }
    bool is_remote() const override { return false; }
    int descriptor() const override { return device_ ? device_->poll_descriptor() : -1; }
    std::string name() const override { return "local"; }

private:
    void wait() {
        readiness_.async_wait(asio::posix::stream_descriptor::wait_read,
                              [self = shared_from_this()](const std::error_code& error) {
                                  if (error || !self->device_)
                                      return;
                                  for (int batch = 0; batch < kBatchesPerTurn; ++batch) {
                                      if (!self->read_batch())
                                          break;
                                  }
                                  if (self->device_)
                                      self->wait();
                              });
    }

    /// @return whether there may be more
    bool read_batch() {
        // A message's handler may wait in the loop, which then finds the device readable: this
        // batch must not be overwritten under it, and those messages come after ours.
        if (!device_ || is_delivering_)
            return false;
        const auto result = device_->read(batch_);
        if (result.error_number == EAGAIN)
            return false;
        if (result.error_number != 0 || result.bytes == 0) {
            lose(result.error_number != 0 ? result.error_number : EIO);
            return false;
        }
        is_delivering_ = true;
        const auto left =
            for_each_message(std::span{batch_}.first(result.bytes), [this](const Message& message) {
                if (device_ && events_.on_message)
                    events_.on_message(message);
            });
        is_delivering_ = false;
        if (left != 0)
            lose(EBADMSG);
        return device_ != nullptr;
    }

    void lose(int error_number) {
        if (!device_)
            return;
        close();
        if (events_.on_lost)
            events_.on_lost(std::string{"reading the device failed: "} +
                            std::strerror(error_number));
    }

    std::unique_ptr<transport::DeviceFile> device_;
    asio::posix::stream_descriptor readiness_;  ///< borrows the device's descriptor
    ConnectionEvents events_;
    std::vector<std::byte> batch_;
    bool is_delivering_ = false;
};

}  // namespace

ConnectionResult open_local(transport::Loop& loop, const transport::DeviceOpener& opener,
                            ConnectionEvents events) {
    auto device = opener();
    if (!device.file) {
        return {.connection = nullptr,
                .failure = {.kind = ConnectFailure::Kind::kDevice,
                            .error_number = device.error_number,
                            .text = "cannot open " + transport::device_path() + ": " +
                                    std::strerror(device.error_number)}};
    }
    return {.connection =
                std::make_shared<LocalConnection>(loop, std::move(device.file), std::move(events)),
            .failure = {}};
}

}  // namespace ringside::debuggee
