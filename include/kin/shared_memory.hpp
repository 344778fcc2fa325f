// SPDX-License-Identifier: BSL-1.0
// Front door: kin::shared_memory.
#pragma once

#include <kin/process/init.hpp>          // IWYU pragma: export
#include <kin/shared/shared_memory.hpp>  // IWYU pragma: export
