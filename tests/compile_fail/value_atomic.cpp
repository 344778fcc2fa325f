// SPDX-License-Identifier: BSL-1.0
// value_atomic: an atomic.
// expect: kin: a std::atomic is shared within one process only. Send its value, x.load(), or use kin::value
// errors: 1
#include <kin/wire/codec.hpp>

#include <atomic>

struct counter {
  std::atomic<int> n;
};
void send(const counter& value) { (void)kin::detail::encode(value); }
