// SPDX-License-Identifier: BSL-1.0
// task_memory: memory of what every task needs, its state and its place in a pool: taken and given back a million times
// a second, often by different threads. Each thread has some blocks at hand; more come from, and go to, all threads'.
//
// Invariant: a block is in one thread's hand, in the depot, or in use. Blocks are used again, not returned.
#pragma once

#include <cstddef>
#include <memory>

#include <kin/core/export.hpp>

namespace kin::detail {

/// What a block is for. Those that are given back in one order are taken again in that order, and lie in a row.
enum class task_block : unsigned char { state, task };

/// Throws std::bad_alloc. Any thread may give it back, with the same size and use.
[[nodiscard]] KIN_EXPORT void* take_task_memory(task_block use, std::size_t bytes);
KIN_EXPORT void give_back_task_memory(task_block use, void* memory, std::size_t bytes) noexcept;

/// The same for std::allocate_shared.
template <class T>
struct task_allocator {
  using value_type = T;
  task_allocator() noexcept = default;
  template <class U>
  explicit(false) task_allocator(const task_allocator<U>&) noexcept {}
  [[nodiscard]] T* allocate(std::size_t n) {
    if constexpr (is_over_aligned)
      return std::allocator<T>().allocate(n);
    else
      return static_cast<T*>(take_task_memory(task_block::state, n * sizeof(T)));
  }
  void deallocate(T* p, std::size_t n) noexcept {
    if constexpr (is_over_aligned)
      std::allocator<T>().deallocate(p, n);
    else
      give_back_task_memory(task_block::state, p, n * sizeof(T));
  }
  template <class U>
  bool operator==(const task_allocator<U>&) const noexcept {
    return true;
  }

 private:
  static constexpr bool is_over_aligned = alignof(T) > __STDCPP_DEFAULT_NEW_ALIGNMENT__;
};

}  // namespace kin::detail
