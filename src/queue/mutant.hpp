// SPDX-License-Identifier: BSL-1.0
// mutant: places where tests/faults breaks the ring's protocol, one at a time, to see that its tests notice. Elsewhere
// every mutant() is false while compiling, and nothing is left of it.
#pragma once

#include <string_view>

#ifndef KIN_MUTANT
#define KIN_MUTANT ""
#endif

namespace kin::detail {

constexpr bool mutant(std::string_view name) noexcept { return name == KIN_MUTANT; }

}  // namespace kin::detail
