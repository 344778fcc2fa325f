// SPDX-License-Identifier: BSL-1.0
// text_pipe: see the header.
#include "os/text_pipe.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "os/gate.hpp"

namespace kin::os {

std::pair<unique_fd, unique_fd> make_text_pipe() {
  int ends[2];
  call("pipe2", "make a pipe", [&] { return ::pipe2(ends, O_CLOEXEC); });
  std::pair<unique_fd, unique_fd> pipe{unique_fd(ends[0]), unique_fd(ends[1])};
  // Of this end only: each end of a pipe has its own flags.
  call("fcntl(F_SETFL)", "make a pipe", [&] { return ::fcntl(pipe.first.get(), F_SETFL, O_NONBLOCK); });
  return pipe;
}

std::size_t read_available(int reader, std::span<char> into) noexcept {
  const ssize_t n = try_call("read", [&] { return ::read(reader, into.data(), into.size()); });
  return n > 0 ? static_cast<std::size_t>(n) : 0;
}

}  // namespace kin::os
