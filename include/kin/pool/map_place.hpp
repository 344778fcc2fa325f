// SPDX-License-Identifier: BSL-1.0
// map_place: where in a shared buffer the items and the results of one task of a map lie, as values that are their own
// bytes. What the task's request says, and what its worker makes of that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <kin/core/export.hpp>
#include <kin/os/unique_fd.hpp>
#include <kin/pool/shared_buffer.hpp>

namespace kin::detail {

struct map_place {
  std::uint64_t buffer = 0;  ///< number, unique among the buffers of one process
  std::uint64_t bytes = 0;   ///< of the whole buffer
  std::uint64_t items_at = 0, results_at = 0, count = 0;
  unique_fd memory;
};
/// Throws os_error.
[[nodiscard]] KIN_EXPORT map_place place_in(const shared_buffer& buffer, std::size_t items_at, std::size_t results_at,
                                            std::size_t count);

/// The memory of a place in the process that runs its task, for as long as this lives.
class KIN_EXPORT placed_memory {
 public:
  /// Throws decode_error for a place that cannot be, os_error.
  placed_memory(const map_place& place, std::size_t item_bytes, std::size_t result_bytes);
  [[nodiscard]] const std::byte* items() const noexcept { return items_; }
  [[nodiscard]] std::byte* results() const noexcept { return results_; }

 private:
  std::shared_ptr<const void> keeps_;
  const std::byte* items_;
  std::byte* results_;
};

}  // namespace kin::detail
