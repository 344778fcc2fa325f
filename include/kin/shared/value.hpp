// SPDX-License-Identifier: BSL-1.0
// value: one T in shared memory. A handle: a copy names the same T; hand it to processes, tasks and queues like any
// value. Numbers and enums are atomic; any other T has a lock.
#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <mutex>
#include <span>
#include <type_traits>

#include <kin/core/deadline.hpp>
#include <kin/core/error.hpp>
#include <kin/shared/shareable.hpp>
#include <kin/shared/shared_object.hpp>
#include <kin/wire/access.hpp>

namespace kin {

namespace detail {
template <class T>
concept atomic_scalar = (std::is_arithmetic_v<T> || std::is_enum_v<T>)&&std::atomic_ref<T>::is_always_lock_free;
template <class T>
concept counting_scalar = std::is_arithmetic_v<T> && !std::same_as<T, bool>;
template <class T>
concept bits_scalar = std::integral<T> && !std::same_as<T, bool>;
}  // namespace detail

/// A T that is no single number: Lockable, and its members are used under the lock:
///     { std::scoped_lock hold(acc); acc->total += 5; }
/// When a process dies holding the lock the value is abandoned, as a mutex is: what it holds may be half written. Every
/// waiting and later lock throws owner_died, *not* holding, until somebody has recovered it.
template <class T>
class value {
 public:
  using kin_handle = void;
  using value_type = T;

  /// A new one. Throws os_error (no memory).
  value() : value(T{}) {}
  explicit value(const T& initial) : object_(detail::make_guarded_value(std::as_bytes(std::span(&initial, 1)))) {
    detail::check_shareable<T>();
    static_assert(sizeof(T) <= detail::most_guarded_bytes,
                  "kin: a value of more than a mebibyte; use kin::array<T>(1)");
    static_assert(alignof(T) <= 64);
  }

  /// As kin::mutex.
  void lock() const { detail::lock_guarded(object_.ref); }
  [[nodiscard]] bool try_lock() const { return detail::try_lock_guarded(object_.ref); }
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(std::chrono::duration<Rep, Period> time) const {
    return detail::lock_guarded(object_.ref, deadline::after(time));
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_until(std::chrono::time_point<Clock, Duration> when) const {
    return detail::lock_guarded(object_.ref, deadline::at(when));
  }
  void unlock() const { detail::unlock_guarded(object_.ref); }
  /// Holds the lock, accepting whatever a dead holder has left: repair it before you unlock.
  [[nodiscard]] std::unique_lock<value> recover() const& {
    detail::recover_guarded(object_.ref);
    return {const_cast<value&>(*this), std::adopt_lock};
  }
  std::unique_lock<value> recover() const&& = delete;  // it would outlive this handle

  /// In shared memory; hold the lock.
  [[nodiscard]] T* operator->() const noexcept { return get(); }
  [[nodiscard]] T& operator*() const noexcept { return *get(); }
  [[nodiscard]] T* get() const noexcept { return std::launder(reinterpret_cast<T*>(object_.data)); }

  /// A copy, and a new content: under the lock, which they take unless this thread has it.
  [[nodiscard]] T load() const {
    return locked([&] { return *get(); });
  }
  operator T() const { return load(); }  // NOLINT(google-explicit-constructor): as std::atomic
  void store(const T& content) const {
    locked([&] { *get() = content; });
  }
  const value& operator=(const T& content) const {
    store(content);
    return *this;
  }

 private:
  friend struct codec<value>;
  explicit value(detail::shared_object object) noexcept : object_(std::move(object)) {}
  template <class F>
  auto locked(F f) const {
    if (detail::is_guarded_by_this_thread(object_.ref)) return f();
    const std::scoped_lock hold(*this);
    return f();
  }
  detail::shared_object object_;
};

/// A number or enum: each operation is atomic, in all processes. Its members are std::atomic's.
template <detail::atomic_scalar T>
class value<T> {
 public:
  using kin_handle = void;
  using value_type = T;
  static constexpr bool is_always_lock_free = true;

  /// A new one. Throws os_error (no memory).
  value() : value(T{}) {}
  explicit value(T initial) : object_(detail::make_value(std::as_bytes(std::span(&initial, 1)))) {}

  /// For what has no member here. Its wait() and notify_one() work within one process alone: use event or
  /// condition_variable.
  [[nodiscard]] std::atomic_ref<T> operator*() const noexcept {
    return std::atomic_ref<T>(*std::launder(reinterpret_cast<T*>(object_.data)));
  }
  [[nodiscard]] T load(std::memory_order order = std::memory_order_seq_cst) const noexcept {
    return (**this).load(order);
  }
  operator T() const noexcept { return load(); }  // NOLINT(google-explicit-constructor): as std::atomic
  void store(T desired, std::memory_order order = std::memory_order_seq_cst) const noexcept {
    (**this).store(desired, order);
  }
  T operator=(T desired) const noexcept {  // NOLINT: as std::atomic
    store(desired);
    return desired;
  }
  T exchange(T desired, std::memory_order order = std::memory_order_seq_cst) const noexcept {
    return (**this).exchange(desired, order);
  }
  bool compare_exchange_strong(T& expected, T desired,
                               std::memory_order order = std::memory_order_seq_cst) const noexcept {
    return (**this).compare_exchange_strong(expected, desired, order);
  }
  bool compare_exchange_weak(T& expected, T desired,
                             std::memory_order order = std::memory_order_seq_cst) const noexcept {
    return (**this).compare_exchange_weak(expected, desired, order);
  }

  T fetch_add(T n, std::memory_order order = std::memory_order_seq_cst) const noexcept
    requires detail::counting_scalar<T>
  {
    return (**this).fetch_add(n, order);
  }
  T fetch_sub(T n, std::memory_order order = std::memory_order_seq_cst) const noexcept
    requires detail::counting_scalar<T>
  {
    return (**this).fetch_sub(n, order);
  }
  T fetch_and(T n, std::memory_order order = std::memory_order_seq_cst) const noexcept
    requires detail::bits_scalar<T>
  {
    return (**this).fetch_and(n, order);
  }
  T fetch_or(T n, std::memory_order order = std::memory_order_seq_cst) const noexcept
    requires detail::bits_scalar<T>
  {
    return (**this).fetch_or(n, order);
  }
  T fetch_xor(T n, std::memory_order order = std::memory_order_seq_cst) const noexcept
    requires detail::bits_scalar<T>
  {
    return (**this).fetch_xor(n, order);
  }
  // What they return is the new value, as with std::atomic.
  T operator+=(T n) const noexcept
    requires detail::counting_scalar<T>
  {
    return static_cast<T>(fetch_add(n) + n);
  }
  T operator-=(T n) const noexcept
    requires detail::counting_scalar<T>
  {
    return static_cast<T>(fetch_sub(n) - n);
  }
  T operator&=(T n) const noexcept
    requires detail::bits_scalar<T>
  {
    return static_cast<T>(fetch_and(n) & n);
  }
  T operator|=(T n) const noexcept
    requires detail::bits_scalar<T>
  {
    return static_cast<T>(fetch_or(n) | n);
  }
  T operator^=(T n) const noexcept
    requires detail::bits_scalar<T>
  {
    return static_cast<T>(fetch_xor(n) ^ n);
  }
  T operator++() const noexcept
    requires detail::bits_scalar<T>
  {
    return static_cast<T>(fetch_add(1) + 1);
  }
  T operator++(int) const noexcept
    requires detail::bits_scalar<T>
  {
    return fetch_add(1);
  }
  T operator--() const noexcept
    requires detail::bits_scalar<T>
  {
    return static_cast<T>(fetch_sub(1) - 1);
  }
  T operator--(int) const noexcept
    requires detail::bits_scalar<T>
  {
    return fetch_sub(1);
  }

 private:
  friend struct codec<value>;
  explicit value(detail::shared_object object) noexcept : object_(std::move(object)) {}
  detail::shared_object object_;
};

template <class T>
struct codec<value<T>> {
  static constexpr bool has_descriptors = false;
  static void encode(writer& to, const value<T>& v) { v.object_.ref.encode(to); }
  static value<T> decode(reader& from) {
    if constexpr (detail::atomic_scalar<T>)
      return value<T>(detail::decode_value(from, sizeof(T)));
    else
      return value<T>(detail::decode_guarded_value(from, sizeof(T)));
  }
  static void describe(structure& s) { detail::describe_shareable<T>(s, "value("); }
};

}  // namespace kin
