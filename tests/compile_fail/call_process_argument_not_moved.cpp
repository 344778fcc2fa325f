// SPDX-License-Identifier: BSL-1.0
// call_process_argument_not_moved: an end of a pipe, given to a process by its name.
// expect: kin: this argument cannot be copied, only moved, and a name was given for it. Hand it over: write
// expect: std::move(x)
// errors: 1
#include <kin/pipe.hpp>
#include <kin/process.hpp>

int main() {
  kin::init();
  auto [here, there] = kin::pipe();
  const kin::process child([](kin::connection) {}, there);
}
