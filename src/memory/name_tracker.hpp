// SPDX-License-Identifier: BSL-1.0
// name_tracker: the root's book of the names that its family has in /dev/shm, and a process that removes them when the
// root is killed and nobody else is left to do so (as CPython's resource_tracker does). The book is memory that both
// have: what stands in it needs no message.
//
// Invariant: a name is in the book before it is in /dev/shm, and until it is gone from there.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>

#include <kin/os/unique_fd.hpp>

#include "os/memory_file.hpp"
#include "os/named_memory.hpp"

namespace kin::detail {

/// A place of the book. Written by the root alone; read by the process for names when the root writes no more.
struct name_record {
  os::memory_identity identity;  ///< so that nobody else's file is removed
  char name[240];                ///< as os::memory_name() has it; empty: the place is free
};
static_assert(sizeof(name_record) == 256);

class name_tracker {
 public:
  /// How a process is started that runs run_name_tracker() for that book, with the other end of what is returned.
  /// Without one, names stay when the root is killed.
  static void start_by(std::function<unique_fd(int book)> start);

  /// After it the name may be made. Throws os_error (ENOSPC, EFBIG), and what starting throws.
  void add(const std::string& name, const os::memory_identity& identity);
  void remove(const os::memory_identity& identity) noexcept;
  /// In a forked copy of the root.
  void abandon() noexcept;

 private:
  [[nodiscard]] std::span<name_record> records() const noexcept;
  name_record& free_place();
  void start_one_if_none();

  unique_fd link_;  // hangs up when the process for names ends
  unique_fd book_;
  os::mapping mapped_;
};

/// Its first word.
inline constexpr char name_tracker_is_there = 1;
/// The process itself: ends when `root` does, whose pidfd that is, or becomes another program.
[[noreturn]] void run_name_tracker(unique_fd link, unique_fd root, unique_fd book) noexcept;

}  // namespace kin::detail
