// SPDX-License-Identifier: BSL-1.0
// async: a fresh process for one call.
#pragma once

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

#include <kin/core/export.hpp>
#include <kin/pool/future.hpp>
#include <kin/pool/task_pool.hpp>
#include <kin/pool/way.hpp>
#include <kin/process/init.hpp>
#include <kin/process/process_options.hpp>
#include <kin/process/start_method.hpp>
#include <kin/process/worker_lost.hpp>
#include <kin/wire/call.hpp>
#include <kin/wire/callable.hpp>

namespace kin {

namespace detail {
/// The pool behind async: as many workers as there are calls, each used once.
KIN_EXPORT task_pool& one_call_processes(start_method start);
/// A pool for one call that takes more to start; closed once that is submitted, it lives until the call has ended.
KIN_EXPORT std::shared_ptr<task_pool> one_call_process(const process_options& options);

template <class T>
concept start_tag =
    std::same_as<T, start::spawn_t> || std::same_as<T, start::forkserver_t> || std::same_as<T, start::fork_t>;
template <class T>
concept async_option = std::same_as<T, task_options> || std::same_as<T, process_options> || start_tag<T>;

template <class F, class... Args>
auto async_in(task_pool& workers, const task_options& options, F&& f, Args&&... args) {
  check_callable<F, Args...>();
  using result = call_result_t<F, Args...>;
  return future<result>(by_copy::submit<result>(workers, options, task_label::of(f), f, std::forward<Args>(args)...));
}
}  // namespace detail

/// Runs f(args...) in a process of its own, which ends after the call; the value or the exception comes back. Its death
/// is worker_lost. Throws start_error without kin::init(), encode_error. Any thread.
///
/// Unlike std::async's, the future's destructor does not wait; a call that nobody waits for dies with this process.
template <class F, class... Args>
[[nodiscard]] auto async(const task_options& options, F&& f, Args&&... args) {
  return detail::async_in(detail::one_call_processes(start::spawn), options, std::forward<F>(f),
                          std::forward<Args>(args)...);
}

template <class F, class... Args>
  requires(!detail::async_option<std::remove_cvref_t<F>>)
[[nodiscard]] auto async(F&& f, Args&&... args) {
  return kin::async(task_options{}, std::forward<F>(f), std::forward<Args>(args)...);
}

/// The same by another start method: `kin::async(kin::start::forkserver, f, 1)`. What may be called is what may be
/// called in another process, whichever the method.
template <detail::start_tag Start, class F, class... Args>
[[nodiscard]] auto async(Start start, const task_options& options, F&& f, Args&&... args) {
  return detail::async_in(detail::one_call_processes(start), options, std::forward<F>(f), std::forward<Args>(args)...);
}
template <detail::start_tag Start, class F, class... Args>
  requires(!detail::async_option<std::remove_cvref_t<F>>)
[[nodiscard]] auto async(Start start, F&& f, Args&&... args) {
  return kin::async(start, task_options{}, std::forward<F>(f), std::forward<Args>(args)...);
}

/// The same in a process with options of its own (its directory, environment, limits, start method …), which are
/// written out: `kin::async(kin::process_options{.affinity = {0}}, f, 1)`.
template <std::same_as<process_options> Options, class F, class... Args>
  requires(!detail::async_option<std::remove_cvref_t<F>>)
[[nodiscard]] auto async(const Options& options, F&& f, Args&&... args) {
  const auto workers = detail::one_call_process(options);
  auto result = detail::async_in(*workers, {}, std::forward<F>(f), std::forward<Args>(args)...);
  workers->close();
  return result;
}
}  // namespace kin
