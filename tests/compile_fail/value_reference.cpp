// SPDX-License-Identifier: BSL-1.0
// value_reference: references as members.
// expect: kin: this struct or tuple has a member that is a reference, which means nothing in another process
// errors: 1
#include <kin/wire/codec.hpp>

struct refers {
  int a;
  int& b;
};
void send(const refers& value) { (void)kin::detail::encode(value); }
