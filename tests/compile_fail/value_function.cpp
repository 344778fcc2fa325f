// SPDX-License-Identifier: BSL-1.0
// value_function: a std::function.
// expect: kin: a std::function cannot be sent to another process: what it holds is hidden
// errors: 1
#include <kin/wire/codec.hpp>

#include <functional>

auto message = kin::detail::encode(std::function<void()>());
