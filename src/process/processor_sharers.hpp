// SPDX-License-Identifier: BSL-1.0
// processor_sharers: by how many the processors that cpu_count() tells are shared: the product of the sizes of the
// pools that the calling code works for, one inside the other. Pools that are told no size take their share; children
// of a process inherit it.
#pragma once

#include <cstdint>

namespace kin::detail {

/// What overrides cpu_count(). Said for a child by its options, it is the child's own: shared with nobody.
inline constexpr const char* cpu_count_variable = "KIN_CPU_COUNT";

/// 1 outside of tasks.
std::uint32_t processor_sharers() noexcept;
/// Of each of `parts` that what has `sharers` is divided into.
std::uint32_t shared_once_more(std::uint32_t sharers, std::uint64_t parts) noexcept;

/// In a child: what it has inherited, or the pool has told its worker.
void set_processor_sharers(std::uint32_t sharers) noexcept;

/// The calling thread runs a task, while this lives.
class sharers_of_thread {
 public:
  explicit sharers_of_thread(std::uint32_t sharers) noexcept;
  sharers_of_thread(const sharers_of_thread&) = delete;
  sharers_of_thread& operator=(const sharers_of_thread&) = delete;
  ~sharers_of_thread();

 private:
  std::uint32_t outer_;
};

}  // namespace kin::detail
