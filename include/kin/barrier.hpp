// SPDX-License-Identifier: BSL-1.0
// Front door: kin::barrier.
#pragma once

#include <kin/process/init.hpp>  // IWYU pragma: export
#include <kin/sync/barrier.hpp>  // IWYU pragma: export
