// SPDX-License-Identifier: BSL-1.0
// connection: ranges, raw bytes and moving an end; see the header.
#include <kin/transport/connection.hpp>

#include <cerrno>
#include <stdexcept>
#include <string>

#include "os/socket.hpp"

namespace kin {

void message_loan::commit() {
  if (!to_) throw std::logic_error("kin: commit() was called twice on one loan, or on one that was moved from");
  std::exchange(to_, nullptr)->send_bytes(room_);
}

void connection::send_bytes(std::span<const std::byte> bytes, count offset, std::optional<count> size) {
  if (offset > bytes.size())
    throw std::out_of_range("kin: send_bytes: offset " + std::to_string(offset) + " is beyond the buffer's " +
                            std::to_string(bytes.size()) + " bytes");
  if (size && *size > bytes.size() - offset)
    throw std::out_of_range("kin: send_bytes: offset " + std::to_string(offset) + " and size " + std::to_string(*size) +
                            " leave the buffer's " + std::to_string(bytes.size()) + " bytes");
  channel_.send(detail::raw_bytes, bytes.subspan(offset, size ? static_cast<std::size_t>(*size) : std::dynamic_extent));
}

detail::parcel connection::receive(std::uint64_t signature, const std::string& (*structure)()) {
  const detail::frame_header& header = channel_.next();
  if (header.signature != signature)
    throw type_mismatch(
        "kin: the next message is " +
        std::string(header.signature == detail::raw_bytes ? "raw bytes (use recv_bytes), not " : "not ") + structure() +
        "; it can still be received as its own type");
  return channel_.take();
}

std::vector<std::byte> connection::recv_bytes(std::optional<count> most) {
  const detail::frame_header& header = channel_.next();
  if (header.signature != detail::raw_bytes)
    throw type_mismatch("kin: the next message is a value sent by send(), not raw bytes; receive it with recv<T>()");
  if (most && header.size > *most)
    throw os_error("receive a message of " + std::to_string(header.size) + " bytes where at most " +
                       std::to_string(*most) + " are allowed",
                   "recv_bytes", EMSGSIZE);
  return channel_.take().bytes;
}

std::size_t connection::recv_bytes_into(std::span<std::byte> buffer, count offset) {
  if (offset > buffer.size())
    throw std::out_of_range("kin: recv_bytes_into: offset " + std::to_string(offset) + " is beyond the buffer's " +
                            std::to_string(buffer.size()) + " bytes");
  std::vector<std::byte> message = recv_bytes();
  if (message.size() > buffer.size() - offset) throw buffer_too_short(std::move(message));
  std::copy(message.begin(), message.end(), buffer.begin() + static_cast<std::ptrdiff_t>(std::size_t{offset}));
  return message.size();
}

pipe_ends pipe() {
  auto [a, b] = os::socket_pair();
  return {connection(detail::channel(std::move(a))), connection(detail::channel(std::move(b)))};
}

pipe_ends pipe(simplex_t) {
  auto [a, b] = os::socket_pair();
  return {connection(detail::channel(std::move(a), true, false)),
          connection(detail::channel(std::move(b), false, true))};
}

void codec<connection>::encode(writer& to, const connection& value) {
  const auto state = value.channel_.state();
  to.fd(state.socket);
  to(state.readable, state.writable, state.pending.has_value());
  if (!state.pending) return;
  to(state.pending->descriptors, state.pending->size, state.pending->signature,
     static_cast<std::uint64_t>(state.pending_fds.size()));
  for (const auto& fd : state.pending_fds) to.fd(fd.get());
}

connection codec<connection>::decode(reader& from) {
  unique_fd socket = from.fd();
  bool readable = false, writable = false, has_pending = false;
  from(readable, writable, has_pending);
  std::optional<detail::frame_header> pending;
  std::vector<unique_fd> fds;
  if (has_pending) {
    pending.emplace();
    std::uint64_t n = 0;
    from(pending->descriptors, pending->size, pending->signature, n);
    for (; n > 0; --n) fds.push_back(from.fd());  // each takes bytes of the message: n cannot run away
  }
  return connection(detail::channel::from_state(std::move(socket), readable, writable, pending, std::move(fds)));
}

}  // namespace kin
