// SPDX-License-Identifier: BSL-1.0
// call_character_pointer_parameter: a parameter of type const char*, for which a string arrives.
// expect: A string literal arrives as a std::string, which const char* does not bind to: take std::string or
// expect: std::string_view
// errors: 1
#include <kin/wire/call.hpp>

#include <cstdlib>

auto request = kin::detail::encode_call([](const char* s) { return std::atoi(s); }, "42");
