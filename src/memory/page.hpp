// SPDX-License-Identifier: BSL-1.0
// page: what shared memory is laid out in.
#pragma once

#include <cstddef>

namespace kin::detail {

inline constexpr std::size_t page = 4096;  ///< bytes

}  // namespace kin::detail
