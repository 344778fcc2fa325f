// SPDX-License-Identifier: BSL-1.0
// async: a fresh process for one call.
#pragma once

#include <type_traits>
#include <utility>

#include <kin/core/export.hpp>
#include <kin/pool/future.hpp>
#include <kin/pool/task_pool.hpp>
#include <kin/pool/way.hpp>
#include <kin/process/init.hpp>
#include <kin/process/worker_lost.hpp>
#include <kin/wire/call.hpp>
#include <kin/wire/callable.hpp>

namespace kin {

namespace detail {
/// The pool behind async: as many workers as there are calls, each used once.
KIN_EXPORT task_pool& one_call_processes();
}  // namespace detail

/// Runs f(args...) in a process of its own, which ends after the call; the value or the exception comes back. Its death
/// is worker_lost. Throws start_error without kin::init(), encode_error. Any thread.
///
/// Unlike std::async's, the future's destructor does not wait; a call that nobody waits for dies with this process.
template <class F, class... Args>
[[nodiscard]] auto async(const task_options& options, F&& f, Args&&... args) {
  detail::check_callable<F, Args...>();
  using result = detail::call_result_t<F, Args...>;
  return future<result>(detail::by_copy::submit<result>(detail::one_call_processes(), options,
                                                        detail::task_label::of(f), f, std::forward<Args>(args)...));
}

template <class F, class... Args>
  requires(!std::is_same_v<std::remove_cvref_t<F>, task_options>)
[[nodiscard]] auto async(F&& f, Args&&... args) {
  return kin::async(task_options{}, std::forward<F>(f), std::forward<Args>(args)...);
}
}  // namespace kin
