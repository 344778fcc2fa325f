// SPDX-License-Identifier: BSL-1.0
// future_when_ready_argument: a callback for the value, which when_ready() does not give.
// expect: when_ready(f) calls f()
// errors: 1
#include <kin/pool/future.hpp>

void call(const kin::future<int>& f) {
  f.when_ready([](int) {});
}
