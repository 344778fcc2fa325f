// SPDX-License-Identifier: BSL-1.0
// name_tracker: the root's line to a process that removes the names which a family has in /dev/shm, when its root is
// killed and nobody else is left to do so (as CPython's resource_tracker does). It runs while there are such names.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <kin/os/unique_fd.hpp>

#include "os/named_memory.hpp"

namespace kin::detail {

/// What the root sends. Of a name that has been added to its tracker: its file, so that nobody else's is removed.
struct name_message {
  enum class verb : int { add, remove };
  verb what;
  os::memory_identity identity;
  char name[256];
};

struct tracked_name {
  std::string name;
  os::memory_identity identity;
};

class name_tracker {
 public:
  /// How a process is started that runs run_name_tracker() with the other end. Without one names stay when the root is
  /// killed.
  static void start_by(std::function<unique_fd()> start);

  /// After it the name may be made. Throws what starting throws.
  void add(tracked_name name);
  void remove(const os::memory_identity& identity) noexcept;
  /// In a forked copy of the root.
  void abandon() noexcept;

 private:
  [[nodiscard]] bool tell(name_message::verb what, const tracked_name& name) const noexcept;
  void start_one();

  unique_fd link_;
  std::vector<tracked_name> names_;
};

/// Its first word.
inline constexpr char name_tracker_is_there = 1;
/// The process itself: ends when `root` does, whose pidfd that is, or has no names any more.
[[noreturn]] void run_name_tracker(unique_fd link, unique_fd root) noexcept;

}  // namespace kin::detail
