// SPDX-License-Identifier: BSL-1.0
// call_result_type: asking for the result of a wrong call.
// expect: kin: this callable has captures (or private state)
// errors: 1
#include <kin/wire/call.hpp>

int main() {
  int n = 1;
  auto f = [n] { return n; };
  using result = kin::detail::call_result_t<decltype(f)>;
}
