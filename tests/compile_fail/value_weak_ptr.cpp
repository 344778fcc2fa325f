// SPDX-License-Identifier: BSL-1.0
// value_weak_ptr: a weak_ptr.
// expect: kin: a std::weak_ptr owns nothing that could be sent
// errors: 1
#include <kin/wire/codec.hpp>

auto message = kin::detail::encode(std::weak_ptr<int>());
