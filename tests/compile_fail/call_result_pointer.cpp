// SPDX-License-Identifier: BSL-1.0
// call_result_pointer: a result that is a pointer.
// expect: kin: this callable returns a pointer, which means nothing in the calling process
// errors: 1
#include <kin/wire/call.hpp>

auto request = kin::detail::encode_call([]() -> const char* { return "text"; });
