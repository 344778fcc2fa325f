// SPDX-License-Identifier: BSL-1.0
// task_row: the tasks that one worker has, oldest first; at most as many as its lane has room for.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <utility>

#include "pool/pooled_task.hpp"
#include "pool/task_lane.hpp"

namespace kin::detail {

class task_row {
 public:
  /// `behind` counts the tasks of several rows that are not the first of theirs.
  explicit task_row(std::size_t& behind) noexcept : behind_(behind) {}
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] pooled_task& operator[](std::size_t i) const noexcept { return *all_[place(i)]; }
  [[nodiscard]] pooled_task& front() const noexcept { return *all_[first_]; }
  [[nodiscard]] pooled_task& back() const noexcept { return (*this)[size_ - 1]; }
  void push_back(std::unique_ptr<pooled_task> t) noexcept {
    behind_ += size_ > 0 ? 1 : 0;
    all_[place(size_++)] = std::move(t);
  }
  std::unique_ptr<pooled_task> pop_front() noexcept {
    auto t = std::move(all_[first_]);
    first_ = place(1);
    --size_;
    behind_ -= size_ > 0 ? 1 : 0;
    return t;
  }
  std::unique_ptr<pooled_task> pop_back() noexcept {
    auto t = std::move(all_[place(--size_)]);
    behind_ -= size_ > 0 ? 1 : 0;
    return t;
  }

 private:
  [[nodiscard]] std::size_t place(std::size_t i) const noexcept {
    const std::size_t at = first_ + i;
    return at < lane_capacity ? at : at - lane_capacity;
  }
  std::array<std::unique_ptr<pooled_task>, lane_capacity> all_;
  std::size_t first_ = 0, size_ = 0;
  std::size_t& behind_;
};

}  // namespace kin::detail
