// SPDX-License-Identifier: BSL-1.0
// call_reference_parameter: a parameter of type T&.
// expect: kin: the callable cannot be called with these arguments.
// expect: a parameter of type T& does not bind: take T, const T& or T&&, and return the result
// errors: 1
#include <kin/wire/call.hpp>

auto request = kin::detail::encode_call([](std::string& s) { s += "x"; }, std::string());
