// SPDX-License-Identifier: BSL-1.0
// value_const_reference: a const reference as a member.
// expect: kin: this struct or tuple has a member that is a reference
// errors: 1
#include <kin/wire/codec.hpp>

struct refers {
  const int& a;
};
void send(const refers& value) { (void)kin::detail::encode(value); }
