// SPDX-License-Identifier: BSL-1.0
// call_member_pointer: a pointer to a member function.
// expect: kin: a pointer to a member is no callable here. Pass the object as first argument of a lambda
// errors: 1
#include <kin/wire/call.hpp>

struct machine {
  int f(int x) { return x; }
};
auto request = kin::detail::encode_call(&machine::f, machine{}, 1);
