// SPDX-License-Identifier: BSL-1.0
// call_argument_not_moved: something that only moves, given by its name.
// expect: kin: this argument cannot be copied, only moved, and a name was given for it. Hand it over: write
// expect: std::move(x)
// errors: 1
#include <kin/wire/call.hpp>

#include <memory>

int main() {
  auto p = std::make_unique<int>(1);
  auto job = kin::bind([](std::unique_ptr<int> q) { return *q; }, p);
  (void)job;
}
