// SPDX-License-Identifier: BSL-1.0
// unique_fd: owns one file descriptor. A kin value: it moves to another process inside a message or an argument.
#pragma once

#include <utility>

#include <kin/core/export.hpp>

namespace kin {

/// Owner of a file descriptor; closes it when destroyed. Sent by moving: after a send the receiver owns it.
/// Not thread-safe; safe to destroy after fork in both processes (each closes its own copy).
class unique_fd {
 public:
  constexpr unique_fd() noexcept = default;
  /// Takes ownership of `fd`; -1 owns nothing.
  explicit constexpr unique_fd(int fd) noexcept : fd_(fd) {}
  unique_fd(unique_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  unique_fd& operator=(unique_fd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  unique_fd(const unique_fd&) = delete;
  unique_fd& operator=(const unique_fd&) = delete;
  ~unique_fd() { reset(); }

  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] explicit operator bool() const noexcept { return fd_ >= 0; }
  /// Gives the descriptor up without closing it.
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
  /// Closes the descriptor held, if any, and takes `fd`.
  KIN_EXPORT void reset(int fd = -1) noexcept;

 private:
  int fd_ = -1;
};

}  // namespace kin
