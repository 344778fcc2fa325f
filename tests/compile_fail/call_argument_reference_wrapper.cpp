// SPDX-License-Identifier: BSL-1.0
// call_argument_reference_wrapper: std::ref as an argument.
// expect: only point at data of this process
// errors: 1
#include <kin/wire/call.hpp>

#include <functional>

int main() {
  int n = 1;
  (void)kin::detail::encode_call([](int& i) { ++i; }, std::ref(n));
}
