// SPDX-License-Identifier: BSL-1.0
// future_then_argument: a callback that cannot take the value.
// expect: then(f) calls f(const T&) with the value of this future<T>
// errors: 1
#include <kin/pool/future.hpp>

#include <string>

void call(const kin::future<int>& f) {
  f.then([](const std::string&) {});
}
