// SPDX-License-Identifier: BSL-1.0
// task_state: what a future and its pool share: the outcome, who waits for it, and what runs after it.
// Stations 7 and 8 of the journey of an argument: the collector settles it, the future reads it.
//
// Invariant: settled once; after that nothing changes but the lists of waiters, which are empty. Who settles a state,
// its owner, does so from one thread at a time.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <kin/core/deadline.hpp>
#include <kin/core/export.hpp>
#include <kin/os/unique_fd.hpp>
#include <kin/transport/wait.hpp>
#include <kin/wire/copyable.hpp>
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
  [[nodiscard]] bool is_this_thread() const;
  /// True in a forked copy of the process that made it: no thread and no pool exist there.
  [[nodiscard]] bool forked_copy() const noexcept;

 private:
  struct state;
  std::shared_ptr<state> state_;
};

/// What a state's owner does for it.
class KIN_EXPORT task_owner : public waited_on {
 public:
  ~task_owner() override;
  /// False when the task has already ended.
  virtual bool cancel_task(class task_state& task) = 0;
  /// Takes a task back that no worker has got yet: it gets cancelled_error. False when it runs or has ended.
  virtual bool withdraw_task(class task_state& task) = 0;
  /// The calling thread begins and ends to wait for a task of this owner: should it be a worker of the same pool, that
  /// needs another one meanwhile. Nests.
  void wait_begins() noexcept override {}
  void wait_ends() noexcept override {}
  /// Waits in the calling thread, which may do something for the task meanwhile. False: not settled in time.
  virtual bool wait_for(class task_state& task, deadline until);
  /// Somebody is to be told when this task ends who does not wait in wait_for().
  virtual void watch(class task_state&) {}
  /// Somebody asks whether a task has ended: looks, if nobody else does.
  virtual void refresh() {}
};

/// What the states of one owner have in common.
struct task_home {
  std::shared_ptr<callback_runner> runner;
  std::weak_ptr<task_owner> owner;  ///< set before the first state is made
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
  explicit task_state(std::shared_ptr<const task_home> home) noexcept : home_(std::move(home)) {}
  task_state(const task_state&) = delete;
  task_state& operator=(const task_state&) = delete;
  virtual ~task_state();

  /// The owner, for who waits for this by its descriptor: null where none helps.
  [[nodiscard]] std::shared_ptr<waited_on> waited_on_owner() const;
  /// Throws closed_error in a forked copy of the process whose task it is, unless it was settled before.
  bool wait(deadline until);
  /// The same, for owners: just sleeps.
  bool sleep(deadline until);
  [[nodiscard]] bool ready() const noexcept { return (word_.load(std::memory_order_acquire) & settled) != 0; }
  [[nodiscard]] bool failed() const noexcept {
    return (word_.load(std::memory_order_acquire) & (settled | with_failure)) == (settled | with_failure);
  }
  /// ready(), after its owner has looked.
  [[nodiscard]] bool look() const;
  /// An eventfd that becomes and stays readable when settled. Throws closed_error in a forked copy, unless it was.
  int native_handle();
  /// Throws closed_error in a forked copy of the process whose task it is: "a forked copy cannot " `to`.
  void require_no_copy(const char* to) const;
  /// Runs `callback` on the callback thread once settled, at once when it is. Throws closed_error in a forked copy.
  void when_settled(std::function<void()> callback);
  /// Runs `hook` once settled, in the thread that settles it, or here and now: for short things that do not throw.
  void on_settle(std::function<void()> hook);
  /// The same for a hook that its owner does not know of: it may run late, when nobody waits for anything.
  void on_settle_quietly(std::function<void()> hook);

  /// What the request's handles need while it may be decoded. Before it is submitted.
  void keep_until_settled(passengers carried) { carried_ = std::make_unique<passengers>(std::move(carried)); }

  /// First come, first served; later ones are dropped. False when it was settled before.
  bool settle(parcel outcome, std::string worker);
  bool settle(std::exception_ptr failure);
  /// With a value, which refers to no descriptors: the outcome as it came.
  bool settle_value(std::span<const std::byte> outcome);

  [[nodiscard]] std::shared_ptr<task_owner> owner() const noexcept { return home_->owner.lock(); }
  bool cancel();
  bool withdraw();
  /// Settled without an outcome of its own: decode() is overridden. False when it was settled before.
  bool settle_joined(joined_outcome outcome);
  [[nodiscard]] const std::shared_ptr<callback_runner>& callbacks() const noexcept { return home_->runner; }

  void* place = nullptr;          ///< for the owner, under its lock: where the task is
  bool watched_by_owner = false;  ///< the same: see task_owner::watch()

 protected:
  /// For the decoder: call once, after it is settled.
  struct result {
    parcel outcome;
    std::exception_ptr failure;
    std::string worker;
  };
  result take_result();
  /// False: a small value, which is nowhere else.
  [[nodiscard]] bool has_result() const noexcept { return large_ != nullptr; }
  [[nodiscard]] parcel small_outcome() const;
  /// The outcome, decoded: throws the exception, or decode_error. Once.
  template <class R>
  R take_value() {
    if (large_ == nullptr) return decode_value<R>({small_.data(), small_size_});
    result its = take_result();
    if (its.failure) std::rethrow_exception(its.failure);
    return decode_outcome<R>(std::move(its.outcome), its.worker);
  }

 private:
  // Who waits for it other than by looking at the word. Made by the first of them.
  struct watchers;
  static constexpr std::uint32_t settled = 1, with_failure = 2, watched = 4;
  // A value of so many bytes needs no memory of its own.
  static constexpr std::size_t most_small = 20;

  bool finish(std::unique_ptr<result> large, bool failed);
  bool publish(bool failed);
  [[nodiscard]] watchers& watching();
  template <class Add>
  bool unless_settled(Add add);
  void tell_owner();

  std::atomic<std::uint32_t> word_{0};
  std::uint8_t small_size_ = 0;
  std::array<std::byte, most_small> small_;  // the value, without the head of the outcome, if large_ is null
  std::unique_ptr<result> large_;
  std::unique_ptr<passengers> carried_;  // few have some
  std::atomic<watchers*> watchers_{nullptr};
  std::shared_ptr<const task_home> home_;
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
    if (decoded_.load(std::memory_order_acquire) != progress::done) decode_or_wait();
    if (its_.index() == failure_index) std::rethrow_exception(std::get<failure_index>(its_));
    return std::get<value_index>(its_);
  }
  /// Whether value() does not throw. Settled by now.
  [[nodiscard]] bool has_value() {
    if (failed()) return false;
    if (decoded_.load(std::memory_order_acquire) != progress::done) decode_or_wait();
    return its_.index() == value_index;
  }
  /// value() for one who takes it along. Callbacks see it first: a copy is taken as long as there are some to come, and
  /// what kin does not know how to copy when they have been.
  value_type take() {
    value_type& its = value();
    if (readers_.load(std::memory_order_acquire) != 0) [[unlikely]] {
      if constexpr (is_surely_copyable<value_type>)
        return std::as_const(its);
      else
        wait_for_readers();
    }
    return std::move(its);
  }
  /// Of a callback that is to see the value: as long as it lives, nobody takes that away.
  class reading {
   public:
    explicit reading(std::shared_ptr<result_state> of) noexcept : of_(std::move(of)) { ++of_->readers_; }
    reading(const reading&) = delete;
    reading& operator=(const reading&) = delete;
    ~reading() {
      // release: what it has read. Pairs with take().
      of_->readers_.fetch_sub(1, std::memory_order_release);
      of_->readers_.notify_all();
    }
    [[nodiscard]] result_state& state() const noexcept { return *of_; }

   private:
    std::shared_ptr<result_state> of_;
  };

 protected:
  virtual value_type decode() = 0;

 private:
  enum class progress : std::uint32_t { none, under_way, done };
  // Not for oneself, nor where no callback runs.
  void wait_for_readers() {
    if (callbacks()->forked_copy() || callbacks()->is_this_thread()) return;
    const waiting_for telling(owner());
    for (auto n = readers_.load(std::memory_order_acquire); n != 0; n = readers_.load(std::memory_order_acquire))
      readers_.wait(n);
  }
  // User code runs in decode(): by waiters of this future only.
  void decode_or_wait() {
    progress now = progress::none;
    if (decoded_.compare_exchange_strong(now, progress::under_way, std::memory_order_acquire)) {
      try {
        its_.template emplace<value_index>(decode());
      } catch (...) {
        its_.template emplace<failure_index>(std::current_exception());
      }
      // release: with the value. Pairs with the loads here and in value().
      decoded_.store(progress::done, std::memory_order_release);
      decoded_.notify_all();
      return;
    }
    for (; now != progress::done; now = decoded_.load(std::memory_order_acquire)) decoded_.wait(now);
  }

  std::atomic<progress> decoded_{progress::none};
  std::atomic<std::uint32_t> readers_{0};
  static constexpr std::size_t value_index = 1, failure_index = 2;
  std::variant<std::monostate, value_type, std::exception_ptr> its_;
};

}  // namespace kin::detail
