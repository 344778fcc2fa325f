// SPDX-License-Identifier: BSL-1.0
// call_argument_closure: a lambda with captures as an argument.
// expect: kin: a lambda is no value: C++ cannot look inside it to send what it captures
// errors: 1
#include <kin/wire/call.hpp>

int main() {
  int n = 1;
  (void)kin::detail::encode_call([](auto f) { return f(); }, [n] { return n; });
}
