// SPDX-License-Identifier: BSL-1.0
// call_std_function: a std::function.
// expect: kin: a std::function cannot be sent to another process: what it holds is hidden. Pass the function or lambda
// expect: itself:  kin::process([](int n) { ... }, n)
// errors: 1
#include <kin/wire/call.hpp>

#include <functional>

auto request = kin::detail::encode_call(std::function<int(int)>([](int x) { return x; }), 1);
