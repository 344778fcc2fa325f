// SPDX-License-Identifier: BSL-1.0
// call_capture_bound: binding arguments to a lambda with captures.
// expect: this callable has captures (or private state)
// errors: 1
#include <kin/wire/call.hpp>

int main() {
  int n = 1;
  auto job = kin::bind([n](int x) { return x + n; }, 1);
  (void)job;
}
