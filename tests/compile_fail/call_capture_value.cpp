// SPDX-License-Identifier: BSL-1.0
// call_capture_value: a lambda that captures a number; the sentence names the ways out as they are spelled.
// expect: (1) arguments:  kin::async([](int n, std::string s) { ... }, n, s);
// expect: (2) bound arguments:  auto job = kin::bind([](int n, std::string s, int x) { ... }, n, s);
// expect: (3) a struct with public members and operator():
// expect: (4) a copy of this process, where any closure works:  kin::process child(kin::start::fork, [&] { ... });
// errors: 1
#include <kin/wire/call.hpp>

int main() {
  int n = 1;
  (void)kin::detail::encode_call([n](int x) { return x + n; }, 1);
}
