// SPDX-License-Identifier: BSL-1.0
// launch: starts this program's executable again as a child, by clone(VM | VFORK | PIDFD) and exec: the cost does not
// depend on the caller's size, and the pidfd comes with the child, so no pid is ever looked up.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <kin/os/unique_fd.hpp>

#include "os/surroundings.hpp"

namespace kin::os {

struct launch_request {
  std::string executable;  ///< path; empty: this program's own executable
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  std::string working_directory;  ///< empty: `inherited.directory`
  /// {number in the child, number here}; everything else above the highest number in the child is closed. 0 is
  /// always /dev/null; 1 and 2 are shared with the parent unless named here.
  std::vector<std::pair<int, int>> descriptors;
  std::vector<std::pair<int, rlimit>> limits;  ///< instead of the inherited ones
  std::vector<int> affinity;                   ///< processor numbers; empty: the inherited mask
  bool own_process_group = false;
  const surroundings* inherited = nullptr;
};

struct launched {
  int pid = -1;
  unique_fd pidfd;
  /// Peak memory of this process at the start: exec books it on the child, so a child's peak up to it is unknown.
  std::uint64_t booked_memory = 0;
};

/// Whether this process may execute the file (not asked of its loader).
bool may_execute(const std::string& path) noexcept;

/// For one thread. The stack that a child begins on is kept: to make one, and to give it back while other threads run,
/// takes as long as the rest of a launch.
class launcher {
 public:
  launcher();
  launcher(const launcher&) = delete;
  launcher& operator=(const launcher&) = delete;
  ~launcher();
  /// Returns when the child has exec'ed. The child dies when the *calling thread* ends (PR_SET_PDEATHSIG), so the
  /// caller is a thread that lives as long as the process. Throws os_error naming the step that failed; nothing is left
  /// behind.
  launched launch(const launch_request& request);

 private:
  void* stack_;
};

}  // namespace kin::os
