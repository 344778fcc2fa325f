// SPDX-License-Identifier: BSL-1.0
// stalls: a program whose children never come to kin::init(), and that gives them more than a socket holds.
#include <kin/process/process.hpp>

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "process/runtime.hpp"

int main() {
  if (std::getenv("KIN_CHILD") != nullptr) ::sleep(60);
  kin::init();
  kin::detail::runtime::get().set_start_patience(std::chrono::milliseconds(200));
  for (const kin::start_method method : {kin::start_method(kin::start::spawn), {kin::start::forkserver}}) try {
      kin::process child(
          {.start = method}, [](const std::string&) {}, std::string(8 << 20, 'x'));
      std::puts("no error");
    } catch (const kin::start_error& e) {
      std::printf("refused: %s\n", e.what());
    }
}
