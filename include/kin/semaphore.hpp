// SPDX-License-Identifier: BSL-1.0
// Front door: kin::counting_semaphore and kin::bounded_semaphore.
#pragma once

#include <kin/process/init.hpp>    // IWYU pragma: export
#include <kin/sync/semaphore.hpp>  // IWYU pragma: export
