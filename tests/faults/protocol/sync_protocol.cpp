// SPDX-License-Identifier: BSL-1.0
// sync_protocol: the tests of tests/sync once more, with locks, semaphores, events and barriers that are broken in the
// place which KIN_MUTANT names.
#include <cstdlib>
#include <string_view>

#include "memory/mutant.hpp"

namespace {
std::string_view chosen() {
  const char* name = std::getenv("KIN_MUTANT");
  return name ? name : "";
}
}  // namespace

std::string_view kin::detail::active_mutant = chosen();
