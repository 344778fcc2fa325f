// SPDX-License-Identifier: BSL-1.0
// value_lambda: a lambda with captures, as a value.
// expect: kin: a lambda is no value: C++ cannot look inside it to send what it captures
// errors: 1
#include <kin/wire/codec.hpp>

int n = 1;
auto message = [m = n] { return kin::detail::encode([m] { return m; }); }();
