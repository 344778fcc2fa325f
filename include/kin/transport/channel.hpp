// SPDX-License-Identifier: BSL-1.0
// channel: frames of a type signature, bytes and file descriptors, between two processes. What `connection` is a typed
// view of, and what kin's own processes talk through. Over the byte rings of a pipe (transport/ring_ends.hpp), or over
// one unix stream socket.
//
// Invariant: native_handle() stays readable (level-triggered) until the message has really been received. On a socket a
// frame that is not taken keeps at least one byte there. One thread per direction.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <kin/core/deadline.hpp>
#include <kin/core/export.hpp>
#include <kin/os/unique_fd.hpp>
#include <kin/transport/block_claim.hpp>
#include <kin/wire/lending.hpp>
#include <kin/wire/parcel.hpp>

namespace kin {
class reader;
class writer;
}  // namespace kin

namespace kin::detail {

/// Precedes every message on the socket, in the byte order of the machine: both ends are on it.
struct frame_header {
  std::uint32_t magic;
  std::uint32_t descriptors;  ///< how many come with the frame
  std::uint64_t size;         ///< bytes of the message; at least one byte is on the wire
  std::uint64_t signature;    ///< type_signature of the value, or raw_bytes
};

inline constexpr std::uint32_t frame_magic = 0x314e494b;  // "KIN1"
/// A peer may claim any size. Up to this much is allocated on its word; beyond, memory grows with what has arrived.
inline constexpr std::size_t trusted_allocation = std::size_t{64} << 20;
/// Throws decode_error for a header that no kin process writes.
KIN_EXPORT void check_frame(const frame_header& header);

/// Signature of a message sent by send_bytes.
inline constexpr std::uint64_t raw_bytes = 0x6b696e2d62797465;  // "kin-byte"

class ring_ends;

/// Set by one thread while another one works in the other direction.
class broken_mark {
 public:
  broken_mark() noexcept = default;
  broken_mark(broken_mark&& other) noexcept : is_(other.is_set()) {}
  broken_mark& operator=(broken_mark&& other) noexcept {
    is_.store(other.is_set(), std::memory_order_relaxed);
    return *this;
  }
  void set() noexcept { is_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool is_set() const noexcept { return is_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> is_{false};
};

class KIN_EXPORT channel {
 public:
  /// Over the rings of a pipe.
  explicit channel(std::unique_ptr<ring_ends> rings) noexcept;
  /// Two connected ends over rings. Throws os_error.
  static std::pair<channel, channel> over_rings();
  /// Over one end of a connected unix stream socket.
  explicit channel(unique_fd socket, bool readable = true, bool writable = true) noexcept;
  channel(channel&&) noexcept;
  channel& operator=(channel&&) noexcept;
  ~channel();

  /// Sends one frame, waiting while the socket is full. Throws closed_error when the other end is closed, os_error
  /// (EBADF on a read-only channel, ETOOMANYREFS, EMFILE, ETIMEDOUT at the deadline). After a failure in the middle of
  /// a frame the channel is broken off, because the peer could not find the next frame's start: for both directions, as
  /// if closed, but its descriptors stay until close(), for the sake of a thread that uses the other direction.
  void send(std::uint64_t signature, std::span<const std::byte> bytes, std::span<const unique_fd> fds = {},
            const deadline& until = deadline::never());

  /// The same for a large message in parts, none of which is copied before it is sent.
  void send(std::uint64_t signature, const gathered_bytes& bytes, std::span<const unique_fd> fds,
            const deadline& until = deadline::never());

  /// Shared memory to build a raw message of `size` bytes in, for send_block(); empty where there is none, or it is not
  /// worth it. Waits for nobody. Throws closed_error, os_error (EBADF).
  block_claim lend(std::size_t size);
  /// Sends what was built there. Throws like send().
  void send_block(block_claim built, const deadline& until = deadline::never());

  /// Waits for a message or the end of file; false at the deadline.
  bool poll(const deadline& until);
  /// Waits for the next frame and shows its header without taking the message. closed_error at end of file,
  /// decode_error for bytes that are no frame.
  const frame_header& next(const deadline& until = deadline::never());
  /// Takes the frame that next() showed. closed_error when the peer died in the middle of it.
  parcel take(const deadline& until = deadline::never());
  /// The same for a message without descriptors that fits into `room`; else take() must be used.
  void take_into(std::span<std::byte> room, const deadline& until = deadline::never());
  /// Whether the frame that next() showed is so large that it comes in pieces. Then instead of take(): its descriptors,
  /// and its bytes by next_part() until it is empty. Throws like take(); who leaves off before it is empty closes.
  [[nodiscard]] bool comes_in_parts() const noexcept;
  std::shared_ptr<const void> begin_parts(std::vector<unique_fd>& fds);
  /// At least one byte of the message that begin_parts() began, until the next call, in the memory that it returned;
  /// none: that was all.
  std::span<const std::byte> next_part(const deadline& until = deadline::never());
  /// The next message, for which it waits, if it is a raw one that can be copied into `room` at once: its size. Else
  /// not_taken: what there is, perhaps the end of file, is next()'s matter.
  std::size_t take_if_simple(std::span<std::byte> room);
  static constexpr std::size_t not_taken = static_cast<std::size_t>(-1);
  /// The frame that next() showed, where its sender has built it; empty, and the frame not taken, if it was copied.
  block_claim take_block();
  /// next() and take(), for callers to whom all types are one; empty at end of file.
  std::optional<parcel> take_any(const deadline& until = deadline::never());

  /// Over a socket: from now on a message of one batch whose descriptors this process had no room for comes without
  /// any, instead of breaking the channel off.
  void do_without_descriptors() noexcept { does_without_descriptors_ = true; }

  void close() noexcept;
  /// After close(), and after a failure that has broken it off.
  [[nodiscard]] bool closed() const noexcept;
  [[nodiscard]] bool readable() const noexcept { return readable_; }
  [[nodiscard]] bool writable() const noexcept { return writable_; }
  /// Throws os_error when the descriptor that pollers need cannot be made.
  [[nodiscard]] int native_handle() const;

  /// The sockets whose hang-up is its end: for whoever shuts them down from another thread, or closes copies of them.
  /// Throws os_error, decode_error at the first use of an end that came from another process.
  [[nodiscard]] std::vector<int> sockets() const;

  /// For moving a channel to another process: a frame whose header has been read travels along. Throws encode_error
  /// for a closed one.
  void pass(writer& to) const;
  static channel passed(reader& from);

 private:
  template <class Call>
  decltype(auto) or_break_off(Call&& call);
  template <class Send>
  void break_off_if_cut(Send&& send);
  void break_off() noexcept;
  void require(bool direction, const char* doing) const;
  void read_header(const deadline& until);
  parcel take_pending(const deadline& until);
  void send_by_socket(std::uint64_t signature, const gathered_bytes& bytes, std::span<const unique_fd> fds,
                      const deadline& until);

  unique_fd socket_;
  std::unique_ptr<ring_ends> rings_;
  bool readable_, writable_;
  broken_mark broken_;
  std::optional<frame_header> pending_;
  std::vector<unique_fd> pending_fds_;
  bool does_without_descriptors_ = false;
};

}  // namespace kin::detail
