// SPDX-License-Identifier: BSL-1.0
// always_false: for a static_assert that says what to write instead, in a template that nobody should use.
#pragma once

namespace kin::detail {

template <class>
inline constexpr bool always_false = false;

}  // namespace kin::detail
