// SPDX-License-Identifier: BSL-1.0
// buffer_views: the shared buffers of one sender as its receiver sees them: mapped once, and kept for the next time.
//
// Invariant: what is mapped cannot shrink under its reader. A copy of the process that somebody forks neither finds nor
// unmaps anything of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "os/memory_file.hpp"

namespace kin::detail {

class buffer_views {
 public:
  enum class copies : bool { have_none, have_them };
  /// Whether processes that are forked from this one get the memory, too: not if they must not write there, or would
  /// keep what is another's.
  buffer_views(os::access how, copies forked) noexcept : how_(how), forked_(forked) {}

  /// The buffer of this number and size, which lies in `file`. Throws decode_error for a file that is not as large, or
  /// could shrink; os_error.
  [[nodiscard]] std::shared_ptr<const os::mapping> find(std::uint64_t number, std::uint64_t bytes, int file);

 private:
  struct view;
  const os::access how_;
  const copies forked_;
  std::vector<std::shared_ptr<const view>> recent_;  // the last used one last
};

}  // namespace kin::detail
