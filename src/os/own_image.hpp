// SPDX-License-Identifier: BSL-1.0
// own_image: what a forked child does to itself, with ordinary calls, to become what a launched one is from its start.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <sys/resource.h>

#include <kin/os/unique_fd.hpp>

namespace kin::os {

struct image_changes {
  std::vector<std::pair<std::string, std::string>> environment;
  std::string working_directory;
  std::vector<std::pair<int, int>> descriptors;  ///< {number to be, number here}
  std::vector<std::pair<int, rlimit>> limits;
  std::vector<int> affinity;
  bool own_process_group = false;
};

/// fork(2), with stdio and iostreams flushed first so that nothing is printed twice. Throws os_error (EAGAIN, ENOMEM).
int fork_process();
/// In the forked child: /dev/null as stdin, default signal dispositions and mask, then the changes. Throws os_error.
void change_own_image(const image_changes& changes);
/// In the forked child: flushes stdio and iostreams and leaves without exit handlers, which are the parent's.
[[noreturn]] void leave_forked_image(int code);
/// Opens a file for a child's output; a relative path counts from this process's directory.
unique_fd open_output(const std::string& path, bool append);

}  // namespace kin::os
