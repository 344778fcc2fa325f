// SPDX-License-Identifier: BSL-1.0
// ring_receiver: the receiving side of one direction of a pipe: frames out of the byte ring, descriptors from the
// socket. Station 3 of the journey of a message (docs/data_flow.md). One thread at a time, native_handle() aside.
//
// Invariant: while native_handle() is in use, it is readable exactly when a message or the end of file waits.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <kin/core/deadline.hpp>
#include <kin/os/unique_fd.hpp>
#include <kin/transport/block_claim.hpp>
#include <kin/transport/channel.hpp>
#include <kin/wire/parcel.hpp>

#include "memory/byte_ring.hpp"
#include "memory/wait_loop.hpp"
#include "os/socket.hpp"
#include "os/streak.hpp"
#include "transport/arrived_descriptors.hpp"
#include "transport/readiness.hpp"
#include "transport/ring_memory.hpp"
#include "transport/ring_wait.hpp"

namespace kin::detail {

class ring_receiver {
 public:
  /// `arrived`: what an earlier holder of this end has taken from the socket already.
  ring_receiver(std::shared_ptr<const ring_memory> memory, unsigned direction, unique_fd socket,
                arrived_descriptors arrived);
  ring_receiver(const ring_receiver&) = delete;
  ring_receiver& operator=(const ring_receiver&) = delete;
  ~ring_receiver();

  /// No more is received here, nor by copies of this end; its sender is told. For any thread.
  void leave() noexcept;

  /// See channel.
  bool poll(const deadline& until);
  const frame_header& next(const deadline& until);
  /// Whether next() has shown a frame that was not taken yet.
  [[nodiscard]] bool has_shown() const noexcept { return frame_ != 0; }
  /// Takes the frame that next() showed. After a failure the next frame's start is lost.
  parcel take(const deadline& until);
  /// The same for a frame without descriptors that fits into `room`.
  void take_into(std::span<std::byte> room, const deadline& until);
  /// Instead of take(), for a frame that comes in pieces: begin_pieces(), and next_of_pieces() until it is empty. What
  /// it shows lies in the ring, until the next call. Who leaves off earlier has lost the next frame's start.
  [[nodiscard]] bool shows_announcement() const noexcept { return is_frame(frame_, frame_kind::announcement); }
  std::vector<unique_fd> begin_pieces();
  std::span<const std::byte> next_of_pieces(const deadline& until);
  /// The next message if it is a raw one that lies whole in the ring and fits into `room`; its size. Else not_taken,
  /// and next() shows what there is.
  std::size_t take_if_simple(std::span<std::byte> room);
  static constexpr std::size_t not_taken = static_cast<std::size_t>(-1);
  /// The same for a message that lies in a block: where it was built. Empty: it lies in the ring, and was not taken.
  block_claim take_block();
  /// Throws os_error when it is first needed and cannot be made.
  [[nodiscard]] int native_handle();

  [[nodiscard]] int socket() const noexcept { return socket_.get(); }
  [[nodiscard]] unsigned direction() const noexcept { return direction_; }
  [[nodiscard]] const std::shared_ptr<const ring_memory>& memory() const noexcept { return memory_; }
  [[nodiscard]] const arrived_descriptors& arrived() const noexcept { return arrived_; }

 private:
  enum class occasion { first_poll, taking };
  [[noreturn]] static void throw_too_late();
  // For a frame, which frame_ then is: seen, deadline, or closed behind all that was sent.
  wait_end wait_for_frame(const deadline& until) {
    in_a_streak_ = std::exchange(os::streak, this) == this;
    return look() ? wait_end::seen : wait_longer(until);
  }
  bool look() { return (frame_ = ring_.look()) != 0; }
  wait_end wait_longer(const deadline& until);
  class event_sleep;
  class byte_sleep;
  wait_end sleep(const deadline& until);
  wait_end sleep_beside_pollers(const deadline& until);
  std::size_t next_piece(std::uint64_t left, const deadline& until);
  void show_bell(std::uint32_t whose);
  void set_bell(std::uint32_t whose);
  void set_bell_beside_another(std::uint32_t whose);
  void sleep_carelessly() noexcept;
  static constexpr std::size_t rings_at_once = 64;
  os::io_result take_rings(std::size_t most = rings_at_once);
  bool take_next_descriptors();
  void clear_event() noexcept;
  void take_descriptors(std::uint32_t wanted, std::vector<unique_fd>& fds);
  template <class Sink>
  void take_bytes(Sink&& sink, const deadline& until);
  void pass_frame() {
    const std::uint64_t position = ring_.advance(frame_, in_a_streak_);
    after_publication(light_);
    if (control_.writer_bell.load(std::memory_order_relaxed) != 0) [[unlikely]]
      ring_writer(position);
  }
  void end_taking() {
    frame_ = 0;
    if (!arrived_.empty()) [[unlikely]]
      arrived_.drop_before(ring_.at());
    if (pollers_.in_use()) [[unlikely]]
      settle(occasion::taking);
  }
  template <class End>
  void leave_by(End&& end) noexcept;
  void tell_pollers();
  void ring_writer(std::uint64_t position);
  [[nodiscard]] bool is_empty() const;
  void settle(occasion when);
  void let_ringer_finish();

  std::shared_ptr<const ring_memory> memory_;
  ring_control& control_;
  ring_reader ring_;
  unique_fd socket_;
  arrived_descriptors arrived_;
  std::uint64_t frame_ = 0;  // the word of the frame that was seen last
  spin_habit habit_;
  unsigned awake_ = 0;        // waits without a sleep, in a row
  bool in_a_streak_ = false;  // this thread has waited for nothing else since the last frame
  frame_header header_{};
  // Of a message that begin_pieces() began: what is still to come, the piece shown included; of that one, what was
  // shown already, and what is shown now.
  std::uint64_t to_come_ = 0;
  std::size_t shown_before_ = 0, shown_now_ = 0;
  readiness pollers_;
  std::shared_ptr<ring_blocks> blocks_;  // made when the first one comes
  bool event_set_ = false;               // found so by this end, and not cleared
  std::atomic<bool> bell_set_{false};    // for pollers, by this end; perhaps taken since
  std::atomic<bool> ring_taken_{false};  // a byte, since this end set that bell
  unsigned direction_;
  bool light_;
};

}  // namespace kin::detail
