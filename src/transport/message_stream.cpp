// SPDX-License-Identifier: BSL-1.0
// message_stream: see the header.
#include <kin/transport/message_stream.hpp>

#include <kin/core/error.hpp>

namespace kin::detail {

message_stream::message_stream(channel& from, const deadline& until)
    : message_stream(from, from.next(until).size, until) {}

message_stream::message_stream(channel& from, std::uint64_t size, const deadline& until)
    : from_(from), until_(until), memory_(from.begin_parts(fds_)), in_(*this, size, fds_) {}

message_stream::~message_stream() {
  try {
    while (!from_.closed() && !from_.next_part(until_).empty()) {
    }
  } catch (...) {  // the channel is closed then, which the next call says
  }
}

std::span<const std::byte> message_stream::next() {
  const auto part = from_.next_part(until_);
  if (part.empty()) cannot_decode("the message ends too early");
  return part;
}

}  // namespace kin::detail
