// SPDX-License-Identifier: BSL-1.0
// shared_buffer: a piece of shared memory that a process makes for others to map, once, and to use again and again. In
// one a map puts its items and takes its results from, where both are values that are their own bytes; in others large
// requests and outcomes lie (pool/block_store.hpp).
//
// Invariant: a buffer of a map is used again only after every task that wrote to it has answered; one whose map failed
// is dropped, because a worker that is being killed may still write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <kin/core/export.hpp>
#include <kin/os/unique_fd.hpp>

namespace kin::detail {

/// Where the items and the results of one task lie; what its request says.
struct map_place {
  std::uint64_t buffer = 0;  ///< number, unique among the buffers of one process
  std::uint64_t bytes = 0;   ///< of the whole buffer
  std::uint64_t items_at = 0, results_at = 0, count = 0;
  unique_fd memory;
};

class KIN_EXPORT shared_buffer {
 public:
  /// Throws os_error.
  explicit shared_buffer(std::size_t bytes);
  shared_buffer(const shared_buffer&) = delete;
  shared_buffer& operator=(const shared_buffer&) = delete;
  ~shared_buffer();
  [[nodiscard]] std::byte* data() const noexcept;
  [[nodiscard]] std::size_t size() const noexcept;
  /// Unique among the buffers of one process.
  [[nodiscard]] std::uint64_t number() const noexcept;
  /// Throws os_error.
  [[nodiscard]] unique_fd file() const;
  /// Its memory goes at once, whoever still has the file or a mapping: a process forked meanwhile has both.
  void drop_memory() noexcept;
  /// For one task of a map. Throws os_error.
  [[nodiscard]] map_place place(std::size_t items_at, std::size_t results_at, std::size_t count) const;

 private:
  struct parts;
  std::unique_ptr<parts> parts_;
};

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

/// Buffers that are free, of one pool.
class KIN_EXPORT shared_buffers {
 public:
  shared_buffers();
  ~shared_buffers();
  /// Null when the system has no memory for it: copying needs no more than there is.
  [[nodiscard]] std::shared_ptr<shared_buffer> take(std::size_t bytes);
  void give_back(std::shared_ptr<shared_buffer> buffer);

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace kin::detail
