// SPDX-License-Identifier: BSL-1.0
// ring_memory: the memory file of one pipe: a byte ring in each direction, and for each the event that its reader
// sleeps on. Shared by the ends in one process, passed along when an end moves to another.
//
// One page of control blocks and tables, then the areas of both rings, then blocks; only what is in use has pages.
#pragma once

#include <array>
#include <memory>

#include <kin/os/unique_fd.hpp>

#include "memory/block_table.hpp"
#include "memory/byte_ring.hpp"
#include "os/memory_file.hpp"

namespace kin::detail {

class ring_memory {
 public:
  /// What it is made of. A direction that an end has no part in may be without its event.
  struct descriptors {
    unique_fd file;
    std::array<unique_fd, 2> events;
  };
  /// For one direction, number 0, or for both. Throws os_error.
  explicit ring_memory(unsigned directions);
  /// What another process passed on; takes it over when it succeeds. Throws decode_error, os_error.
  explicit ring_memory(descriptors& passed);
  /// Throws decode_error for what cannot be these.
  static void check(const descriptors& passed);

  [[nodiscard]] int file() const noexcept { return made_of_.file.get(); }
  /// Readable: whoever sleeps in this direction's reader is to look.
  [[nodiscard]] int event(unsigned direction) const noexcept { return made_of_.events[direction].get(); }
  [[nodiscard]] ring_control& control(unsigned direction) const noexcept;
  [[nodiscard]] block_table& blocks(unsigned direction) const noexcept;
  [[nodiscard]] std::byte* data(unsigned direction) const noexcept;
  /// Whether publishers may leave the fence to those who go to sleep; the same in all processes.
  [[nodiscard]] bool light() const noexcept { return light_; }
  /// Gives memory to a part of a ring's data. False: there is none.
  bool allocate(unsigned direction, std::size_t offset, std::size_t size) const noexcept;
  /// Whole pages behind all that is in use; where in the file. Throws os_error.
  [[nodiscard]] std::uint64_t allocate_behind(std::size_t size) const;
  /// Whether the file has such a part behind the rings.
  [[nodiscard]] bool is_behind(std::uint64_t offset, std::uint64_t size) const;
  /// Gives the memory of such a part back.
  void free(std::uint64_t offset, std::uint64_t size) const noexcept;

 private:
  descriptors made_of_;
  os::mapping map_;
  bool light_ = false;
};

}  // namespace kin::detail
