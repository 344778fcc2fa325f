// SPDX-License-Identifier: BSL-1.0
// read_only: what operator[] of a container elsewhere returns: a copy, to which nothing can be written.
#pragma once

#include <type_traits>

namespace kin::detail {

/// `names[0] = "x"` would change a copy that goes at once. For a class only const says so. T may be incomplete.
template <class T>
using read_only = std::conditional_t<std::is_class_v<T>, const T, T>;

}  // namespace kin::detail
