// SPDX-License-Identifier: BSL-1.0
// shared_mutants: lists and dicts that are broken where KIN_MUTANT says, for the single-stepping tests that are linked
// with this.
#include <cstdlib>

#include "memory/mutant.hpp"

namespace {
std::string_view chosen() {
  const char* text = std::getenv("KIN_MUTANT");
  return text != nullptr ? text : "";
}
}  // namespace

std::string_view kin::detail::active_mutant = chosen();
