// SPDX-License-Identifier: BSL-1.0
// calls_have_ended: for warm-ups that use kin::async. A call's process ends after its future is ready; the thread that
// sees to that ends after it has let go of the process.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

namespace kin_test {

inline bool calls_have_ended() {
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::ifstream(thread.path() / "comm") >> name;
    if (name == "kin-pool") return false;
  }
  return true;
}

}  // namespace kin_test
