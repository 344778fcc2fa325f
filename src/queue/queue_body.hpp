// SPDX-License-Identifier: BSL-1.0
// queue_body: what an item_queue has inside: a ring_queue, or, where items may have descriptors, a line_queue.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include <kin/queue/item_queue.hpp>

namespace kin::detail {

/// The methods are item_queue's.
class item_queue::body {
 public:
  body() = default;
  body(const body&) = delete;
  body& operator=(const body&) = delete;
  virtual ~body() = default;

  virtual void encode(writer& to) const = 0;
  virtual queue_answer put(std::span<const std::byte> bytes, std::span<const unique_fd> fds, const deadline& until) = 0;
  virtual queue_answer get(item_target& into, std::vector<unique_fd>& fds, const deadline& until) = 0;
  virtual bool put_at_once(std::span<const std::byte> /*bytes*/) noexcept { return false; }
  virtual bool get_at_once(std::span<std::byte> /*into*/) noexcept { return false; }
  virtual void task_done() = 0;
  virtual bool join(const deadline& until) = 0;
  virtual void close() = 0;
  virtual bool closed() = 0;
  virtual std::size_t size() = 0;
  [[nodiscard]] virtual std::size_t capacity() const noexcept = 0;
  virtual int native_handle() = 0;
  /// `other` is of the same kind.
  [[nodiscard]] virtual bool same_as(const body& other) const noexcept { return this == &other; }
};

}  // namespace kin::detail
