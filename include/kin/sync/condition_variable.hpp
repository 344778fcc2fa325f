// SPDX-License-Identifier: BSL-1.0
// condition_variable: std::condition_variable for the threads of a family of processes, with kin::mutex. A handle.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string_view>

#include <kin/core/deadline.hpp>
#include <kin/memory/object_ref.hpp>
#include <kin/sync/mutex.hpp>
#include <kin/wire/access.hpp>

namespace kin {

/// Waiters that die are not counted: a notification is never lost to them. As in the standard, a wait may return for no
/// reason. All waits release the lock and take it again; when its holder has died meanwhile they throw owner_died, and
/// the lock is not held.
class KIN_EXPORT condition_variable {
 public:
  using kin_handle = void;

  condition_variable();

  void notify_one() const;
  void notify_all() const;

  void wait(std::unique_lock<mutex>& lock) const { (void)wait_notified(lock, deadline::never()); }
  template <class Predicate>
  void wait(std::unique_lock<mutex>& lock, Predicate satisfied) const {
    while (!satisfied()) wait(lock);
  }
  template <class Rep, class Period>
  std::cv_status wait_for(std::unique_lock<mutex>& lock, std::chrono::duration<Rep, Period> time) const {
    return status(wait_notified(lock, deadline::after(time)));
  }
  template <class Rep, class Period, class Predicate>
  bool wait_for(std::unique_lock<mutex>& lock, std::chrono::duration<Rep, Period> time, Predicate satisfied) const {
    return wait_satisfied(lock, deadline::after(time), satisfied);
  }
  template <class Clock, class Duration>
  std::cv_status wait_until(std::unique_lock<mutex>& lock, std::chrono::time_point<Clock, Duration> when) const {
    return status(wait_notified(lock, deadline::at(when)));
  }
  template <class Clock, class Duration, class Predicate>
  bool wait_until(std::unique_lock<mutex>& lock, std::chrono::time_point<Clock, Duration> when,
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
  template <class Predicate>
  bool wait_satisfied(std::unique_lock<mutex>& lock, deadline until, Predicate& satisfied) const {
    while (!satisfied())
      if (!wait_notified(lock, until)) return satisfied();
    return true;
  }
  bool wait_notified(std::unique_lock<mutex>& lock, deadline until) const;
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
