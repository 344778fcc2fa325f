// SPDX-License-Identifier: BSL-1.0
// call_argument_span: a span as an argument.
// expect: only point at data of this process
// errors: 1
#include <kin/wire/call.hpp>

#include <span>
#include <vector>

int main() {
  std::vector<int> v{1};
  (void)kin::detail::encode_call([](std::span<int> s) { return s.size(); }, std::span<int>(v));
}
