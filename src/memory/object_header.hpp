// SPDX-License-Identifier: BSL-1.0
// object_header: what every object in the family's arena begins with. Objects of one size lie together in a chunk, so
// whoever walks over it steps from header to header and never looks inside an object; free memory is zero.
//
// Invariant: `kind` is written last when an object is made, and is 0 before anything else of a dead one is erased.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "memory/bell.hpp"

namespace kin::detail {

inline constexpr std::size_t granule = 64;

struct object_header {
  std::atomic<std::uint32_t> kind;  ///< an object_kind; 0: free
  std::atomic<std::uint16_t> granules;
  std::atomic<std::uint16_t> more_bells;  ///< how many lie behind the header, one after the other
  std::atomic<std::uint64_t> serial;      ///< of this object alone, so that a handle to a dead one is told apart
  std::atomic<std::uint64_t> passage;     ///< memory/passage.hpp
  kin::detail::bell bell;
};
static_assert(sizeof(object_header) == 48);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

}  // namespace kin::detail
