// SPDX-License-Identifier: BSL-1.0
// Front door: kin::queue and kin::joinable_queue.
#pragma once

#include <kin/process/init.hpp>          // IWYU pragma: export
#include <kin/queue/joinable_queue.hpp>  // IWYU pragma: export
#include <kin/queue/queue.hpp>           // IWYU pragma: export
