// SPDX-License-Identifier: BSL-1.0
// pool_verbs: what one does with a pool, of processes or of threads. Station 1 of the journey of an argument
// (docs/data_flow.md): chunks of a range become one task each; how a task gets to a worker says `Way` (way.hpp).
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <memory>
#include <ranges>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <kin/core/export.hpp>
#include <kin/pool/claimed_map.hpp>
#include <kin/pool/future.hpp>
#include <kin/pool/gather.hpp>
#include <kin/pool/imap.hpp>
#include <kin/pool/map_chunk.hpp>
#include <kin/pool/map_input.hpp>
#include <kin/pool/placed_map.hpp>
#include <kin/pool/pool_options.hpp>
#include <kin/pool/task_pool.hpp>
#include <kin/pool/way.hpp>

namespace kin::detail {

/// A handle's part that needs no templates: the pool it holds, and how it is ended.
class KIN_EXPORT pool_handle {
 public:
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
    using seconds = std::chrono::duration<long double>;
    constexpr auto longest = std::chrono::nanoseconds::max();
    if (!(grace > grace.zero())) return core().terminate({});
    core().terminate(seconds(grace) < seconds(longest) ? std::chrono::ceil<std::chrono::nanoseconds>(grace) : longest);
  }
  [[nodiscard]] pool_stats stats() const { return core().stats(); }
  /// Most workers at once.
  [[nodiscard]] std::size_t size() const { return core().size(); }

 protected:
  /// Finishes the pool at its end.
  explicit pool_handle(std::shared_ptr<task_pool> core);
  /// The pool is somebody else's.
  struct borrowed {};
  pool_handle(std::shared_ptr<task_pool> core, borrowed) noexcept;
  pool_handle(pool_handle&& other) noexcept;
  pool_handle& operator=(pool_handle&& other) noexcept;
  ~pool_handle();

  [[nodiscard]] task_pool& core() const;
  [[nodiscard]] const std::shared_ptr<task_pool>& shared_core() const;
  [[nodiscard]] std::size_t chunk_size(std::size_t items, const map_options& options) const;
  /// Of a map of one array into another. Throws std::invalid_argument.
  static void check_lengths(std::size_t in, std::size_t to, const void* from_data, const void* to_data,
                            const map_options& options);

 private:
  void finish() noexcept;
  std::shared_ptr<task_pool> core_;
  int unwinding_ = 0;  // exceptions in flight when it was made or moved, the fewest
  int owner_ = -1;     // process that ends it; -1: none
};

template <class Way>
class pool_verbs : public pool_handle {
 public:
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
    Way::template check<F, Args...>();
    using result = typename Way::template result_t<F, Args...>;
    return future<result>(Way::template submit<result>(core(), options, task_label::of(f), std::forward<F>(f),
                                                       std::forward<Args>(args)...));
  }

  /// f on every item, in order; any input range; void f: void. The exception of the first item that failed is thrown
  /// when all have ended. Workers get whole chunks: an exception or a death fails the chunk it happens in.
  template <class F, std::ranges::input_range Range>
  auto map(F&& f, Range&& range, const map_options& options = default_map_options()) {
    return run_map<map_chunk>(f, std::forward<Range>(range), options);
  }
  template <class F, class T>
  auto map(F&& f, std::initializer_list<T> items, const map_options& options = default_map_options()) {
    return run_map<map_chunk>(f, items, options);
  }
  /// f on every element of one kin::array, its results written into another of the same length, or the same. Nothing is
  /// copied: workers claim ranges until there are none left. What failed has left its range of `to` as it was, or
  /// partly written. A limit is one of a worker's whole part; no progress is told. Throws std::invalid_argument for
  /// another length, and for retries of a map of an array into itself.
  template <class F, detail::shared_elements_handle In, detail::shared_elements_handle Out>
  void map(F&& f, const In& in, const Out& to, const map_options& options = default_map_options()) {
    using result = typename Way::template result_t<F, std::ranges::range_value_t<const In&>>;
    Way::template check<F, std::ranges::range_value_t<const In&>>();
    static_assert(std::is_convertible_v<result, std::ranges::range_value_t<const Out&>>,
                  "kin: what the callable returns does not fit into the elements of the array that it is to go into");
    check_lengths(std::ranges::size(in), std::ranges::size(to), in.data(), to.data(), options);
    if (std::ranges::size(in) > 0)
      run_claimed_map<detail::results_in_array<Out>>(f, in, options, [&] { return detail::results_in_array<Out>{to}; });
  }
  /// f with the elements of each tuple as arguments.
  template <class F, std::ranges::input_range Range>
  auto starmap(F&& f, Range&& range, const map_options& options = default_map_options()) {
    return run_map<starmap_chunk>(f, std::forward<Range>(range), options);
  }
  template <class F, class T>
  auto starmap(F&& f, std::initializer_list<T> items, const map_options& options = default_map_options()) {
    return run_map<starmap_chunk>(f, items, options);
  }

  /// The same, at once: future<std::vector<R>>, or future<void>. A progress is told on the callback thread.
  template <class F, std::ranges::input_range Range>
  auto map_async(F&& f, Range&& range, const map_options& options = default_map_options()) {
    return run_map_async<map_chunk>(f, std::forward<Range>(range), options);
  }
  template <class F, class T>
  auto map_async(F&& f, std::initializer_list<T> items, const map_options& options = default_map_options()) {
    return run_map_async<map_chunk>(f, items, options);
  }
  template <class F, std::ranges::input_range Range>
  auto starmap_async(F&& f, Range&& range, const map_options& options = default_map_options()) {
    return run_map_async<starmap_chunk>(f, std::forward<Range>(range), options);
  }
  template <class F, class T>
  auto starmap_async(F&& f, std::initializer_list<T> items, const map_options& options = default_map_options()) {
    return run_map_async<starmap_chunk>(f, items, options);
  }

  /// A range of the results, in order; f on items as they are asked for, at most `window` items ahead of the consumer:
  /// `for (int v : workers.imap(f, endless, {.window = 64}))`. See imap_results.
  template <class F, std::ranges::input_range Range>
  auto imap(F f, Range&& range, const map_options& options = default_map_options()) {
    return run_imap(std::move(f), imap_input(std::forward<Range>(range)), options, imap_order::as_given);
  }
  template <class F, class T>
  auto imap(F f, std::initializer_list<T> items, const map_options& options = default_map_options()) {
    return run_imap(std::move(f), std::views::all(std::vector<stored_t<T>>(items.begin(), items.end())), options,
                    imap_order::as_given);
  }
  /// The same, each result as soon as it is there.
  template <class F, std::ranges::input_range Range>
  auto imap_unordered(F f, Range&& range, const map_options& options = default_map_options()) {
    return run_imap(std::move(f), imap_input(std::forward<Range>(range)), options, imap_order::as_ended);
  }
  template <class F, class T>
  auto imap_unordered(F f, std::initializer_list<T> items, const map_options& options = default_map_options()) {
    return run_imap(std::move(f), std::views::all(std::vector<stored_t<T>>(items.begin(), items.end())), options,
                    imap_order::as_ended);
  }

 protected:
  using pool_handle::pool_handle;

 private:
  /// Submits the pieces of a range. If that throws, those that wait are taken back.
  template <template <class, class, class> class Chunk, class F, class Range>
  auto start_map(const F& f, Range&& range, const map_options& options) {
    using callable = std::decay_t<F>;
    using item = item_of<Chunk, std::ranges::range_value_t<Range>>;
    using chunk = Chunk<Way, callable, item>;
    using result = typename chunk::result;
    chunk::check();
    pieces<result> all;
    // Values that are their own bytes need not go through the channels.
    if constexpr (std::is_same_v<chunk, map_chunk<by_copy, callable, item>> &&
                  flat_range<std::remove_reference_t<Range>, item>) {
      using one = typename chunk::one_result;
      if constexpr (placeable<item> && placeable<one>) {
        const std::span<const item> items(std::ranges::data(range), std::ranges::size(range));
        if (items.size_bytes() >= worth_placing &&
            start_placed_map<callable, item, one>(shared_core(), options.task, f, items,
                                                  chunk_size(items.size(), options), all))
          return all;
      }
    }
    in_chunks<item>(
        std::forward<Range>(range), [&](std::size_t items) { return chunk_size(items, options); },
        [&](auto&& items) {
          const std::size_t n = items.size();
          all.add(Way::template submit_chunk<result, chunk, callable>(core(), options.task, f,
                                                                      static_cast<decltype(items)&&>(items)),
                  n);
        });
    return all;
  }

  template <class To, class F, class In, class MakeTo>
  void run_claimed_map(const F& f, const In& in, const map_options& options, MakeTo to) {
    claimed_map<Way, std::decay_t<F>, In, To>(core(), options, std::ranges::size(in)).run(f, in, to);
  }
  // An array that needs not be copied, and a map without what only whole tasks have.
  template <class Range>
  static bool may_be_claimed(const Range& range, const map_options& options) {
    return std::ranges::size(range) > 0 && !options.progress && options.task.timeout == options.task.timeout.zero() &&
           options.task.memory_limit == 0;
  }

  template <template <class, class, class> class Chunk, class F, class Range>
  auto run_map(const F& f, Range&& range, const map_options& options) {
    using handle = std::remove_cvref_t<Range>;
    if constexpr (shared_elements_handle<handle>) {
      using item = std::ranges::range_value_t<const handle&>;
      using chunk = Chunk<Way, std::decay_t<F>, item>;
      if constexpr (std::is_same_v<chunk, map_chunk<Way, std::decay_t<F>, item>>) {
        chunk::check();
        using one = typename chunk::one_result;
        if (may_be_claimed(range, options)) {
          if constexpr (std::is_void_v<one>) {
            return run_claimed_map<no_results>(f, range, options, [] { return no_results{}; });
          } else if constexpr (placeable<one> && std::is_same_v<Way, by_copy>) {
            const std::size_t n = std::ranges::size(range);
            if (auto buffer = core().take_buffer(n * sizeof(one))) {
              run_claimed_map<results_in_buffer<one>>(f, range, options, [&] {
                return results_in_buffer<one>{{{}, place_in(*buffer, 0), n}};
              });
              const auto* const results = reinterpret_cast<const one*>(buffer->data());
              std::vector<one> all(results, results + n);
              core().give_back(std::move(buffer));
              return all;
            }
          }
        }
      }
    }
    auto started = start_map<Chunk>(f, std::forward<Range>(range), options);
    if (options.caller_takes_part)
      for (auto piece = started.states.rbegin(); piece != started.states.rend(); ++piece) core().run_here(**piece);
    started.wait(options.progress);
    return started.join();
  }

  template <template <class, class, class> class Chunk, class F, class Range>
  auto run_map_async(const F& f, Range&& range, const map_options& options) {
    auto started = std::make_shared<decltype(start_map<Chunk>(f, std::forward<Range>(range), options))>(
        start_map<Chunk>(f, std::forward<Range>(range), options));
    using result = decltype(started->join());
    follow_progress(options.progress, started->states, started->sizes, started->all);
    const std::vector<std::shared_ptr<task_state>> states(started->states.begin(), started->states.end());
    return joined_state<result>::over(states, core().callbacks(), [started] {
      if constexpr (std::is_void_v<result>) {
        started->join();
        return std::monostate{};
      } else {
        return started->join();
      }
    });
  }

  template <class F, class View>
  auto run_imap(F f, View view, const map_options& options, imap_order order) {
    using item = stored_t<std::ranges::range_value_t<View>>;
    using chunk = map_chunk<Way, F, item>;
    chunk::check();
    auto submit = [workers = shared_core(), f, task = options.task](item_list<item>&& items) {
      return Way::template submit_chunk<typename chunk::result, chunk, F>(*workers, task, f, std::move(items));
    };
    const std::size_t size = std::max<std::size_t>(options.chunk, 1);
    const std::size_t chunks_ahead = this->size() * 4, most = std::numeric_limits<std::size_t>::max();
    const std::size_t window =
        options.window > 0 ? std::size_t{options.window} : std::min(size, most / chunks_ahead) * chunks_ahead;
    return imap_results<View, item, chunk>(std::move(view), std::move(submit), order, std::min(size, window), window);
  }
};

}  // namespace kin::detail
