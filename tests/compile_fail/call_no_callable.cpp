// SPDX-License-Identifier: BSL-1.0
// call_no_callable: something that cannot be called.
// expect: kin: the callable cannot be called with these arguments.
// errors: 1
#include <kin/wire/call.hpp>

auto request = kin::detail::encode_call(42);
