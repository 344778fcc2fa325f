// SPDX-License-Identifier: BSL-1.0
// bulk_copy: see the header.
#include "memory/bulk_copy.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

namespace kin::detail {

contest past_the_caches;

namespace {

constexpr std::size_t line = 64;

#if defined(__x86_64__)
template <bool PastCaches>
void copy_lines(std::byte* to, const std::byte* from, std::size_t size) noexcept {
  for (std::size_t i = 0; i < size; i += line) {
    __m128i part[4];
    for (int k = 0; k < 4; ++k) part[k] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i) + k);
    for (int k = 0; k < 4; ++k)
      if constexpr (PastCaches)
        _mm_stream_si128(reinterpret_cast<__m128i*>(to + i) + k, part[k]);
      else
        _mm_store_si128(reinterpret_cast<__m128i*>(to + i) + k, part[k]);
  }
}

// Whole lines of the target, and what lies before and behind them.
template <bool PastCaches>
void copy(std::byte* to, std::span<const std::byte> from) noexcept {
  const std::size_t before =
      std::min(from.size(), static_cast<std::size_t>(-reinterpret_cast<std::uintptr_t>(to) % line));
  const std::size_t lines = (from.size() - before) / line * line;
  std::memcpy(to, from.data(), before);
  copy_lines<PastCaches>(to + before, from.data() + before, lines);
  std::memcpy(to + before + lines, from.data() + before + lines, from.size() - before - lines);
  // Such stores are in no order otherwise.
  if constexpr (PastCaches) _mm_sfence();
}
#else
template <bool PastCaches>
void copy(std::byte* to, std::span<const std::byte> from) noexcept {
  std::memcpy(to, from.data(), from.size());
}
#endif

}  // namespace

void bulk_copy_out(std::byte* to, std::span<const std::byte> from) noexcept {
  past_the_caches.second_way() ? copy<true>(to, from) : copy<false>(to, from);
}
void bulk_copy_in(std::byte* to, std::span<const std::byte> from) noexcept { copy<false>(to, from); }

}  // namespace kin::detail
