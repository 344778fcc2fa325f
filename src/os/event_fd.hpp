// SPDX-License-Identifier: BSL-1.0
// event_fd: a flag that can be polled. Set or clear; level-triggered.
#pragma once

#include <kin/os/unique_fd.hpp>

namespace kin::os {

class event_fd {
 public:
  /// Throws os_error (EMFILE, ENOMEM).
  event_fd();
  /// Takes over a descriptor that came from another process.
  explicit event_fd(unique_fd fd) noexcept : fd_(std::move(fd)) {}
  /// Makes it readable; idempotent; safe in any thread and process.
  void set() const noexcept { set(fd_.get()); }
  static void set(int fd) noexcept;
  void clear() const noexcept { clear(fd_.get()); }
  static void clear(int fd) noexcept;
  /// Whether a descriptor that came from another process may be one: setting and clearing it never waits.
  static bool is_one(int fd) noexcept;
  /// Gives the descriptor up to its taker.
  [[nodiscard]] unique_fd release() && noexcept { return std::move(fd_); }
  [[nodiscard]] int get() const noexcept { return fd_.get(); }

 private:
  unique_fd fd_;
};

}  // namespace kin::os
