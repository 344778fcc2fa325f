// SPDX-License-Identifier: BSL-1.0
// without_init: forgets kin::init(), and must be told before anything is started.
#include <kin/process/process.hpp>

#include <cstdio>

int main() {
  std::puts("main");
  for (const auto method : {kin::start_method(kin::start::spawn), kin::start_method(kin::start::fork)}) {
    try {
      kin::process child({.start = method}, [] { std::puts("child"); });
      std::puts("started");
    } catch (const kin::start_error& e) {
      std::printf("%s\n", e.what());
    }
  }
}
