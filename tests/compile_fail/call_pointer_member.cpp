// SPDX-License-Identifier: BSL-1.0
// call_pointer_member: a function object with a pointer in it.
// expect: kin: a raw pointer means nothing in another process
// errors: 1
#include <kin/wire/call.hpp>

struct job {
  int* n;
  int operator()() const { return *n; }
};
auto request = kin::detail::encode_call(job{nullptr});
