// SPDX-License-Identifier: BSL-1.0
// Front door: all of kin.
#pragma once

#include <kin/array.hpp>               // IWYU pragma: export
#include <kin/async.hpp>               // IWYU pragma: export
#include <kin/barrier.hpp>             // IWYU pragma: export
#include <kin/condition_variable.hpp>  // IWYU pragma: export
#include <kin/event.hpp>               // IWYU pragma: export
#include <kin/log.hpp>                 // IWYU pragma: export
#include <kin/manager.hpp>             // IWYU pragma: export
#include <kin/mutex.hpp>               // IWYU pragma: export
#include <kin/pipe.hpp>                // IWYU pragma: export
#include <kin/pool.hpp>                // IWYU pragma: export
#include <kin/process.hpp>             // IWYU pragma: export
#include <kin/queue.hpp>               // IWYU pragma: export
#include <kin/semaphore.hpp>           // IWYU pragma: export
#include <kin/shared_dict.hpp>         // IWYU pragma: export
#include <kin/shared_list.hpp>         // IWYU pragma: export
#include <kin/shared_memory.hpp>       // IWYU pragma: export
#include <kin/thread_pool.hpp>         // IWYU pragma: export
#include <kin/value.hpp>               // IWYU pragma: export
