// SPDX-License-Identifier: BSL-1.0
// Front door: kin::connection (see also kin/pipe.hpp).
#pragma once

#include <kin/process/init.hpp>          // IWYU pragma: export
#include <kin/transport/connection.hpp>  // IWYU pragma: export
#include <kin/transport/wait.hpp>        // IWYU pragma: export
