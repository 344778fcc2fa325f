// SPDX-License-Identifier: BSL-1.0
// fork_server_main: the fork server's own life: forking spares, and reaping and reporting those that became children.
#pragma once

#include <kin/transport/channel.hpp>

#include "process/bootstrap.hpp"

namespace kin::detail {

/// In a process that has been started to be the server: leaves a copy behind that is, and exits.
[[noreturn]] void run_fork_server(channel to_asker, const introduction& who);

}  // namespace kin::detail
