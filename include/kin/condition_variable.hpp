// SPDX-License-Identifier: BSL-1.0
// Front door: kin::condition_variable.
#pragma once

#include <kin/process/init.hpp>             // IWYU pragma: export
#include <kin/sync/condition_variable.hpp>  // IWYU pragma: export
