// SPDX-License-Identifier: BSL-1.0
// pool: worker processes that run tasks. Station 1 of the journey of an argument (docs/data_flow.md): arguments are
// encoded here, in the caller; chunks of a range become one task each.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <deque>
#include <exception>
#include <initializer_list>
#include <memory>
#include <ranges>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <kin/core/count.hpp>
#include <kin/core/export.hpp>
#include <kin/pool/future.hpp>
#include <kin/pool/gather.hpp>
#include <kin/pool/imap.hpp>
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
    return future<result>(
        submit_state<result>(options, detail::callable_name(f),
                             std::apply([&](const auto&... a) { return detail::encode_call(f, a...); }, held)));
  }

  /// f on every item, in order; any input range; void f: void. The exception of the first item that failed is thrown
  /// when all have ended. Workers get whole chunks: an exception or a death fails the chunk it happens in.
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

  /// The same, at once: future<std::vector<R>>, or future<void>. A progress is told on the callback thread.
  template <class F, std::ranges::input_range Range>
  auto map_async(F&& f, Range&& range, const map_options& options = {}) {
    return run_map_async<detail::map_chunk>(f, std::forward<Range>(range), options);
  }
  template <class F, class T>
  auto map_async(F&& f, std::initializer_list<T> items, const map_options& options = {}) {
    return run_map_async<detail::map_chunk>(f, items, options);
  }
  template <class F, std::ranges::input_range Range>
  auto starmap_async(F&& f, Range&& range, const map_options& options = {}) {
    return run_map_async<detail::starmap_chunk>(f, std::forward<Range>(range), options);
  }
  template <class F, class T>
  auto starmap_async(F&& f, std::initializer_list<T> items, const map_options& options = {}) {
    return run_map_async<detail::starmap_chunk>(f, items, options);
  }

  /// A range of the results, in order; f on items as they are asked for, at most `window` items ahead of the consumer:
  /// `for (int v : workers.imap(f, endless, {.window = 64}))`. See imap_results.
  template <class F, std::ranges::input_range Range>
  auto imap(F f, Range&& range, const map_options& options = {}) {
    return run_imap(std::move(f), std::views::all(std::forward<Range>(range)), options, detail::imap_order::as_given);
  }
  template <class F, class T>
  auto imap(F f, std::initializer_list<T> items, const map_options& options = {}) {
    return run_imap(std::move(f), std::views::all(std::vector<stored_t<T>>(items.begin(), items.end())), options,
                    detail::imap_order::as_given);
  }
  /// The same, each result as soon as it is there.
  template <class F, std::ranges::input_range Range>
  auto imap_unordered(F f, Range&& range, const map_options& options = {}) {
    return run_imap(std::move(f), std::views::all(std::forward<Range>(range)), options, detail::imap_order::as_ended);
  }
  template <class F, class T>
  auto imap_unordered(F f, std::initializer_list<T> items, const map_options& options = {}) {
    return run_imap(std::move(f), std::views::all(std::vector<stored_t<T>>(items.begin(), items.end())), options,
                    detail::imap_order::as_ended);
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
  std::shared_ptr<detail::result_state<R>> submit_state(const task_options& options, std::string name,
                                                        detail::parcel request) {
    auto state = std::make_shared<detail::result_state<R>>(core().callbacks());
    core().submit(std::move(request), std::move(name), state, options);
    return state;
  }

  /// Submits the pieces of a range. If that throws, those that wait are taken back.
  template <template <class, class> class Chunk, class F, class Range>
  auto start_map(const F& f, Range&& range, const map_options& options) {
    using callable = std::decay_t<F>;
    using item = stored_t<std::ranges::range_value_t<Range>>;
    using chunk = Chunk<callable, item>;
    chunk::check();
    std::deque<item> items;
    for (auto&& each : range) items.emplace_back(static_cast<decltype(each)&&>(each));

    const std::size_t size = chunk_size(items.size(), options);
    const std::size_t all = items.size();
    detail::pieces<typename chunk::result> pieces;
    for (std::size_t at = 0; at < all; at += size) {
      detail::item_list<item> some;
      for (std::size_t i = at; i < std::min(at + size, all); ++i) {
        some.push_back(std::move(items.front()));
        items.pop_front();
      }
      const auto& one_piece = some;
      pieces.add(submit_state<typename chunk::result>(
                     options.task, detail::callable_name(f),
                     detail::encode_call(chunk{}, detail::callable_box<callable>{f}, one_piece)),
                 some.size());
    }
    return pieces;
  }

  template <template <class, class> class Chunk, class F, class Range>
  auto run_map(const F& f, Range&& range, const map_options& options) {
    auto pieces = start_map<Chunk>(f, std::forward<Range>(range), options);
    if (options.caller_takes_part)
      for (auto piece = pieces.states.rbegin(); piece != pieces.states.rend(); ++piece) core().run_here(**piece);
    pieces.wait(options.progress);
    return pieces.join();
  }

  template <template <class, class> class Chunk, class F, class Range>
  auto run_map_async(const F& f, Range&& range, const map_options& options) {
    auto pieces = std::make_shared<decltype(start_map<Chunk>(f, std::forward<Range>(range), options))>(
        start_map<Chunk>(f, std::forward<Range>(range), options));
    using result = decltype(pieces->join());
    detail::follow_progress(options.progress, pieces->states, pieces->sizes, pieces->all);
    const std::vector<std::shared_ptr<detail::task_state>> states(pieces->states.begin(), pieces->states.end());
    return detail::joined_state<result>::over(states, core().callbacks(), [pieces] {
      if constexpr (std::is_void_v<result>) {
        pieces->join();
        return std::monostate{};
      } else {
        return pieces->join();
      }
    });
  }
  template <class F, class View>
  auto run_imap(F f, View view, const map_options& options, detail::imap_order order) {
    using item = stored_t<std::ranges::range_value_t<View>>;
    using chunk = detail::map_chunk<F, item>;
    chunk::check();
    (void)core();
    auto submit = [workers = core_, f, task = options.task](const detail::item_list<item>& items) {
      auto state = std::make_shared<detail::result_state<typename chunk::result>>(workers->callbacks());
      workers->submit(detail::encode_call(chunk{}, detail::callable_box<F>{f}, items), detail::callable_name(f), state,
                      task);
      return state;
    };
    const std::size_t size = std::max<std::size_t>(options.chunk, 1);
    const std::size_t window = options.window > 0 ? std::size_t{options.window} : this->size() * 4 * size;
    return imap_results<View, item, chunk>(std::move(view), std::move(submit), order, std::min(size, window), window);
  }
  [[nodiscard]] std::size_t chunk_size(std::size_t items, const map_options& options) const;

  std::shared_ptr<detail::task_pool> core_;
  int unwinding_ = 0;
  int owner_ = -1;
};

}  // namespace kin
