// SPDX-License-Identifier: BSL-1.0
// map_place: where in shared buffers the items and the results of one task of a map lie, as values that are their own
// bytes. What the task's request says, and what its worker makes of that. Buffers of items are read-only there: a task
// that writes anywhere cannot change another one's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <kin/core/export.hpp>
#include <kin/os/unique_fd.hpp>
#include <kin/pool/shared_buffer.hpp>

namespace kin::detail {

struct buffer_place {
  std::uint64_t buffer = 0;  ///< number, unique among the buffers of one process
  std::uint64_t bytes = 0;   ///< of the whole buffer; 0: nothing lies anywhere
  std::uint64_t at = 0;
  unique_fd memory;
};
struct map_place {
  buffer_place items, results;
  std::uint64_t count = 0;
};
/// Throws os_error.
[[nodiscard]] KIN_EXPORT buffer_place place_in(const shared_buffer& buffer, std::size_t at);

/// The memory of a place in the process that runs its task, for as long as this lives.
class KIN_EXPORT placed_memory {
 public:
  /// Throws decode_error for a place that cannot be, os_error. Null for what lies nowhere.
  placed_memory(const map_place& place, std::size_t item_bytes, std::size_t result_bytes);
  [[nodiscard]] const std::byte* items() const noexcept { return items_memory_.get(); }
  [[nodiscard]] std::byte* results() const noexcept { return results_memory_.get(); }

 private:
  std::shared_ptr<const std::byte> items_memory_;
  std::shared_ptr<std::byte> results_memory_;
};

}  // namespace kin::detail
