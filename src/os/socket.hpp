// SPDX-License-Identifier: BSL-1.0
// socket: pairs of connected unix sockets, and moving bytes and descriptors over one.
// Works on blocking and non-blocking sockets alike: EAGAIN is answered by a poll until the deadline.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include <kin/core/deadline.hpp>
#include <kin/os/unique_fd.hpp>

namespace kin::os {

/// Two connected close-on-exec AF_UNIX stream sockets.
std::pair<unique_fd, unique_fd> socket_pair();
/// The same, but of packets: each send_some is received whole by one recv_some, so that many processes may write to
/// copies of one end.
std::pair<unique_fd, unique_fd> packet_socket_pair();

/// Ends both directions for every holder of the socket: whoever waits on either end wakes up. Never throws.
void shut_down(int socket) noexcept;

/// The kernel's SCM_MAX_FD: how many descriptors one message takes.
inline constexpr std::size_t max_fds_per_message = 253;

enum class io_state { done, would_block, closed };
struct io_result {
  io_state state;
  std::size_t bytes = 0;  ///< moved by this call
  bool unread = false;    ///< closed by a peer that had not read all it was sent (ECONNRESET)
};

/// One sendmsg(MSG_DONTWAIT | MSG_NOSIGNAL). closed: EPIPE or ECONNRESET. Other failures: os_error.
/// `fds` (at most max_fds_per_message) go with the first byte; they are gone when bytes > 0.
io_result send_some(int socket, std::span<const iovec> pieces, std::span<const int> fds = {});

/// os_error(EMFILE).
[[noreturn]] void throw_no_room_for_descriptors();

/// One recvmsg(MSG_DONTWAIT). closed: end of file or ECONNRESET. Descriptors that came along are appended to `fds`;
/// throw_no_room_for_descriptors() when the kernel could not give us one of them (MSG_CTRUNC): the rest is lost.
/// `flags`: more of them, such as MSG_PEEK. `lost`: is set then, instead of the exception.
io_result recv_some(int socket, std::span<std::byte> into, std::vector<unique_fd>& fds, int flags = 0,
                    bool* lost = nullptr);

/// Copies the bytes that the next recv_some() of as many would take, up to those that descriptors come with, and takes
/// nothing. 0: there are none now, or no more.
std::size_t peek(int socket, std::span<std::byte> into);

/// The same as recv_some, but waits for something to come. would_block: the deadline has passed.
io_result recv_waiting(int socket, std::span<std::byte> into, std::vector<unique_fd>& fds, deadline until,
                       bool* lost = nullptr);
/// Nobody has the other end any more.
bool is_hung_up(int socket) noexcept;

/// Sends all of it, waiting as needed. False: closed by the peer. Throws os_error(ETIMEDOUT) at the deadline.
bool send_all(int socket, std::span<const std::byte> bytes, std::span<const int> fds, deadline until);
/// Fills `into`, waiting as needed. False: the peer closed first. Throws os_error(ETIMEDOUT) at the deadline.
bool recv_all(int socket, std::span<std::byte> into, std::vector<unique_fd>& fds, deadline until);

/// Whether something that was sent has not been read yet by whoever has the other end.
bool has_unread(int socket) noexcept;

/// The peer reads the end of file after what was sent.
void shut_for_writing(int socket) noexcept;

/// Process id of the process at the other end when the pair was made or connected (SO_PEERCRED), or -1.
int peer_pid(int socket) noexcept;

}  // namespace kin::os
