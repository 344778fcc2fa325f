// SPDX-License-Identifier: BSL-1.0
// kin_main: has a main() that knows nothing of kin::init(), and is linked with kin::main.
#include <kin/process/process.hpp>

#include <cstdio>
#include <cstdlib>

int main() {
  std::puts("main");
  std::fflush(stdout);
  kin::process child([](int code) { std::exit(code); }, 6);
  child.join();
  std::printf("child: %d\n", child.exitcode().value_or(-1000));
}
