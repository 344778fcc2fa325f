// SPDX-License-Identifier: BSL-1.0
// call_result_view: a result that is a string_view.
// expect: which only points at data of the process that ran it. Return the owner
// errors: 1
#include <kin/wire/call.hpp>

#include <string_view>

auto request = kin::detail::encode_call([]() -> std::string_view { return "text"; });
