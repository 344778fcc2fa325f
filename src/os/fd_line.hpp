// SPDX-License-Identifier: BSL-1.0
// fd_line: descriptors that wait in the kernel, first in first out, for whoever takes them: file descriptors cannot lie
// in shared memory. A pair of unix sockets of which every user holds both ends. Each message has a tag of the caller's.
//
// Callers hold a lock of theirs around each method. Looking and dropping are two steps, so that a caller who dies
// between them has lost nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <kin/os/unique_fd.hpp>

namespace kin::os {

class fd_line {
 public:
  /// Most descriptors of one message: the kernel's limit.
  static constexpr std::size_t most = 253;

  /// Throws os_error (EMFILE).
  fd_line();
  /// Takes over the two ends that came from another process.
  fd_line(unique_fd in, unique_fd out) noexcept : in_(std::move(in)), out_(std::move(out)) {}

  /// Puts duplicates of 1 to `most` descriptors at the end. Throws os_error: ENOBUFS when the kernel holds as many as
  /// it allows, ETOOMANYREFS (RLIMIT_NOFILE of what is in flight), EBADF.
  void put(std::uint64_t tag, std::span<const unique_fd> fds);
  /// The tag of the first message; nothing when the line is empty.
  [[nodiscard]] std::optional<std::uint64_t> first() const;
  /// Duplicates of the first message's descriptors, which stays. Throws os_error (EMFILE).
  [[nodiscard]] std::vector<unique_fd> look() const;
  /// Closes the first message, if any.
  void drop() noexcept;

  /// The ends, to be handed to another process.
  [[nodiscard]] int in() const noexcept { return in_.get(); }
  [[nodiscard]] int out() const noexcept { return out_.get(); }

 private:
  unique_fd in_, out_;
};

}  // namespace kin::os
