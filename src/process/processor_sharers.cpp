// SPDX-License-Identifier: BSL-1.0
// processor_sharers: see the header.
#include "process/processor_sharers.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

namespace kin::detail {
namespace {

// More than there are processors anywhere, so that pools nested without end do not overflow.
constexpr std::uint64_t most_sharers = 1 << 24;

std::atomic<std::uint32_t> process_sharers{1};
thread_local std::uint32_t thread_sharers = 0;  // 0: as its process

}  // namespace

std::uint32_t processor_sharers() noexcept {
  return thread_sharers != 0 ? thread_sharers : process_sharers.load(std::memory_order_relaxed);
}

std::uint32_t shared_once_more(std::uint32_t sharers, std::uint64_t parts) noexcept {
  return static_cast<std::uint32_t>(
      std::min(most_sharers, std::uint64_t{sharers} * std::clamp<std::uint64_t>(parts, 1, most_sharers)));
}

void set_processor_sharers(std::uint32_t sharers) noexcept {
  // Not written to for nothing: in a copy by fork that is a page fault.
  if (process_sharers.load(std::memory_order_relaxed) != sharers)
    process_sharers.store(std::max<std::uint32_t>(sharers, 1), std::memory_order_relaxed);
  thread_sharers = 0;  // in a copy of a thread that ran a task
}

sharers_of_thread::sharers_of_thread(std::uint32_t sharers) noexcept : outer_(std::exchange(thread_sharers, sharers)) {}
sharers_of_thread::~sharers_of_thread() { thread_sharers = outer_; }

}  // namespace kin::detail
