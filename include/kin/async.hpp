// SPDX-License-Identifier: BSL-1.0
// Front door: kin::async and kin::future.
#pragma once

#include <kin/pool/async.hpp>    // IWYU pragma: export
#include <kin/process/init.hpp>  // IWYU pragma: export
