// SPDX-License-Identifier: BSL-1.0
// frame_pump: the frames of a channel without ever waiting, for one thread that serves many peers. Both directions;
// the caller serialises its calls.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include <kin/transport/channel.hpp>
#include <kin/wire/parcel.hpp>

namespace kin::detail {

class frame_pump {
 public:
  struct frame {
    std::uint64_t signature;
    parcel message;
  };

  /// `socket` is borrowed.
  explicit frame_pump(int socket) noexcept : socket_(socket) {}

  /// Sends as much as the socket takes now; the rest goes with later calls of flush().
  void send(std::uint64_t signature, std::shared_ptr<const parcel> message);
  /// The peer sees the end of file after what was sent; it may still answer.
  void shut() noexcept;
  void flush();
  [[nodiscard]] bool wants_to_write() const noexcept { return !outbox_.empty() && !closed_; }
  /// The next whole frame that has arrived, if any. Throws decode_error for bytes that are no frame, os_error.
  std::optional<frame> receive();
  /// The peer is gone. What had arrived whole before has been returned by receive() first.
  [[nodiscard]] bool closed() const noexcept { return closed_; }

 private:
  struct outgoing {
    frame_header header;
    std::shared_ptr<const parcel> message;
    std::size_t sent = 0;  // bytes of header, padding of descriptor batches, and message
    std::size_t fds_sent = 0;
  };
  bool send_step(outgoing& out);
  bool fill(std::span<std::byte> room, std::size_t& have);

  int socket_;
  bool closed_ = false;
  std::deque<outgoing> outbox_;
  frame_header header_{};
  std::size_t header_have_ = 0;
  parcel incoming_;
  std::size_t body_have_ = 0;
};

}  // namespace kin::detail
