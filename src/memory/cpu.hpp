// SPDX-License-Identifier: BSL-1.0
// cpu: what a waiting or publishing thread says to its processor: pause, order your stores, what is your clock.
#pragma once

#include <atomic>
#include <cstdint>

namespace kin::detail::cpu {

inline void pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// The line will be written here soon, or read: it may come while this thread goes on. Any address will do.
inline void prefetch_to_write(const void* line) noexcept {
#if defined(__x86_64__)
  // By name: without -mprfchw compilers make a prefetch for reading of the builtin, and the line has to come twice.
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(line)));
#else
  __builtin_prefetch(line, 1);
#endif
}
inline void prefetch_to_read(const void* line) noexcept { __builtin_prefetch(line, 0); }

/// This processor is done with the line: whoever writes there next need not ask for it. Changes nothing in memory.
inline void give_line_away(const void* line) noexcept {
#if defined(__x86_64__)
  __builtin_ia32_clflush(line);
#else
  (void)line;
#endif
}

/// Orders this thread's store before its next load, for everybody.
inline void full_fence() noexcept {
#if defined(__SANITIZE_THREAD__)
  static std::atomic<int> any{0};  // ThreadSanitizer knows no fences
  any.fetch_add(0);
#else
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

/// A counter that runs by itself: a third of the price of clock_gettime, and good only for "long ago?".
inline std::uint64_t ticks() noexcept {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
  std::uint64_t now = 0;
  asm volatile("mrs %0, cntvct_el0" : "=r"(now));
  return now;
#endif
}
/// Ticks in something between 10 and 50 microseconds.
inline std::uint64_t a_moment() noexcept {
#if defined(__x86_64__)
  return 50'000;
#elif defined(__aarch64__)
  std::uint64_t a_second = 0;
  asm volatile("mrs %0, cntfrq_el0" : "=r"(a_second));
  return a_second / 40'000;
#endif
}

}  // namespace kin::detail::cpu
