// SPDX-License-Identifier: BSL-1.0
// task_state: what a future and its pool share: the outcome, who waits for it, and what runs after it.
// Stations 7 and 8 of the journey of an argument: the collector settles it, the future reads it.
//
// Invariant: settled once; after that nothing changes but the lists of waiters, which are empty.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <kin/core/deadline.hpp>
#include <kin/core/export.hpp>
#include <kin/os/unique_fd.hpp>
#include <kin/wire/outcome.hpp>
#include <kin/wire/parcel.hpp>

namespace kin::detail {

/// Runs callbacks one after the other on a thread of its own, started at the first one.
class KIN_EXPORT callback_runner {
 public:
  callback_runner();
  callback_runner(const callback_runner&) = delete;
  callback_runner& operator=(const callback_runner&) = delete;
  /// Runs what is posted, then ends the thread. From a callback itself: the thread ends by itself afterwards.
  ~callback_runner();
  /// Starts the thread. Throws os_error. After this, post() needs nothing that may fail but memory.
  void start();
  /// An exception that escapes is logged and affects nothing else.
  void post(std::function<void()> callback);
  /// Waits until everything posted so far has run; returns at once in the callback thread itself.
  void drain();
  /// True in a forked copy of the process that made it: no thread and no pool exist there.
  [[nodiscard]] bool forked_copy() const noexcept;

 private:
  struct state;
  std::shared_ptr<state> state_;
};

/// What a state's owner does for it.
class KIN_EXPORT task_owner {
 public:
  virtual ~task_owner();
  /// False when the task has already ended.
  virtual bool cancel_task(class task_state& task) = 0;
  /// Takes a task back that no worker has got yet: it gets cancelled_error. False when it runs or has ended.
  virtual bool withdraw_task(class task_state& task) = 0;
  /// The calling thread begins and ends to wait for a task of this owner: should it be a worker of the same pool, that
  /// needs another one meanwhile. Nests.
  virtual void wait_begins() noexcept {}
  virtual void wait_ends() noexcept {}
  /// Waits in the calling thread, which may do something for the task meanwhile. False: not settled in time.
  virtual bool wait_for(class task_state& task, deadline until);
};

/// Tells an owner, if there is one, that the calling thread waits.
class KIN_EXPORT waiting_for {
 public:
  explicit waiting_for(std::shared_ptr<task_owner> owner) noexcept;
  waiting_for(const waiting_for&) = delete;
  waiting_for& operator=(const waiting_for&) = delete;
  ~waiting_for();

 private:
  std::shared_ptr<task_owner> owner_;
};

/// How several tasks ended that one state stands for.
enum class joined_outcome : unsigned char { value, failure };

class KIN_EXPORT task_state {
 public:
  explicit task_state(std::shared_ptr<callback_runner> callbacks);
  task_state(const task_state&) = delete;
  task_state& operator=(const task_state&) = delete;
  virtual ~task_state();

  /// Throws closed_error in a forked copy of the process whose task it is, unless it was settled before.
  bool wait(deadline until);
  /// The same, for owners: just sleeps.
  bool sleep(deadline until);
  [[nodiscard]] bool ready() const;
  [[nodiscard]] bool failed() const;
  /// An eventfd that becomes and stays readable when settled.
  int native_handle();
  /// Runs `callback` on the callback thread once settled, at once when it is.
  void when_settled(std::function<void()> callback);
  /// Runs `hook` once settled, in the thread that settles it, or here and now: for short things that do not throw.
  void on_settle(std::function<void()> hook);

  /// What the request's handles need while it may be decoded. Before it is submitted.
  void keep_until_settled(passengers carried) noexcept { carried_ = std::move(carried); }

  /// First come, first served; later ones are dropped. False when it was settled before.
  bool settle(parcel outcome, std::string worker);
  bool settle(std::exception_ptr failure);

  void set_owner(std::weak_ptr<task_owner> owner) { owner_ = std::move(owner); }
  [[nodiscard]] std::shared_ptr<task_owner> owner() const noexcept { return owner_.lock(); }
  bool cancel();
  bool withdraw();
  /// Settled without an outcome of its own: decode() is overridden. False when it was settled before.
  bool settle_joined(joined_outcome outcome);
  [[nodiscard]] const std::shared_ptr<callback_runner>& callbacks() const noexcept { return runner_; }

  void* place = nullptr;  ///< for the owner, under its lock: where the task is

 protected:
  /// For the decoder: call once, after it is settled.
  struct result {
    parcel outcome;
    std::exception_ptr failure;
    std::string worker;
  };
  result take_result();
  std::mutex decoding_;  // user code (decode) runs under it: by waiters of this future only

 private:
  bool finish(result r, bool failed);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool settled_ = false, failed_ = false;
  result result_;
  passengers carried_;
  unique_fd event_;
  std::vector<std::function<void()>> callbacks_, hooks_;
  std::shared_ptr<callback_runner> runner_;
  std::weak_ptr<task_owner> owner_;
};

/// Settles `whole` once all of `parts` are.
KIN_EXPORT void follow(const std::shared_ptr<task_state>& whole, const std::vector<std::shared_ptr<task_state>>& parts);

/// A task_state that knows the type of its value, which is made in the first thread that asks.
template <class T>
class result_state : public task_state {
 public:
  using task_state::task_state;
  using value_type = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

  /// The value, or throws what the task threw. Settled by now.
  value_type& value() {
    const std::lock_guard hold(decoding_);
    if (!value_ && !failure_) {
      try {
        value_.emplace(decode());
      } catch (...) {
        failure_ = std::current_exception();
      }
    }
    if (failure_) std::rethrow_exception(failure_);
    return *value_;
  }

 protected:
  virtual value_type decode() = 0;

 private:
  std::optional<value_type> value_;
  std::exception_ptr failure_;
};

}  // namespace kin::detail
