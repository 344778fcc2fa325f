// SPDX-License-Identifier: BSL-1.0
// mutant: places where tests/faults breaks a protocol, one at a time, to see that its tests notice. Elsewhere every
// mutant() is false while compiling, and nothing is left of it.
#pragma once

#include <string_view>

namespace kin::detail {

#ifdef KIN_MUTANTS
extern std::string_view active_mutant;
inline bool mutant(std::string_view name) noexcept { return name == active_mutant; }
#else
constexpr bool mutant(std::string_view) noexcept { return false; }
#endif

}  // namespace kin::detail
