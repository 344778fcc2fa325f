// SPDX-License-Identifier: BSL-1.0
// Front door: kin::set_log, for what kin would say if it were asked.
#pragma once

#include <kin/core/log.hpp>  // IWYU pragma: export
