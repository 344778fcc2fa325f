// SPDX-License-Identifier: BSL-1.0
// condition_variable: std::condition_variable for the threads of a family of processes, with kin::mutex. A handle.
#pragma once

#include <chrono>
#include <concepts>
#include <condition_variable>
#include <mutex>
#include <string_view>
#include <type_traits>

#include <kin/core/deadline.hpp>
#include <kin/memory/object_ref.hpp>
#include <kin/sync/mutex.hpp>
#include <kin/wire/access.hpp>

namespace kin {

namespace detail {
/// The mutex of a lock to wait with: a const one is as good, because a handle is not what it names.
template <class Mutex>
concept kin_mutex = std::same_as<std::remove_const_t<Mutex>, mutex>;
}  // namespace detail

/// Waiters that die are not counted: a notification is never lost to them. As in the standard, a wait may return for no
/// reason. All waits release the lock and take it again; when its holder has died meanwhile they throw owner_died, and
/// the lock is not held.
class KIN_EXPORT condition_variable {
 public:
  using kin_handle = void;

  condition_variable();

  void notify_one() const;
  void notify_all() const;

  template <detail::kin_mutex Mutex>
  void wait(std::unique_lock<Mutex>& lock) const {
    (void)wait_notified(lock, deadline::never());
  }
  template <detail::kin_mutex Mutex, class Predicate>
  void wait(std::unique_lock<Mutex>& lock, Predicate satisfied) const {
    while (!satisfied()) wait(lock);
  }
  template <detail::kin_mutex Mutex, class Rep, class Period>
  std::cv_status wait_for(std::unique_lock<Mutex>& lock, std::chrono::duration<Rep, Period> time) const {
    return status(wait_notified(lock, deadline::after(time)));
  }
  template <detail::kin_mutex Mutex, class Rep, class Period, class Predicate>
  bool wait_for(std::unique_lock<Mutex>& lock, std::chrono::duration<Rep, Period> time, Predicate satisfied) const {
    return wait_satisfied(lock, deadline::after(time), satisfied);
  }
  template <detail::kin_mutex Mutex, class Clock, class Duration>
  std::cv_status wait_until(std::unique_lock<Mutex>& lock, std::chrono::time_point<Clock, Duration> when) const {
    return status(wait_notified(lock, deadline::at(when)));
  }
  template <detail::kin_mutex Mutex, class Clock, class Duration, class Predicate>
  bool wait_until(std::unique_lock<Mutex>& lock, std::chrono::time_point<Clock, Duration> when,
                  Predicate satisfied) const {
    return wait_satisfied(lock, deadline::at(when), satisfied);
  }

  friend bool operator==(const condition_variable&, const condition_variable&) noexcept = default;

 private:
  friend struct codec<condition_variable>;
  explicit condition_variable(const detail::object_ref& ref) noexcept : ref_(ref) {}
  static std::cv_status status(bool notified) noexcept {
    return notified ? std::cv_status::no_timeout : std::cv_status::timeout;
  }
  template <class Mutex, class Predicate>
  bool wait_satisfied(std::unique_lock<Mutex>& lock, deadline until, Predicate& satisfied) const {
    while (!satisfied())
      if (!wait_notified(lock, until)) return satisfied();
    return true;
  }
  template <class Mutex>
  bool wait_notified(std::unique_lock<Mutex>& lock, deadline until) const;
  detail::object_ref ref_;
};

template <>
struct KIN_EXPORT codec<condition_variable> {
  static constexpr bool has_descriptors = false;
  static constexpr std::string_view structure = "condition_variable";
  static void encode(writer& to, const condition_variable& value);
  static condition_variable decode(reader& from);
};

}  // namespace kin
