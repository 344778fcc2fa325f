// SPDX-License-Identifier: BSL-1.0
// process: runs a callable in another process, like std::jthread runs it in another thread.
#pragma once

#include <chrono>
#include <concepts>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include <kin/core/deadline.hpp>
#include <kin/core/export.hpp>
#include <kin/process/child.hpp>
#include <kin/process/exit_status.hpp>
#include <kin/process/init.hpp>
#include <kin/process/process_options.hpp>
#include <kin/process/start_method.hpp>
#include <kin/wire/call.hpp>
#include <kin/wire/callable.hpp>

namespace kin {

/// A child process that runs one callable from construction on. Move-only. All methods may be called by any thread.
///
/// The callable's return value is ignored. An exception it does not catch is printed to stderr as `Process NAME:` with
/// type and what(); the child then exits with 1 and join() does not throw. The child dies when this process dies.
/// The destructor joins; a daemon is terminated first; while an exception unwinds the stack every process is
/// terminated, and killed after 2 s, so that an exception never hangs. After start::fork in a copy of this process,
/// the copy's object refers to nobody.
class KIN_EXPORT process {
 public:
  /// No process; every method but the observers of emptiness throws closed_error.
  process() noexcept = default;

  /// Starts f(args...) in a fresh image of this program (start::spawn). Arguments are copied or moved like
  /// std::thread's, and cross by value. Throws start_error (init() missing, set-uid program), encode_error, os_error.
  template <class F, class... Args>
    requires(!std::same_as<std::remove_cvref_t<F>, process> && !std::same_as<std::remove_cvref_t<F>, process_options> &&
             !std::same_as<std::remove_cvref_t<F>, start::spawn_t> &&
             !std::same_as<std::remove_cvref_t<F>, start::forkserver_t> &&
             !std::same_as<std::remove_cvref_t<F>, start::fork_t>)
  explicit process(F&& f, Args&&... args)
      : process(process_options{}, std::forward<F>(f), std::forward<Args>(args)...) {}

  template <class F, class... Args>
  process(start::spawn_t, F&& f, Args&&... args)
      : process(process_options{}, std::forward<F>(f), std::forward<Args>(args)...) {}

  template <class F, class... Args>
  process(start::spawn_t, process_options options, F&& f, Args&&... args)
      : process((options.start = start::spawn, std::move(options)), std::forward<F>(f), std::forward<Args>(args)...) {}

  /// By a copy of the server process's fresh image (start::forkserver).
  template <class F, class... Args>
  process(start::forkserver_t, F&& f, Args&&... args)
      : process(start::forkserver, process_options{}, std::forward<F>(f), std::forward<Args>(args)...) {}
  template <class F, class... Args>
  process(start::forkserver_t, process_options options, F&& f, Args&&... args)
      : process((options.start = start::forkserver, std::move(options)), std::forward<F>(f),
                std::forward<Args>(args)...) {}

  /// The same with a name, redirections, limits …: `kin::process p({.name = "p2", .daemon = true}, greet, "p2");`
  template <class F, class... Args>
  process(const process_options& options, F&& f, Args&&... args) {
    detail::check_callable<F, Args...>();
    detail::require_init();
    if constexpr (sizeof...(Args) == 0) {
      detail::parcel call = detail::encode_call_as(detail::delivery::once, f);
      start(options, std::move(call));
    } else if constexpr (detail::can_call<F, Args...>) {  // else it is refused above, and that is the only error
      // Held here as values, so that what was moved in is given up by the end of this constructor.
      const std::tuple<stored_t<Args>...> held(std::forward<Args>(args)...);
      detail::parcel call =
          std::apply([&](const auto&... a) { return detail::encode_call_as(detail::delivery::once, f, a...); }, held);
      start(options, std::move(call));
    }
  }

  /// A copy of this process, made in the calling thread: any closure works, arguments need no codec; those that are
  /// moved in are the child's alone afterwards. Throws start_error while threads that kin did not start exist.
  template <class F, class... Args>
  process(start::fork_t, F&& f, Args&&... args)
      : process(start::fork, process_options{}, std::forward<F>(f), std::forward<Args>(args)...) {}
  template <class F, class... Args>
  process(start::fork_t, process_options options, F&& f, Args&&... args) {
    static_assert(std::is_invocable_v<F, Args...>, "kin: the callable cannot be called with these arguments");
    options.start = start::fork;
    // Held here, so that what was moved in (a connection's end, say) is gone from this process by the end of this.
    std::tuple<forked_t<F>, forked_t<Args>...> held(std::forward<F>(f), std::forward<Args>(args)...);
    child_ = detail::fork_child(options, detail::child_role::process, [&] {
      std::apply([](auto&&... each) { std::invoke(std::forward<decltype(each)>(each)...); }, std::move(held));
    });
    note_unwinding();
  }

  process(process&& other) noexcept : child_(std::move(other.child_)), unwinding_(other.unwinding_) {
    note_unwinding();
  }
  process& operator=(process&& other) noexcept {
    if (this != &other) {
      finish();
      child_ = std::move(other.child_);
      unwinding_ = other.unwinding_;
      note_unwinding();
    }
    return *this;
  }
  ~process() { finish(); }

  [[nodiscard]] int pid() const { return get().pid(); }
  [[nodiscard]] const std::string& name() const { return get().name(); }
  [[nodiscard]] bool daemon() const { return get().daemon(); }
  [[nodiscard]] bool is_alive() const { return !get().join(deadline::now()); }
  /// Waits until it has ended. May be called again, and by several threads.
  void join() { get().join(deadline::never()); }
  /// The same, at most `timeout`; true when it has ended.
  template <class Rep, class Period>
  bool join_for(std::chrono::duration<Rep, Period> timeout) {
    return get().join(deadline::after(timeout));
  }
  template <class Clock, class Duration>
  bool join_until(std::chrono::time_point<Clock, Duration> when) {
    return get().join(deadline::at(when));
  }
  [[nodiscard]] bool joinable() const noexcept { return child_ != nullptr; }

  /// How it ended; empty while it runs.
  [[nodiscard]] std::optional<kin::exit_status> exit_status() const { return get().status(); }
  /// Python's convention: the exit code, or minus the signal; empty while it runs or when the status is unknown.
  [[nodiscard]] std::optional<int> exitcode() const;

  /// SIGTERM, SIGKILL, SIGINT. False when it had already ended.
  bool terminate();
  bool kill();
  bool interrupt();

  /// A pidfd: polls readable once the process has ended. Not to be closed by the caller.
  [[nodiscard]] int native_handle() const { return get().pidfd(); }

 private:
  // What a copy of this process is called with, as it was given: by reference where it is the caller's, or cannot move.
  template <class A>
  using forked_t = std::conditional_t<std::is_lvalue_reference_v<A> || std::is_move_constructible_v<A>, A, A&&>;

  detail::child& get() const;
  void start(const process_options& options, detail::parcel call);
  void note_unwinding() noexcept;
  void finish() noexcept;

  std::shared_ptr<detail::child> child_;
  // Exceptions in flight when it was made or moved, the fewest: more of them at the end means that the stack unwinds.
  int unwinding_ = std::numeric_limits<int>::max();
};

}  // namespace kin
