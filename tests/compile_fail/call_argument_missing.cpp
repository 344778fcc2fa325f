// SPDX-License-Identifier: BSL-1.0
// call_argument_missing: an argument too few.
// expect: kin: the callable cannot be called with these arguments.
// errors: 1
#include <kin/wire/call.hpp>

auto request = kin::detail::encode_call([](int a, int b) { return a + b; }, 1);
