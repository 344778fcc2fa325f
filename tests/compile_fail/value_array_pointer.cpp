// SPDX-License-Identifier: BSL-1.0
// value_array_pointer: a unique_ptr to an array.
// expect: kin: a pointer to an array does not know its length
// errors: 1
#include <kin/wire/codec.hpp>

auto message = kin::detail::encode(std::unique_ptr<int[]>());
