// SPDX-License-Identifier: BSL-1.0
// Front door: kin::event.
#pragma once

#include <kin/process/init.hpp>  // IWYU pragma: export
#include <kin/sync/event.hpp>    // IWYU pragma: export
