// SPDX-License-Identifier: BSL-1.0
// spawner: the one thread that starts this process's spawned children. A child dies with the thread that started it
// (PR_SET_PDEATHSIG), so that thread has to live exactly as long as the process.
#pragma once

#include "os/launch.hpp"

namespace kin::detail {

/// Runs os::launch in the spawner thread, which is started at the first call, and waits for it. Any thread.
os::launched launch_in_spawner(const os::launch_request& request);

}  // namespace kin::detail
