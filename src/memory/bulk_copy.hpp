// SPDX-License-Identifier: BSL-1.0
// bulk_copy: copies between private memory and memory that another processor reads or writes next.
//
// Not memcpy(3): on some processors it takes more than ten times as long where the target lies 8 bytes further into its
// page than the source, as messages in a ring do by chance (decision 0011). And stores that pass the caches by are
// faster on some, slower on others; each process finds out (memory/contest.hpp).
#pragma once

#include <cstddef>
#include <span>

#include "memory/contest.hpp"

namespace kin::detail {

/// From this size on.
inline constexpr std::size_t bulk_size = 1024;

/// Whether to store past the caches.
extern contest past_the_caches;

/// To memory that another processor will read. All of it is there for whoever sees a later store of this thread.
void bulk_copy_out(std::byte* to, std::span<const std::byte> from) noexcept;
/// From memory that another processor has written.
void bulk_copy_in(std::byte* to, std::span<const std::byte> from) noexcept;

}  // namespace kin::detail
