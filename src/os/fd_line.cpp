// SPDX-License-Identifier: BSL-1.0
// fd_line: a message is eight bytes, so the kernel puts it into one buffer and takes it out of one: never half of it.
#include "os/fd_line.hpp"

#include <sys/socket.h>

#include <limits>

#include "os/gate.hpp"
#include "os/socket.hpp"

namespace kin::os {
namespace {

// As much as we may: first as a privileged process, then up to net.core.wmem_max.
void enlarge(int socket) noexcept {
  const int bytes = 64 << 20;
  if (::setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) != 0)
    ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

}  // namespace

fd_line::fd_line() {
  auto [in, out] = socket_pair();
  in_ = std::move(in);
  out_ = std::move(out);
  enlarge(in_.get());
}

void fd_line::put(std::uint64_t tag, std::span<const unique_fd> fds) {
  int numbers[most];
  if (fds.empty() || fds.size() > most)
    throw os_error("send more than 253 file descriptors in one item", "sendmsg", EINVAL);
  for (std::size_t i = 0; i < fds.size(); ++i) numbers[i] = fds[i].get();
  const iovec piece{&tag, sizeof tag};
  const io_result sent = send_some(in_.get(), std::span(&piece, 1), std::span(numbers, fds.size()));
  if (sent.state != io_state::done)
    throw os_error(
        "keep more items with file descriptors waiting: the kernel holds as many as net.core.wmem_max allows",
        "sendmsg", ENOBUFS);
}

std::optional<std::uint64_t> fd_line::first() const {
  std::uint64_t tag = 0;
  const auto n = try_call("recv", [&] { return ::recv(out_.get(), &tag, sizeof tag, MSG_PEEK | MSG_DONTWAIT); });
  if (n == sizeof tag) return tag;
  if (n < 0 && errno != EAGAIN) throw os_error("look at waiting file descriptors", "recv", errno);
  return std::nullopt;
}

std::vector<unique_fd> fd_line::look() const {
  // man 7 unix: MSG_PEEK gives duplicates and leaves the originals where they are.
  std::vector<unique_fd> fds;
  std::uint64_t tag = 0;
  recv_some(out_.get(), std::as_writable_bytes(std::span(&tag, 1)), fds, MSG_PEEK);
  return fds;
}

void fd_line::drop() noexcept {
  // Without room for ancillary data the kernel closes the descriptors that come along.
  std::uint64_t tag = 0;
  while (::recv(out_.get(), &tag, sizeof tag, MSG_DONTWAIT) < 0 && errno == EINTR) {
  }
}

}  // namespace kin::os
