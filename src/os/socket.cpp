// SPDX-License-Identifier: BSL-1.0
// socket: see the header. Ancillary data: man 7 unix, man 3 cmsg.
#include "os/socket.hpp"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>

#include <kin/os/duplicate.hpp>

#include "os/gate.hpp"
#include "os/poll.hpp"

namespace kin::os {
namespace {

// Aligned room for the control message of one full batch of descriptors.
union batch_control {
  cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int) * max_fds_per_message)];
};

void take_descriptors(msghdr& message, std::vector<unique_fd>& fds) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    int numbers[max_fds_per_message];
    std::memcpy(numbers, CMSG_DATA(c), n * sizeof(int));
    try {
      fds.reserve(fds.size() + n);
    } catch (...) {
      for (std::size_t i = 0; i < n; ++i) unique_fd(numbers[i]).reset();
      throw;
    }
    for (std::size_t i = 0; i < n; ++i) fds.emplace_back(numbers[i]);
    // Where 0 to 2 are closed, they would be what the program prints to.
    for (auto each = fds.end() - static_cast<std::ptrdiff_t>(n); each != fds.end(); ++each)
      *each = above_standard(std::move(*each));
  }
}

std::pair<unique_fd, unique_fd> make_pair_of(int type) {
  int ends[2];
  call("socketpair", "make a pair of sockets", [&] { return ::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends); });
  unique_fd first(ends[0]), second(ends[1]);
  return {above_standard(std::move(first)), above_standard(std::move(second))};
}

bool peer_is_gone(int error) { return error == EPIPE || error == ECONNRESET; }

}  // namespace

std::pair<unique_fd, unique_fd> socket_pair() { return make_pair_of(SOCK_STREAM); }
std::pair<unique_fd, unique_fd> packet_socket_pair() { return make_pair_of(SOCK_SEQPACKET); }

void throw_no_room_for_descriptors() {
  throw os_error("receive the file descriptors of a message (is RLIMIT_NOFILE reached?)", "recvmsg", EMFILE);
}

void shut_down(int socket) noexcept { ::shutdown(socket, SHUT_RDWR); }

io_result send_some(int socket, std::span<const iovec> pieces, std::span<const int> fds) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());
  message.msg_iovlen = pieces.size();
  batch_control control;
  if (!fds.empty()) {
    std::memset(&control, 0, sizeof control);
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(c), fds.data(), fds.size_bytes());
  }
  const ssize_t n = try_call("sendmsg", [&] { return ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT); });
  if (n >= 0) return {io_state::done, static_cast<std::size_t>(n)};
  if (errno == EAGAIN) return {io_state::would_block};
  if (peer_is_gone(errno)) return {io_state::closed};
  throw os_error(fds.empty() ? "send a message" : "send file descriptors with a message", "sendmsg", errno);
}

namespace {
io_result receive(int socket, std::span<std::byte> into, std::vector<unique_fd>& fds, int flags, bool* lost) {
  iovec piece{into.data(), into.size()};
  batch_control control;
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = sizeof control;
  const ssize_t n = try_call("recvmsg", [&] { return ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | flags); });
  if (n < 0 && errno == EAGAIN) return {io_state::would_block};
  if (n < 0 && peer_is_gone(errno)) return {io_state::closed, 0, errno == ECONNRESET};
  if (n < 0) throw os_error("receive a message", "recvmsg", errno);
  take_descriptors(message, fds);
  if (message.msg_flags & MSG_CTRUNC) {
    if (lost == nullptr) throw_no_room_for_descriptors();
    *lost = true;
  }
  if (n == 0 && !into.empty()) return {io_state::closed};
  return {io_state::done, static_cast<std::size_t>(n)};
}

}  // namespace

io_result recv_some(int socket, std::span<std::byte> into, std::vector<unique_fd>& fds, int flags, bool* lost) {
  return receive(socket, into, fds, flags | MSG_DONTWAIT, lost);
}

// Without room for descriptors none are made (man 7 unix), and those that wait stay as they are.
std::size_t peek(int socket, std::span<std::byte> into) {
  const ssize_t n = try_call("recv", [&] { return ::recv(socket, into.data(), into.size(), MSG_PEEK | MSG_DONTWAIT); });
  return n > 0 ? static_cast<std::size_t>(n) : 0;
}

io_result recv_waiting(int socket, std::span<std::byte> into, std::vector<unique_fd>& fds, deadline until, bool* lost) {
  for (;;) {
    // A socket that somebody has made non-blocking answers at once; then poll does the waiting.
    const io_result got = receive(socket, into, fds, until.is_never() ? 0 : MSG_DONTWAIT, lost);
    if (got.state != io_state::would_block || !poll_until(socket, POLLIN, until)) return got;
  }
}

bool is_hung_up(int socket) noexcept {
  pollfd entry{socket, 0, 0};
  return ::poll(&entry, 1, 0) > 0 && (entry.revents & (POLLHUP | POLLNVAL)) != 0;
}

bool send_all(int socket, std::span<const std::byte> bytes, std::span<const int> fds, deadline until) {
  while (!bytes.empty()) {
    const iovec piece{const_cast<std::byte*>(bytes.data()), bytes.size()};
    const io_result sent = send_some(socket, std::span(&piece, 1), fds);
    if (sent.state == io_state::closed) return false;
    if (sent.bytes > 0) fds = {};
    bytes = bytes.subspan(sent.bytes);
    if (sent.state == io_state::would_block && !poll_until(socket, POLLOUT, until))
      throw os_error("send a message in time", "sendmsg", ETIMEDOUT);
  }
  return true;
}

bool recv_all(int socket, std::span<std::byte> into, std::vector<unique_fd>& fds, deadline until) {
  while (!into.empty()) {
    const io_result got = recv_some(socket, into, fds);
    if (got.state == io_state::closed) return false;
    into = into.subspan(got.bytes);
    if (got.state == io_state::would_block && !poll_until(socket, POLLIN, until))
      throw os_error("receive a message in time", "recvmsg", ETIMEDOUT);
  }
  return true;
}

bool has_unread(int socket) noexcept {
  int bytes = 0;
  return ::ioctl(socket, SIOCOUTQ, &bytes) == 0 && bytes > 0;
}

void shut_for_writing(int socket) noexcept { ::shutdown(socket, SHUT_WR); }

int peer_pid(int socket) noexcept {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return -1;
  return credentials.pid;
}

}  // namespace kin::os
