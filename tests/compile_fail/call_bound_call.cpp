// SPDX-License-Identifier: BSL-1.0
// call_bound_call: a bound_call of something that needs arguments.
// expect: kin: the callable cannot be called with these arguments.
// errors: 1
#include <kin/wire/bound_call.hpp>

kin::bound_call call = [](int x) { return x; };
