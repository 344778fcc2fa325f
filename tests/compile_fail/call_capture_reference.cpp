// SPDX-License-Identifier: BSL-1.0
// call_capture_reference: a lambda that captures a variable by reference.
// expect: this callable has captures (or private state), and a capture cannot follow it to a new process
// errors: 1
#include <kin/wire/call.hpp>

int main() {
  int n = 1;
  (void)kin::detail::encode_call([&n](int x) { return x + n; }, 1);
}
