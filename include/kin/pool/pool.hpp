// SPDX-License-Identifier: BSL-1.0
// pool: worker processes that run tasks. Station 1 of the journey of an argument (docs/data_flow.md): arguments are
// encoded here, in the caller; chunks of a range become one task each.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <exception>
#include <initializer_list>
#include <memory>
#include <ranges>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <kin/core/count.hpp>
#include <kin/core/export.hpp>
#include <kin/pool/future.hpp>
#include <kin/pool/map_chunk.hpp>
#include <kin/pool/pool_options.hpp>
#include <kin/pool/task_pool.hpp>
#include <kin/process/worker_lost.hpp>
#include <kin/wire/call.hpp>
#include <kin/wire/callable.hpp>

namespace kin {

/// A pool of worker processes. Move-only; any number of threads may submit. Workers are started when tasks wait and
/// none is free, up to the pool's size. A task's arguments, result and exceptions cross by value (api.md says what
/// may).
///
/// A worker's death fails only the task it was running, with worker_lost; the pool replaces it. The destructor finishes
/// what was submitted and joins; while an exception unwinds the stack it terminates instead. After fork the pool
/// belongs to the parent: the copy refuses.
class KIN_EXPORT pool {
 public:
  /// cpu_count() workers at most. Throws start_error without kin::init().
  pool() : pool(pool_options{}) {}
  explicit pool(count workers) : pool(pool_options{.workers = workers}) {}
  explicit pool(pool_options options);
  pool(pool&& other) noexcept = default;
  pool& operator=(pool&& other) noexcept;
  ~pool();

  /// f(args...) in a worker; waits for the value. Throws what the future's get() throws.
  template <class F, class... Args>
  auto apply(F&& f, Args&&... args) {
    return apply_async(std::forward<F>(f), std::forward<Args>(args)...).get();
  }
  template <class F, class... Args>
  auto apply(const task_options& options, F&& f, Args&&... args) {
    return apply_async(options, std::forward<F>(f), std::forward<Args>(args)...).get();
  }

  /// The same, at once: the value is to come. Throws encode_error (nothing submitted), closed_error.
  template <class F, class... Args>
    requires(!std::same_as<std::remove_cvref_t<F>, task_options>)
  auto apply_async(F&& f, Args&&... args) {
    return apply_async(task_options{}, std::forward<F>(f), std::forward<Args>(args)...);
  }
  template <class F, class... Args>
  auto apply_async(const task_options& options, F&& f, Args&&... args) {
    detail::check_callable<F, Args...>();
    using result = detail::call_result_t<F, Args...>;
    // Held as values, so that what was moved in is given up here.
    const std::tuple<stored_t<Args>...> held(std::forward<Args>(args)...);
    return submit<result>(options, detail::call_name(f),
                          std::apply([&](const auto&... a) { return detail::encode_call(f, a...); }, held));
  }

  /// f on every item, in order; any input range; void f: void. The exception of the first item that failed is thrown
  /// when all have ended.
  template <class F, std::ranges::input_range Range>
  auto map(F&& f, Range&& range, const map_options& options = {}) {
    return run_map<detail::map_chunk>(f, std::forward<Range>(range), options);
  }
  template <class F, class T>
  auto map(F&& f, std::initializer_list<T> items, const map_options& options = {}) {
    return run_map<detail::map_chunk>(f, items, options);
  }
  /// f with the elements of each tuple as arguments.
  template <class F, std::ranges::input_range Range>
  auto starmap(F&& f, Range&& range, const map_options& options = {}) {
    return run_map<detail::starmap_chunk>(f, std::forward<Range>(range), options);
  }
  template <class F, class T>
  auto starmap(F&& f, std::initializer_list<T> items, const map_options& options = {}) {
    return run_map<detail::starmap_chunk>(f, items, options);
  }

  /// No more tasks: submitting throws closed_error; what was submitted is finished.
  void close() { core().close(); }
  /// Waits until all tasks have ended, their callbacks have run and the workers are gone. After close() or terminate();
  /// else std::logic_error.
  void join() { core().join(); }
  /// Ends now: tasks that have not ended get cancelled_error; workers are killed, with what their tasks have started.
  void terminate() { core().terminate({}); }
  /// The same, but workers get SIGTERM and `grace` to end first.
  template <class Rep, class Period>
  void terminate(std::chrono::duration<Rep, Period> grace) {
    core().terminate(std::chrono::ceil<std::chrono::nanoseconds>(grace));
  }
  [[nodiscard]] pool_stats stats() const { return core().stats(); }
  /// Most workers at once.
  [[nodiscard]] std::size_t size() const { return core().size(); }

 private:
  [[nodiscard]] detail::task_pool& core() const;
  void finish() noexcept;

  template <class R>
  future<R> submit(const task_options& options, std::string name, detail::parcel request) {
    auto state = std::make_shared<detail::result_state<R>>(core().callbacks());
    core().submit(std::move(request), std::move(name), state, options);
    return future<R>(std::move(state));
  }

  template <template <class, class> class Chunk, class F, class Range>
  auto run_map(const F& f, Range&& range, const map_options& options) {
    using callable = std::decay_t<F>;
    using item = stored_t<std::ranges::range_reference_t<Range>>;
    using chunk = Chunk<callable, item>;
    using result = typename chunk::result;
    chunk::check();
    std::vector<item> items;
    if constexpr (std::ranges::sized_range<Range>) items.reserve(std::ranges::size(range));
    for (auto&& each : range) items.emplace_back(static_cast<decltype(each)&&>(each));

    const std::size_t size = chunk_size(items.size(), options.chunk);
    const detail::map_progress done(options.progress, items.size());
    std::vector<future<result>> parts;
    for (std::size_t at = 0; at < items.size(); at += size) {
      const std::size_t n = std::min(size, items.size() - at);
      const auto first = items.begin() + static_cast<std::ptrdiff_t>(at);
      const std::vector<item> some(std::make_move_iterator(first),
                                   std::make_move_iterator(first + static_cast<std::ptrdiff_t>(n)));
      auto part = submit<result>(options.task, detail::call_name(f),
                                 detail::encode_call(chunk{}, detail::callable_box<callable>{f}, some));
      done.follow(part, n);
      parts.push_back(std::move(part));
    }
    return detail::gather<result>(std::move(parts));
  }
  [[nodiscard]] std::size_t chunk_size(std::size_t items, std::size_t wanted) const;

  std::shared_ptr<detail::task_pool> core_;
  int unwinding_ = 0;
  int owner_ = -1;
};

}  // namespace kin
