// SPDX-License-Identifier: BSL-1.0
// Front door: kin::mutex and kin::recursive_mutex.
#pragma once

#include <kin/process/init.hpp>  // IWYU pragma: export
#include <kin/sync/mutex.hpp>    // IWYU pragma: export
