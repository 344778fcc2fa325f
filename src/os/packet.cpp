// SPDX-License-Identifier: BSL-1.0
// packet: see the header. Ancillary data: man 7 unix, man 3 cmsg.
#include "os/packet.hpp"

#include <sys/socket.h>

#include <cstring>

#include <kin/os/duplicate.hpp>

#include "os/gate.hpp"

namespace kin::os {
namespace {

union packet_control {
  cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int) * most_packet_fds)];
};

}  // namespace

std::pair<unique_fd, unique_fd> packet_pair() {
  int ends[2];
  call("socketpair", "make a pair of sockets",
       [&] { return ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends); });
  unique_fd first(ends[0]), second(ends[1]);
  return {above_standard(std::move(first)), above_standard(std::move(second))};
}

bool send_packet(int socket, std::span<const std::byte> bytes, std::span<const int> fds, packet_wait wait) {
  iovec piece{const_cast<std::byte*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  packet_control control;
  if (!fds.empty()) {
    KIN_ASSERT(fds.size() <= most_packet_fds);
    std::memset(&control, 0, sizeof control);
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(c), fds.data(), fds.size_bytes());
  }
  const int flags = MSG_NOSIGNAL | (wait == packet_wait::no ? MSG_DONTWAIT : 0);
  if (try_call("sendmsg", [&] { return ::sendmsg(socket, &message, flags); }) >= 0) return true;
  if (errno == EPIPE || errno == ECONNRESET || (errno == EAGAIN && wait == packet_wait::no)) return false;
  throw os_error("send a message", "sendmsg", errno);
}

packet recv_packet(int socket, std::span<std::byte> into, packet_wait wait, std::vector<unique_fd> room) {
  iovec piece{into.data(), into.size()};
  packet_control control;
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = sizeof control;
  packet result;
  result.fds = std::move(room);
  result.fds.clear();
  result.fds.reserve(most_packet_fds);
  const int flags = MSG_CMSG_CLOEXEC | (wait == packet_wait::no ? MSG_DONTWAIT : 0);
  const ssize_t n = try_call("recvmsg", [&] { return ::recvmsg(socket, &message, flags); });
  if (n < 0) {
    if (errno == ECONNRESET || errno == EAGAIN) return result;
    throw os_error("receive a message", "recvmsg", errno);
  }
  result.size = static_cast<std::size_t>(n);
  result.fds_lost = (message.msg_flags & MSG_CTRUNC) != 0;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    int numbers[most_packet_fds];
    std::memcpy(numbers, CMSG_DATA(c), count * sizeof(int));
    for (std::size_t i = 0; i < count; ++i) result.fds.emplace_back(numbers[i]);
  }
  // Where 0 to 2 are closed, they would be what the program prints to.
  for (unique_fd& each : result.fds) each = above_standard(std::move(each));
  return result;
}

}  // namespace kin::os
