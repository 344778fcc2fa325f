// SPDX-License-Identifier: BSL-1.0
// wait: until one of several things is ready: connections, processes, queues, futures, descriptors.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <ranges>
#include <span>
#include <type_traits>
#include <vector>

#include <kin/core/deadline.hpp>
#include <kin/core/export.hpp>

namespace kin {

/// A plain file descriptor as something to wait for; it is not owned.
struct fd {
  explicit constexpr fd(int n) noexcept : number(n) {}
  [[nodiscard]] constexpr int native_handle() const noexcept { return number; }
  int number;
};

namespace detail {
/// Is told that a thread begins and ends to wait: for what that thread, a worker of a pool, may be in the way of.
class KIN_EXPORT waited_on {
 public:
  waited_on() = default;
  waited_on(const waited_on&) = delete;
  waited_on& operator=(const waited_on&) = delete;
  virtual ~waited_on();
  virtual void wait_begins() noexcept {}
  virtual void wait_ends() noexcept {}
};
}  // namespace detail

/// Anything with a native_handle() that polls readable when it is ready: a connection with a message or at end of
/// file, a process that has ended, a queue with an item or closed, a future with its outcome, a readable descriptor.
/// Refers to the object, which must outlive the wait.
class waitable {
 public:
  template <class T>
    requires(!std::same_as<T, waitable> &&
             requires(const T& t) {
               { t.native_handle() } -> std::convertible_to<int>;
             })
  waitable(const T& object)  // NOLINT(google-explicit-constructor): lists of mixed things
      : handle_(object.native_handle()) {
    if constexpr (requires {
                    { object.waited_on() } -> std::convertible_to<std::shared_ptr<detail::waited_on>>;
                  })
      owner_ = object.waited_on();
  }
  [[nodiscard]] int native_handle() const noexcept { return handle_; }
  /// For kin.
  [[nodiscard]] const std::shared_ptr<detail::waited_on>& waited_on() const noexcept { return owner_; }

 private:
  int handle_;
  std::shared_ptr<detail::waited_on> owner_;
};

/// What was ready: `if (ready.contains(a)) …`. Empty when the time ran out.
class ready_set {
 public:
  explicit ready_set(std::vector<int> handles) noexcept : handles_(std::move(handles)) {}
  template <class T>
  [[nodiscard]] bool contains(const T& object) const {
    return has(waitable(object).native_handle());
  }
  [[nodiscard]] bool empty() const noexcept { return handles_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return handles_.size(); }
  explicit operator bool() const noexcept { return !empty(); }

 private:
  [[nodiscard]] bool has(int handle) const noexcept {
    for (const int h : handles_)
      if (h == handle) return true;
    return false;
  }
  std::vector<int> handles_;
};

namespace detail {
KIN_EXPORT ready_set wait_until(std::span<const waitable> things, deadline until);
}

/// Waits until at least one is ready and says which are. Throws closed_error for a closed object, os_error.
/// May be called by any thread; a ready thing may be taken by somebody else before the caller comes to it.
inline ready_set wait(std::span<const waitable> things) { return detail::wait_until(things, deadline::never()); }
inline ready_set wait(std::initializer_list<waitable> things) {
  return detail::wait_until({things.begin(), things.size()}, deadline::never());
}
/// The same, at most `timeout`; an empty set when nothing became ready in time.
template <class Rep, class Period>
ready_set wait(std::span<const waitable> things, std::chrono::duration<Rep, Period> timeout) {
  return detail::wait_until(things, deadline::after(timeout));
}
template <class Rep, class Period>
ready_set wait(std::initializer_list<waitable> things, std::chrono::duration<Rep, Period> timeout) {
  return detail::wait_until({things.begin(), things.size()}, deadline::after(timeout));
}

namespace detail {
/// A container of connections, processes and the like, which outlive the wait; not a queue, which waits as a whole.
template <class Things>
concept waitable_range =
    std::ranges::input_range<Things> && !std::convertible_to<Things, std::span<const waitable>> &&
    !std::convertible_to<Things, waitable> && std::convertible_to<std::ranges::range_reference_t<Things>, waitable> &&
    (std::is_lvalue_reference_v<std::ranges::range_reference_t<Things>> ||
     std::same_as<std::ranges::range_value_t<Things>, waitable> ||
     std::same_as<std::ranges::range_value_t<Things>, fd>);
template <waitable_range Things>
std::vector<waitable> list_of(Things&& things) {
  std::vector<waitable> all;
  for (auto&& each : things) all.emplace_back(each);
  return all;
}
}  // namespace detail

/// The same for a range of them: `kin::wait(connections, 1s)`.
template <detail::waitable_range Things>
ready_set wait(Things&& things) {
  return detail::wait_until(detail::list_of(things), deadline::never());
}
template <detail::waitable_range Things, class Rep, class Period>
ready_set wait(Things&& things, std::chrono::duration<Rep, Period> timeout) {
  return detail::wait_until(detail::list_of(things), deadline::after(timeout));
}

}  // namespace kin
