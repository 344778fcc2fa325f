// SPDX-License-Identifier: BSL-1.0
// Front door: kin::value.
#pragma once

#include <kin/process/init.hpp>  // IWYU pragma: export
#include <kin/shared/value.hpp>  // IWYU pragma: export
