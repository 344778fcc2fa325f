// SPDX-License-Identifier: BSL-1.0
// lane_memory: where task lanes lie: a memory file a worker, whose orders the worker maps read-only; and one page a
// pool, its home. Neither is inherited by copies that somebody forks.
#pragma once

#include <kin/os/unique_fd.hpp>

#include "os/memory_file.hpp"
#include "pool/task_lane.hpp"

namespace kin::detail {

/// A mapping of one process: a copy of it that somebody forks has none of it, and does not undo it.
class lane_mapping {
 public:
  lane_mapping() noexcept = default;
  /// Throws os_error.
  lane_mapping(int file, std::size_t offset, std::size_t size, os::access how);
  lane_mapping(lane_mapping&&) noexcept = default;
  lane_mapping& operator=(lane_mapping&& other) noexcept;
  ~lane_mapping();
  [[nodiscard]] std::byte* data() const noexcept { return map_.data(); }

 private:
  os::mapping map_;
  int owner_ = -1;
};

/// The pool's home, made with the pool.
class home_memory {
 public:
  /// Throws os_error.
  home_memory();
  [[nodiscard]] lane_home& home() const noexcept { return *reinterpret_cast<lane_home*>(map_.data()); }
  [[nodiscard]] int file() const noexcept { return file_.get(); }

 private:
  unique_fd file_;
  lane_mapping map_;
};

/// A lane as the pool has it.
class near_memory {
 public:
  near_memory() noexcept = default;
  struct made;
  /// A new one, with the file to be passed to the worker. Throws os_error.
  static made make();
  [[nodiscard]] lane_orders& orders() const noexcept { return *reinterpret_cast<lane_orders*>(orders_.data()); }
  [[nodiscard]] lane_answers& answers() const noexcept { return *reinterpret_cast<lane_answers*>(answers_.data()); }

 private:
  lane_mapping orders_, answers_;
};
struct near_memory::made {
  near_memory memory;
  unique_fd file;
};

/// A lane as its worker has it.
class far_memory {
 public:
  /// Throws decode_error for files that are none of these, os_error.
  far_memory(unique_fd lane, unique_fd home);
  [[nodiscard]] const lane_orders& orders() const noexcept {
    return *reinterpret_cast<const lane_orders*>(orders_.data());
  }
  [[nodiscard]] lane_answers& answers() const noexcept { return *reinterpret_cast<lane_answers*>(answers_.data()); }
  [[nodiscard]] lane_home& home() const noexcept { return *reinterpret_cast<lane_home*>(home_.data()); }

 private:
  lane_mapping orders_, answers_, home_;
};

}  // namespace kin::detail
