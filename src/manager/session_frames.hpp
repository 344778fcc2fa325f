// SPDX-License-Identifier: BSL-1.0
// session_frames: what a manager's server and its clients say to each other.
//
// Through the door, a packet socket of which every client has a copy of one end, a client hands in the other ends of
// its sessions: a door_knock each, with a socket, or with the end of a pipe and what channel::pass() says of it. On
// such a session it sends frames (transport/channel.hpp) of these signatures.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kin::detail {

/// Which server: drawn at random, so that a proxy never meets another server by chance.
struct server_id {
  std::uint64_t high = 0, low = 0;
  friend bool operator==(const server_id&, const server_id&) = default;
  friend auto operator<=>(const server_id&, const server_id&) = default;
};

struct door_knock {
  std::uint64_t mark;    ///< knock_mark, or pipe_knock_mark
  std::uint64_t client;  ///< the same for all sessions of one client
};
inline constexpr std::uint64_t knock_mark = 0x6b6e6f636b6e6f63;
inline constexpr std::uint64_t pipe_knock_mark = 0x6b6e6f636b706970;
/// The longest knock.
inline constexpr std::size_t most_in_a_knock = 256;

inline constexpr std::uint64_t request_frame = 0x6b696e2d6d726571;  ///< a call; answered by an outcome
inline constexpr std::uint64_t session_answer_frame = 0x6b696e2d6d616e73;
/// An object's number, and the reading end of a pipe: keep the object until the pipe hangs up; without the pipe, for
/// which a server may have no descriptor, as long as this client is there. No answer.
inline constexpr std::uint64_t hold_frame = 0x6b696e2d6d686c64;
/// An object's number, and optionally the pipe's other end: this client has one more reference. No answer.
inline constexpr std::uint64_t adopt_frame = 0x6b696e2d6d616470;
/// The same without a descriptor, answered by a bool: whether there is such an object.
inline constexpr std::uint64_t adopt_and_answer_frame = 0x6b696e2d6d616461;
/// An object's number: this client has one reference fewer. No answer.
inline constexpr std::uint64_t release_frame = 0x6b696e2d6d72656c;

}  // namespace kin::detail
