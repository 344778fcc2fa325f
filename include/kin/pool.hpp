// SPDX-License-Identifier: BSL-1.0
// Front door: kin::pool and what belongs to it.
#pragma once

#include <kin/pool/as_completed.hpp>  // IWYU pragma: export
#include <kin/pool/current_pool.hpp>  // IWYU pragma: export
#include <kin/pool/pool.hpp>          // IWYU pragma: export
#include <kin/pool/when_all.hpp>      // IWYU pragma: export
#include <kin/process/init.hpp>       // IWYU pragma: export
