// SPDX-License-Identifier: BSL-1.0
// cpu_count: see process_view.hpp.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include <kin/process/process_view.hpp>

#include "os/processors.hpp"
#include "process/processor_sharers.hpp"

namespace kin {

unsigned cpu_count() {
  if (const char* text = std::getenv(detail::cpu_count_variable)) {
    unsigned n = 0;
    const char* end = text + std::strlen(text);
    if (const auto [p, ec] = std::from_chars(text, end, n); ec == std::errc{} && p == end && n > 0) return n;
  }
  int n = os::processors_in_affinity();
  if (const auto quota = os::cgroup_cpu_quota()) n = std::min(n, std::max(1, static_cast<int>(std::ceil(*quota))));
  return static_cast<unsigned>(std::max(n, 1));
}

}  // namespace kin
