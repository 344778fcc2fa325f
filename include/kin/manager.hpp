// SPDX-License-Identifier: BSL-1.0
// Front door: kin::manager and what belongs to it.
#pragma once

#include <kin/manager/dict_proxy.hpp>     // IWYU pragma: export
#include <kin/manager/list_proxy.hpp>     // IWYU pragma: export
#include <kin/manager/manager.hpp>        // IWYU pragma: export
#include <kin/manager/manager_stats.hpp>  // IWYU pragma: export
#include <kin/manager/proxy.hpp>          // IWYU pragma: export
#include <kin/process/init.hpp>           // IWYU pragma: export
#include <kin/wire/repr.hpp>              // IWYU pragma: export
