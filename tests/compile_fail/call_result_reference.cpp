// SPDX-License-Identifier: BSL-1.0
// call_result_reference: a result that is a reference.
// expect: kin: this callable returns a reference to something it could change
// errors: 1
#include <kin/wire/call.hpp>

int global;
auto request = kin::detail::encode_call([]() -> int& { return global; });
