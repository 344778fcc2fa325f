// SPDX-License-Identifier: BSL-1.0
// value_derived_struct: a struct with a base class.
// expect: kin: a struct with a base class needs a member that says what to send
// errors: 1
#include <kin/wire/codec.hpp>

struct base {
  int n;
};
struct derived : base {
  int m;
};
auto message = kin::detail::encode(derived{{1}, 2});
auto back = kin::detail::decode<derived>({});
