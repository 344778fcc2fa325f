// SPDX-License-Identifier: BSL-1.0
// value_polymorphic: a class with virtual functions and no serialize().
// expect: kin: this class has virtual functions, so what an object of it consists of is not known
// errors: 1
#include <kin/wire/codec.hpp>

struct shape {
  virtual ~shape() = default;
  int n = 0;
};
auto message = kin::detail::encode(shape());
