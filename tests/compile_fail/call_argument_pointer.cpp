// SPDX-License-Identifier: BSL-1.0
// call_argument_pointer: a pointer as an argument.
// expect: kin: a raw pointer means nothing in another process
// errors: 1
#include <kin/wire/call.hpp>

int main() {
  int n = 1;
  (void)kin::detail::encode_call([](int* p) { return *p; }, &n);
}
