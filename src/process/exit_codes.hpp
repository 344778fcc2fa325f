// SPDX-License-Identifier: BSL-1.0
// exit_codes: how a child ends that did not come to what it was started for.
#pragma once

namespace kin::detail {

inline constexpr int could_not_begin = 126;  ///< it has said why, if it could
inline constexpr int nobody_asks = 127;      ///< who started it ended first

}  // namespace kin::detail
