// SPDX-License-Identifier: BSL-1.0
// future: the result of a task, to come. Station 8 of the journey of an argument.
#pragma once

#include <chrono>
#include <coroutine>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include <kin/core/always_false.hpp>
#include <kin/core/deadline.hpp>
#include <kin/core/error.hpp>
#include <kin/pool/task_state.hpp>
#include <kin/wire/copyable.hpp>
#include <kin/wire/remote.hpp>

namespace kin {

/// Shared handle to a task's outcome: copies refer to the same task. Any thread. Destroying it neither waits nor
/// cancels. The value is decoded in the first thread that asks for it.
template <class T>
class future {
 public:
  future() noexcept = default;
  explicit future(std::shared_ptr<detail::result_state<T>> state) noexcept : state_(std::move(state)) {}

  /// Waits for the value. Throws what the task threw (as its own type, see api.md), worker_lost, task_timeout,
  /// cancelled_error, decode_error. May be repeated.
  std::conditional_t<std::is_void_v<T>, void, std::add_lvalue_reference_t<std::add_const_t<T>>> get() const& {
    state().wait(deadline::never());
    if constexpr (std::is_void_v<T>)
      (void)state().value();
    else
      return state().value();
  }
  /// The same, moving the value out: `T v = pool.apply_async(f).get();`; out of all copies of the future, so that one
  /// of them may do it, and none get() beside or after that. What then() calls sees it all the same: while such a
  /// callback is to come, this is a copy, and where kin does not know how to make one it waits for the callback,
  /// get_for too, which must not need what the caller holds.
  T get() && {
    const auto mine = std::move(state_);
    if (!mine) throw_empty();
    mine->wait(deadline::never());
    if constexpr (std::is_void_v<T>)
      (void)mine->value();
    else
      return mine->take();
  }
  template <class Timeout>
  T get(Timeout&&) const {
    static_assert(detail::always_false<Timeout>,
                  "kin: write get_for(1s), which returns an std::optional, empty when the value has not come in time");
  }
  /// get(), or nothing when the value has not come by then: the task goes on. For void: whether it has ended.
  template <class Rep, class Period>
  auto get_for(std::chrono::duration<Rep, Period> timeout) const& {
    return get_before(*this, deadline::after(timeout));
  }
  /// The same, moving the value out.
  template <class Rep, class Period>
  auto get_for(std::chrono::duration<Rep, Period> timeout) && {
    return get_before(std::move(*this), deadline::after(timeout));
  }
  template <class Clock, class Duration>
  auto get_until(std::chrono::time_point<Clock, Duration> when) const& {
    return get_before(*this, deadline::at(when));
  }
  template <class Clock, class Duration>
  auto get_until(std::chrono::time_point<Clock, Duration> when) && {
    return get_before(std::move(*this), deadline::at(when));
  }
  void wait() const { state().wait(deadline::never()); }
  template <class Rep, class Period>
  bool wait_for(std::chrono::duration<Rep, Period> timeout) const {
    return state().wait(deadline::after(timeout));
  }
  template <class Clock, class Duration>
  bool wait_until(std::chrono::time_point<Clock, Duration> when) const {
    return state().wait(deadline::at(when));
  }
  [[nodiscard]] bool valid() const noexcept { return state_ != nullptr; }
  /// True once the outcome is there, value or failure.
  [[nodiscard]] bool ready() const { return state().look(); }
  /// True when get() does not throw. Throws std::logic_error before the future is ready(), like Python.
  [[nodiscard]] bool successful() const {
    if (!ready()) throw std::logic_error("kin: successful() before the result is ready(); call wait() first");
    return state().has_value();
  }
  /// A task that waits never runs; a running one's worker is killed; false when it has already ended. get() then
  /// throws cancelled_error.
  bool cancel() const { return state().cancel(); }
  /// Polls readable once the outcome is there.
  [[nodiscard]] int native_handle() const { return state().native_handle(); }

  /// Calls f(const T&) (f() for void) in this process, on a callback thread, when the task has succeeded. Its
  /// exceptions are logged and affect nothing else. Returns this future.
  template <class F>
  future then(F f) const {
    static_assert(takes_value<F>, "kin: then(f) calls f(const T&) with the value of this future<T>, f() for void");
    if constexpr (takes_value<F>)
      when_settled([mine = std::make_shared<reading>(shared_state()), f = std::move(f)]() mutable {
        const auto its = std::move(mine);
        if (!its->state().has_value()) return;
        if constexpr (std::is_void_v<T>) {
          std::invoke(f);
        } else {
          std::invoke(f, std::as_const(its->state().value()));
        }
      });
    return *this;
  }
  /// Calls f(std::exception_ptr) or f(const std::exception&), whichever fits, when the task has failed.
  template <class F>
  future on_error(F f) const {
    when_settled([self = state_, f = std::move(f)]() mutable {
      std::exception_ptr failure;
      try {
        (void)self->value();
        return;
      } catch (...) {
        failure = std::current_exception();
      }
      report(f, failure);
    });
    return *this;
  }

  /// Calls f() in this process, on a callback thread, once the outcome is there, whatever it is.
  template <class F>
  future when_ready(F f) const {
    static_assert(std::is_invocable_v<F&>, "kin: when_ready(f) calls f()");
    if constexpr (std::is_invocable_v<F&>)
      when_settled([self = state_, f = std::move(f)]() mutable { std::invoke(f); });
    return *this;
  }

  /// co_await: resumes on the callback thread. Gives a copy of the value, so it may be repeated; moves it out where it
  /// cannot be copied, and out of `co_await std::move(x)` or `co_await pool.apply_async(f)`. With g++ 12 not in the
  /// condition of an `if`, of which that makes code that crashes: into a variable first.
  auto operator co_await() const& { return awaiter<detail::is_copyable<T>>{*this}; }
  auto operator co_await() && { return awaiter<false>{std::move(*this)}; }

  /// For kin.
  [[nodiscard]] std::shared_ptr<detail::waited_on> waited_on() const { return state().waited_on_owner(); }
  [[nodiscard]] const std::shared_ptr<detail::result_state<T>>& shared_state() const {
    (void)state();
    return state_;
  }

 private:
  using reading = typename detail::result_state<T>::reading;
  template <bool Copies>
  struct awaiter {
    future of;
    bool await_ready() const { return of.ready(); }
    void await_suspend(std::coroutine_handle<> h) const {
      const auto mine = of.shared_state();  // this may be gone as soon as the callback can run
      mine->when_settled([h] { h.resume(); });
    }
    T await_resume() const {
      if constexpr (Copies)
        return of.get();
      else
        return future(of).get();
    }
  };
  [[noreturn]] static void throw_empty() {
    throw std::logic_error("kin: this kin::future refers to no task (default-made or moved from)");
  }
  [[nodiscard]] detail::result_state<T>& state() const {
    if (!state_) throw_empty();
    return *state_;
  }
  template <class F>
  static constexpr bool takes_value = [] {
    if constexpr (std::is_void_v<T>)
      return std::is_invocable_v<F&>;
    else
      return std::is_invocable_v<F&, const T&>;
  }();
  // A std::function copies what it holds; a callback may be one that can only be moved.
  template <class Callback>
  void when_settled(Callback callback) const {
    if constexpr (std::is_copy_constructible_v<Callback>)
      state().when_settled(std::move(callback));
    else
      state().when_settled([held = std::make_shared<Callback>(std::move(callback))] { (*held)(); });
  }
  template <class Self>
  static auto get_before(Self&& self, deadline until) {
    const bool ended = self.state().wait(until);
    if constexpr (std::is_void_v<T>) {
      if (ended) std::forward<Self>(self).get();
      return ended;
    } else {
      static_assert(!std::is_lvalue_reference_v<Self> || detail::is_copyable<T>,
                    "kin: this result cannot be copied, only moved; write  std::move(future).get_for(timeout)");
      std::optional<T> value;
      if (ended) value.emplace(std::forward<Self>(self).get());
      return value;
    }
  }
  template <class F>
  static void report(F& f, const std::exception_ptr& failure) {
    if constexpr (std::is_invocable_v<F&, const std::exception&>) {
      try {
        std::rethrow_exception(failure);
      } catch (const std::exception& e) {
        std::invoke(f, e);
      } catch (...) {
        std::invoke(f, static_cast<const std::exception&>(detail::as_remote_error(failure)));
      }
    } else if constexpr (std::is_invocable_v<F&, std::exception_ptr>) {
      std::invoke(f, failure);
    } else {
      static_assert(std::is_invocable_v<F&>,
                    "kin: on_error takes f(const std::exception&), f(std::exception_ptr) or f()");
      std::invoke(f);
    }
  }

  std::shared_ptr<detail::result_state<T>> state_;
};

}  // namespace kin
