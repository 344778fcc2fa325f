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

#include <kin/core/export.hpp>
#include <kin/os/unique_fd.hpp>

namespace kin::detail {

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

 private:
  struct parts;
  std::unique_ptr<parts> parts_;
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
