// SPDX-License-Identifier: BSL-1.0
// connection: one end of a pipe. Typed messages and raw bytes between two processes, with Python's verbs.
// A thin typed view of detail::channel; station 2 and 3 of the journey of a message (docs/data_flow.md).
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <kin/core/always_false.hpp>
#include <kin/core/count.hpp>
#include <kin/core/deadline.hpp>
#include <kin/core/error.hpp>
#include <kin/core/export.hpp>
#include <kin/transport/block_claim.hpp>
#include <kin/transport/channel.hpp>
#include <kin/transport/message_stream.hpp>
#include <kin/wire/codec.hpp>
#include <kin/wire/copyable.hpp>
#include <kin/wire/lending.hpp>

namespace kin {

class connection;

/// Room for one message that is built in place; see connection::loan. Move-only; outlived by its connection.
class KIN_EXPORT message_loan {
 public:
  message_loan(message_loan&& other) noexcept
      : to_(std::exchange(other.to_, nullptr)), block_(std::move(other.block_)), room_(std::move(other.room_)) {}
  message_loan& operator=(message_loan&& other) noexcept {
    to_ = std::exchange(other.to_, nullptr);
    block_ = std::move(other.block_);
    room_ = std::move(other.room_);
    return *this;
  }
  /// The message's bytes, to be written by the caller. What is in them at first is not specified.
  [[nodiscard]] std::span<std::byte> bytes() noexcept { return block_ ? block_.bytes() : std::span(room_); }
  /// Sends the message, like send_bytes. Without it, nothing is sent. Throws what send_bytes throws; std::logic_error
  /// the second time, and for a loan that was moved from.
  void commit();

 private:
  friend class connection;
  message_loan(connection& to, std::size_t size);
  connection* to_;
  detail::block_claim block_;
  std::vector<std::byte> room_;  // where there is no block
};

/// One message where its sender has built it, or a copy of it; see connection::recv_view. Move-only. While it lives its
/// sender cannot use that memory again: who keeps many makes the sender's later loans be copied.
class KIN_EXPORT message_view {
 public:
  message_view(message_view&&) noexcept = default;
  message_view& operator=(message_view&&) noexcept = default;
  /// The message's bytes. A sender that does not keep to the rules may change them.
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return block_ ? block_.bytes() : std::span(copy_); }
  /// Whether nothing was copied.
  [[nodiscard]] bool in_place() const noexcept { return static_cast<bool>(block_); }

 private:
  friend class connection;
  explicit message_view(detail::block_claim block) noexcept : block_(std::move(block)) {}
  explicit message_view(std::vector<std::byte> copy) noexcept : copy_(std::move(copy)) {}
  detail::block_claim block_;
  std::vector<std::byte> copy_;
};

/// One end of a pipe, move-only. Usable by one thread per direction at a time: one may send while another receives; not
/// closed or moved from meanwhile. Both ends of a pipe are seven descriptors, and two more for each that is polled.
///
/// Death of the other side: what it had sent completely can still be received; then recv throws closed_error, and
/// send throws closed_error at once (in an unbroken loop of sends, by the 16th after it). A message cut short by a
/// death is never delivered. Fork: both processes hold the same end afterwards; let one of them close it.
class KIN_EXPORT connection {
 public:
  /// A closed connection.
  connection() noexcept : channel_(unique_fd{}) {}
  /// Takes over one end of a connected unix stream socket that speaks kin's frames.
  explicit connection(detail::channel c) noexcept : channel_(std::move(c)) {}

  /// Sends any value (api.md says which types). Returns when the message is in shared memory, where it outlives this
  /// process; waits while there is no room. Move-only values, and values that hold descriptors or connections, are sent
  /// by std::move: afterwards the other side owns them. Large arrays are sent from where they lie, and not copied
  /// first: nobody may change the value meanwhile. Throws encode_error (nothing sent), closed_error, os_error.
  template <class T>
  void send(T&& value) {
    using Sent = stored_t<T>;
    static_assert(
        detail::is_copyable<Sent> || !(std::is_lvalue_reference_v<T> || std::is_const_v<std::remove_reference_t<T>>),
        "kin: this value is move-only; write connection.send(std::move(value))");
    check_sendable<Sent>();
    detail::lending from{};
    detail::parcel message = encoded<Sent>(value, from);
    if (from.lent.empty()) [[likely]]
      channel_.send(type_signature<Sent>(), message.bytes, message.fds);
    else
      channel_.send(type_signature<Sent>(), detail::gathered_bytes{message.bytes, from.lent}, message.fds);
    message.arrived();
    if constexpr (!std::is_lvalue_reference_v<T> && !std::is_const_v<std::remove_reference_t<T>> &&
                  std::is_class_v<Sent> && std::is_same_v<Sent, std::remove_cvref_t<T>>) {
      [[maybe_unused]] const Sent given_away = std::forward<T>(value);  // closes what the other side now owns
    }
  }

  /// Receives the next message as a T, waiting for it. Throws type_mismatch when it is of another type (it then stays
  /// the next message, readable as its own type), closed_error at end of file, decode_error for damaged bytes. A
  /// message of more than 128 KiB is decoded while it arrives, so that it is never held twice.
  template <class T>
  T recv() {
    static_assert(std::is_same_v<T, std::remove_cvref_t<T>>,
                  "kin: receive a value: recv<std::string>(), not a reference");
    check_sendable<T>();
    show(type_signature<T>(), typeid(T), &type_structure<T>);
    if (channel_.comes_in_parts()) [[unlikely]]
      return detail::message_stream(channel_).template take<T>();
    return detail::decode<T>(channel_.take());
  }

  /// True when a message, or the end of file, can be received without waiting.
  bool poll() { return channel_.poll(deadline::now()); }
  /// The same, waiting for it at most `timeout`.
  template <class Rep, class Period>
  bool poll(std::chrono::duration<Rep, Period> timeout) {
    return channel_.poll(deadline::after(timeout));
  }

  /// Sends bytes [offset, offset + size) of `bytes` as one raw message; without `size`, up to the end. Throws
  /// std::out_of_range when the range leaves the buffer or is negative (nothing sent).
  void send_bytes(std::span<const std::byte> bytes, count offset, std::optional<count> size = std::nullopt);
  /// All of them.
  void send_bytes(std::span<const std::byte> bytes);
  template <class T, class... Range>
    requires(!std::convertible_to<const T&, std::span<const std::byte>>)
  void send_bytes(const T&, Range...) {
    static_assert(detail::always_false<T>,
                  "kin: send_bytes takes a std::span<const std::byte>. For numbers and text write  "
                  "send_bytes(std::as_bytes(std::span(data)))  or send(value), which sends any value as what it is");
  }

  /// Receives one raw message. More than `most` bytes: os_error(EMSGSIZE), and the message stays. A message sent by
  /// send() throws type_mismatch and stays.
  std::vector<std::byte> recv_bytes(std::optional<count> most = std::nullopt);

  /// Receives one raw message into `buffer` from `offset` on and returns its size in bytes. Too small a buffer:
  /// buffer_too_short, which carries the whole message; the buffer is untouched. Bad offset: std::out_of_range.
  std::size_t recv_bytes_into(std::span<std::byte> buffer, count offset);
  std::size_t recv_bytes_into(std::span<std::byte> buffer);

  /// Receives one raw message without copying it where it was built in place by loan(), which costs the same at any
  /// size; a copy of it otherwise. Throws like recv_bytes.
  [[nodiscard]] message_view recv_view();

  /// Room for a message of `size` bytes to be built in place and sent by its commit(): shared memory that the receiver
  /// reads where it is (recv_view), and gives back. Up to 16 such messages a direction (64 MiB, but at least two) may
  /// be on their way or with the receiver; beyond, and where memory is refused, and below 8 KiB, it is private memory
  /// that commit() copies. Throws closed_error.
  [[nodiscard]] message_loan loan(count size) { return {*this, size}; }

  /// Closes this end. The other side's recv throws closed_error once it has received everything. Idempotent.
  void close() noexcept { channel_.close(); }
  [[nodiscard]] bool closed() const noexcept { return channel_.closed(); }
  [[nodiscard]] bool readable() const noexcept { return channel_.readable(); }
  [[nodiscard]] bool writable() const noexcept { return channel_.writable(); }

  /// For poll, epoll and event loops: readable (level-triggered) while a message or the end of file waits.
  /// -1 when closed. Only to be waited on, never read or written.
  /// The first call makes it; throws os_error (EMFILE).
  [[nodiscard]] int native_handle() const { return channel_.native_handle(); }

 private:
  friend struct codec<connection>;
  friend class message_loan;

  template <class Sent, class T>
  static detail::parcel encoded(const T& value, detail::lending& from) {
    if constexpr (std::is_same_v<Sent, std::remove_cvref_t<T>>)
      return detail::encode_around(value, detail::delivery::once, from);
    else
      return detail::encode(Sent(value), detail::delivery::once);
  }
  const detail::frame_header& next_bytes();
  void show(std::uint64_t signature, const std::type_info& type, const std::string& (*structure)());

  detail::channel channel_;
};

/// The two ends of a pipe as `auto [a, b] = kin::pipe();`.
struct pipe_ends {
  connection first, second;
};

/// Asks pipe() for one direction: `auto [reader, writer] = kin::pipe(kin::simplex);`
struct simplex_t {
  explicit simplex_t() = default;
};
inline constexpr simplex_t simplex{};

/// Two connected ends, both of which send and receive. Throws os_error (EMFILE).
[[nodiscard]] KIN_EXPORT pipe_ends pipe();
/// {reader, writer}: the first only receives, the second only sends.
[[nodiscard]] KIN_EXPORT pipe_ends pipe(simplex_t);

/// A connection moves inside a message, an argument or a result. A message whose type was already looked at travels
/// along, so nothing is lost by moving an end between two receives.
template <>
struct KIN_EXPORT codec<connection> {
  static constexpr std::string_view structure = "connection";
  static void encode(writer& to, const connection& value);
  static connection decode(reader& from);
};

}  // namespace kin
