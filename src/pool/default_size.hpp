// SPDX-License-Identifier: BSL-1.0
// default_size: how many workers a pool has that is told no number.
#pragma once

#include <cstddef>

namespace kin::detail {

/// cpu_count(), divided by the sizes of the pools that the calling task is in, one inside the other; at least 1.
std::size_t default_pool_size();

}  // namespace kin::detail
