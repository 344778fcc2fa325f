// SPDX-License-Identifier: BSL-1.0
// watch_set: many descriptors that one thread waits for (epoll), each with a number of the caller's.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>

#include <kin/os/unique_fd.hpp>

namespace kin::os {

class watch_set {
 public:
  watch_set();
  /// Readable itself while something watched is.
  [[nodiscard]] int native_handle() const noexcept { return epoll_.get(); }
  /// In a forked copy, which must not touch what its parent watches. Nothing may be called any more.
  void abandon() noexcept { epoll_.reset(); }
  /// From now on wait() answers `key` while `fd` is readable. False: it cannot be watched, or no memory is left.
  bool add(int fd, std::uint64_t key) noexcept;
  /// The same, but only for a hang-up or an error.
  bool add_for_end(int fd, std::uint64_t key) noexcept;
  void remove(int fd) noexcept;
  /// Whether `fd`, which has been added, is to be told as ready also while it is writable.
  void also_writable(int fd, std::uint64_t key, bool wanted) noexcept;
  /// Waits for as long as it takes; fills in the keys of what is ready and returns how many there are.
  std::size_t wait(std::span<std::uint64_t> keys) noexcept;
  /// The same, but 0 after so long without anything.
  std::size_t wait_for(std::span<std::uint64_t> keys, std::chrono::milliseconds time) noexcept;

 private:
  unique_fd epoll_;
};

}  // namespace kin::os
