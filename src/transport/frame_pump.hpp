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

  /// Most bytes moved in one call of flush() or receive(): a peer with a huge message must not keep the others waiting.
  static constexpr std::size_t per_round = std::size_t{4} << 20;

  /// Sends as much as the socket takes now; the rest goes with later calls of flush().
  void send(std::uint64_t signature, std::shared_ptr<const parcel> message);
  /// The peer sees the end of file after what was sent; it may still answer.
  void shut() noexcept;
  /// True when something was sent.
  bool flush();
  [[nodiscard]] bool wants_to_write() const noexcept { return !outbox_.empty() && !unwritable_; }
  /// The next whole frame that has arrived, if any. Throws decode_error for bytes that are no frame, os_error.
  /// Stops after `most` bytes; there may be more.
  std::optional<frame> receive(std::size_t most = per_round);
  /// The peer is gone. What had arrived whole before has been returned by receive() first.
  [[nodiscard]] bool closed() const noexcept { return closed_; }
  /// For a peer that is gone: it had not read all it was sent, so it has begun nothing of the last message.
  [[nodiscard]] bool died_before_reading() const noexcept;

 private:
  struct outgoing {
    frame_header header;
    std::shared_ptr<const parcel> message;
    std::size_t sent = 0;  // bytes of header, padding of descriptor batches, and message
    std::size_t fds_sent = 0;
  };
  bool send_step(outgoing& out);
  bool fill(std::span<std::byte> room, std::size_t& have, std::size_t& most);

  int socket_;
  bool closed_ = false;      // nothing more can come from it
  bool unwritable_ = false;  // it reads no more; what it has sent may still wait here
  bool unread_ = false;
  std::deque<outgoing> outbox_;
  frame_header header_{};
  std::size_t header_have_ = 0;
  parcel incoming_;
  std::size_t body_have_ = 0;
};

}  // namespace kin::detail
