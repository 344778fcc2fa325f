// SPDX-License-Identifier: BSL-1.0
// family_memory: how much memory the objects of this test's family take, as the kernel counts it; for tests whose
// process is the root, which has the family's files open.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <filesystem>
#include <string>

namespace kin_test {

/// Bytes allocated in the files of arena, spans and lists of holds.
inline std::size_t family_memory() {
  std::size_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string leads_to = std::filesystem::read_symlink(entry, gone).string();
    for (const char* name : {"/memfd:kin-arena", "/memfd:kin-spans", "/memfd:kin-holds"}) {
      struct stat status {};
      if (leads_to.starts_with(name) && ::stat(entry.path().c_str(), &status) == 0)
        bytes += static_cast<std::size_t>(status.st_blocks) * 512;
    }
  }
  return bytes;
}

}  // namespace kin_test
