// SPDX-License-Identifier: BSL-1.0
// call_argument_not_moved_checked: the same where a function of kin checks what it was given.
// expect: kin: this argument cannot be copied, only moved, and a name was given for it. Hand it over: write
// expect: std::move(x)
// errors: 1
#include <kin/wire/call.hpp>

#include <memory>

template <class F, class... A>
void run(F&&, A&&...) {
  kin::detail::check_callable<F, A...>();
}
int main() {
  auto p = std::make_unique<int>(1);
  run([](std::unique_ptr<int> q) { return *q; }, p);
}
