// SPDX-License-Identifier: BSL-1.0
// connection: ranges, raw bytes and moving an end; see the header.
#include <kin/transport/connection.hpp>

#include <cerrno>
#include <stdexcept>
#include <string>

#include "transport/ring_ends.hpp"

namespace kin {

message_loan::message_loan(connection& to, std::size_t size) : to_(&to), block_(to.channel_.lend(size)) {
  if (!block_) room_.resize(size);
}

void message_loan::commit() {
  if (!to_) throw std::logic_error("kin: commit() was called twice on one loan, or on one that was moved from");
  connection& to = *std::exchange(to_, nullptr);
  if (block_)
    to.channel_.send_block(std::move(block_));
  else
    to.send_bytes(room_);
}

void connection::send_bytes(std::span<const std::byte> bytes) { channel_.send(detail::raw_bytes, bytes); }

void connection::send_bytes(std::span<const std::byte> bytes, count offset, std::optional<count> size) {
  if (offset > bytes.size())
    throw std::out_of_range("kin: send_bytes: offset " + std::to_string(offset) + " is beyond the buffer's " +
                            std::to_string(bytes.size()) + " bytes");
  if (size && *size > bytes.size() - offset)
    throw std::out_of_range("kin: send_bytes: offset " + std::to_string(offset) + " and size " + std::to_string(*size) +
                            " leave the buffer's " + std::to_string(bytes.size()) + " bytes");
  channel_.send(detail::raw_bytes, bytes.subspan(offset, size ? static_cast<std::size_t>(*size) : std::dynamic_extent));
}

void connection::show(std::uint64_t signature, const std::type_info& type, const std::string& (*structure)()) {
  const detail::frame_header& header = channel_.next();
  if (header.signature != signature)
    throw type_mismatch(
        "kin: the next message is " +
        std::string(header.signature == detail::raw_bytes ? "raw bytes (use recv_bytes), not " : "not ") +
        detail::demangled(type) + ", on the wire " + structure() + "; it can still be received as its own type");
}

const detail::frame_header& connection::next_bytes() {
  const detail::frame_header& header = channel_.next();
  if (header.signature != detail::raw_bytes)
    throw type_mismatch("kin: the next message is a value sent by send(), not raw bytes; receive it with recv<T>()");
  return header;
}

std::vector<std::byte> connection::recv_bytes(std::optional<count> most) {
  const detail::frame_header& header = next_bytes();
  if (most && header.size > *most)
    throw os_error("receive a message of " + std::to_string(header.size) + " bytes where at most " +
                       std::to_string(*most) + " are allowed",
                   "recv_bytes", EMSGSIZE);
  return channel_.take().bytes;
}

message_view connection::recv_view() {
  (void)next_bytes();
  if (detail::block_claim block = channel_.take_block()) return message_view(std::move(block));
  return message_view(channel_.take().bytes);
}

std::size_t connection::recv_bytes_into(std::span<std::byte> buffer) {
  const std::size_t size = channel_.take_if_simple(buffer);
  return size != detail::channel::not_taken ? size : recv_bytes_into(buffer, 0);
}

std::size_t connection::recv_bytes_into(std::span<std::byte> buffer, count offset) {
  if (offset > buffer.size())
    throw std::out_of_range("kin: recv_bytes_into: offset " + std::to_string(offset) + " is beyond the buffer's " +
                            std::to_string(buffer.size()) + " bytes");
  const detail::frame_header& header = next_bytes();
  const std::span<std::byte> room = buffer.subspan(offset);
  if (header.size > room.size()) throw buffer_too_short(channel_.take().bytes);
  const auto size = static_cast<std::size_t>(header.size);
  channel_.take_into(room.first(size));
  return size;
}

pipe_ends pipe() {
  auto [a, b] = detail::ring_ends::make(detail::ring_ends::directions::both);
  return {connection(detail::channel(std::move(a))), connection(detail::channel(std::move(b)))};
}

pipe_ends pipe(simplex_t) {
  auto [writer, reader] = detail::ring_ends::make(detail::ring_ends::directions::one);
  return {connection(detail::channel(std::move(reader))), connection(detail::channel(std::move(writer)))};
}

void codec<connection>::encode(writer& to, const connection& value) { value.channel_.pass(to); }

connection codec<connection>::decode(reader& from) { return connection(detail::channel::passed(from)); }

}  // namespace kin
