// SPDX-License-Identifier: BSL-1.0
// gather: how the results of several tasks come together: waiting for them as they end, joining pieces of a range, one
// future over many.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>
#include <vector>

#include <kin/core/export.hpp>
#include <kin/pool/future.hpp>
#include <kin/pool/progress.hpp>
#include <kin/pool/task_state.hpp>

namespace kin::detail {

/// The numbers of tasks in the order in which they ended. Any thread.
class KIN_EXPORT arrivals {
 public:
  arrivals();
  /// From now on tells when the task of this number has ended.
  void expect(std::size_t number, task_state& task) const;
  /// Waits for the next one.
  [[nodiscard]] std::size_t next() const;

 private:
  struct state;
  std::shared_ptr<state> state_;
};

/// Tells a progress and logs what it throws: it must not break what it only watches.
KIN_EXPORT void tell_progress(const progress& tell, std::size_t done, std::size_t all) noexcept;

/// The same for tasks whose caller does not wait: told on the callback thread.
KIN_EXPORT void follow_progress(const progress& tell, const std::shared_ptr<task_state>& task, std::size_t items,
                                const std::shared_ptr<std::size_t>& done, std::size_t all);
template <class States>
void follow_progress(const progress& tell, const States& states, const std::vector<std::size_t>& sizes,
                     std::size_t all) {
  if (!tell) return;
  const auto done = std::make_shared<std::size_t>(0);
  for (std::size_t i = 0; i < states.size(); ++i) follow_progress(tell, states[i], sizes[i], done, all);
}

/// A map under way: the futures of its pieces, and how many items each has. Pieces that still wait for a worker when it
/// goes are taken back.
template <class Result>
class pieces {
 public:
  pieces() = default;
  pieces(pieces&&) noexcept = default;
  pieces& operator=(pieces&&) noexcept = default;
  ~pieces() {
    for (const auto& state : states) state->withdraw();
  }
  void add(std::shared_ptr<result_state<Result>> state, std::size_t items) {
    states.push_back(std::move(state));
    sizes.push_back(items);
    all += items;
  }

  /// Calls `tell` in this thread as pieces end, until all have.
  void wait(const progress& tell) const {
    if (tell) {
      const arrivals ended;
      for (std::size_t i = 0; i < states.size(); ++i) ended.expect(i, *states[i]);
      std::size_t done = 0;
      for (std::size_t i = 0; i < states.size(); ++i) tell_progress(tell, done += sizes[ended.next()], all);
    } else {
      for (const auto& state : states) state->wait(deadline::never());
    }
  }
  /// The results in order, or the exception of the first piece that failed. All have ended.
  Result join() {
    if constexpr (std::is_void_v<Result>) {
      for (const auto& state : states) (void)state->value();
    } else {
      if (elsewhere) {
        for (const auto& state : states) (void)state->value();
        return std::exchange(elsewhere, nullptr)();
      }
      Result whole;
      whole.reserve(all);
      for (const auto& state : states) {
        Result some = std::move(state->value());
        whole.insert(whole.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
      }
      return whole;
    }
  }

  std::vector<std::shared_ptr<result_state<Result>>> states;
  std::vector<std::size_t> sizes;
  std::size_t all = 0;
  std::function<Result()> elsewhere;  // for pieces whose values lie somewhere else (placed_map)
};

/// Cancels several tasks as if they were one.
class KIN_EXPORT tasks_owner final : public task_owner {
 public:
  explicit tasks_owner(std::vector<std::weak_ptr<task_state>> tasks);
  ~tasks_owner() override;
  bool cancel_task(task_state& whole) override;
  bool withdraw_task(task_state& whole) override;
  void wait_begins() noexcept override;
  void wait_ends() noexcept override;
  bool wait_for(task_state& whole, deadline until) override;
  void refresh() override;

 private:
  std::vector<std::weak_ptr<task_state>> tasks_;
  std::vector<std::weak_ptr<task_owner>> owners_;  // each once
};

/// The state of one future over many tasks: settled when all are. `join` makes its value, in the first thread that
/// asks.
template <class T>
class joined_state final : public result_state<T> {
 public:
  using typename result_state<T>::value_type;
  joined_state(std::shared_ptr<const task_home> home, std::shared_ptr<tasks_owner> owner,
               std::function<value_type()> join)
      : result_state<T>(std::move(home)), join_(std::move(join)), owner_(std::move(owner)) {}

  static future<T> over(const std::vector<std::shared_ptr<task_state>>& tasks, std::shared_ptr<callback_runner> runner,
                        std::function<value_type()> join) {
    auto owner = std::make_shared<tasks_owner>(std::vector<std::weak_ptr<task_state>>(tasks.begin(), tasks.end()));
    auto home = std::make_shared<task_home>(task_home{std::move(runner), owner});
    auto state = std::make_shared<joined_state>(std::move(home), std::move(owner), std::move(join));
    follow(state, tasks);
    return future<T>(std::move(state));
  }

 private:
  value_type decode() override {
    auto join = std::exchange(join_, nullptr);
    return join();
  }
  std::function<value_type()> join_;
  std::shared_ptr<tasks_owner> owner_;
};

}  // namespace kin::detail
