// SPDX-License-Identifier: BSL-1.0
// Front door: kin::process and what belongs to it.
#pragma once

#include <kin/process/init.hpp>          // IWYU pragma: export
#include <kin/process/process.hpp>       // IWYU pragma: export
#include <kin/process/process_view.hpp>  // IWYU pragma: export
