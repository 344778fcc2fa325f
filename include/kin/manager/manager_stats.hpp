// SPDX-License-Identifier: BSL-1.0
// manager_stats: what a manager's server has at one moment.
#pragma once

#include <cstddef>

namespace kin {

struct manager_stats {
  std::size_t objects = 0;    ///< alive
  std::size_t clients = 0;    ///< processes that have proxies or use the manager, this one included
  std::size_t sessions = 0;   ///< their sockets; each has a thread in the server
  std::size_t in_flight = 0;  ///< proxies on their way between two processes
};

}  // namespace kin
