// SPDX-License-Identifier: BSL-1.0
// session_socket: a client's end of a session with a manager's server. A forked copy of the process closes its copies
// of all of them at once: the server must see the end of the process that opened them.
#pragma once

#include <atomic>
#include <cstdint>

#include <kin/os/unique_fd.hpp>
#include <kin/transport/channel.hpp>

namespace kin::detail {

class session_socket {
 public:
  /// Over a pipe's rings, for many calls, or over a socket, which is made faster.
  enum class over { rings, socket };
  /// Opens a session by handing the other end in at the door. Throws closed_error when the server is gone.
  session_socket(int door, std::uint64_t client, over what);
  session_socket(const session_socket&) = delete;
  session_socket& operator=(const session_socket&) = delete;
  ~session_socket();

  channel& link() noexcept { return channel_; }

  /// In a forked copy, where the objects themselves are then never touched again.
  static void close_all_copies() noexcept;

 private:
  struct place;
  place& place_;
  channel channel_;
};

}  // namespace kin::detail
