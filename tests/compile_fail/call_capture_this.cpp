// SPDX-License-Identifier: BSL-1.0
// call_capture_this: a lambda that captures this.
// expect: this callable has captures (or private state)
// errors: 1
#include <kin/wire/call.hpp>

struct machine {
  int m = 1;
  void go() {
    (void)kin::detail::encode_call([=, this](int x) { return x + m; }, 1);
  }
};
