// SPDX-License-Identifier: BSL-1.0
// value_union: a union.
// expect: kin: nobody knows which member of a union is alive; use std::variant
// errors: 1
#include <kin/wire/codec.hpp>

union number {
  int i;
  float f;
};
auto message = kin::detail::encode(number{1});
