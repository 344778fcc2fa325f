// SPDX-License-Identifier: BSL-1.0
// mutex: exclusion between the threads of all processes of a family. A handle: a copy names the same mutex; hand it to
// processes, tasks and queues like any value.
//
// When a thread's process dies holding it, the mutex is abandoned: what it guards may be half done. Every waiting and
// later lock throws owner_died, *not* holding, until somebody has recovered the state.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string_view>

#include <kin/core/deadline.hpp>
#include <kin/core/error.hpp>
#include <kin/memory/object_ref.hpp>
#include <kin/wire/access.hpp>

namespace kin {

class KIN_EXPORT mutex {
 public:
  using kin_handle = void;

  /// A new mutex, not locked. Throws os_error (no memory).
  mutex();

  /// Waits until it is free. Throws owner_died; std::system_error (resource_deadlock_would_occur) when this thread
  /// holds it already.
  void lock() const;
  /// False: somebody holds it. Throws owner_died.
  [[nodiscard]] bool try_lock() const;
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(std::chrono::duration<Rep, Period> time) const {
    return lock_until(deadline::after(time));
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_until(std::chrono::time_point<Clock, Duration> when) const {
    return lock_until(deadline::at(when));
  }
  /// Throws std::system_error (operation_not_permitted) when this thread does not hold it.
  void unlock() const;

  /// Holds the mutex, accepting whatever a dead holder has left: repair it before you unlock. The only way to make an
  /// abandoned mutex usable again; of several only one finds it abandoned. On one that is not, simply locks it.
  [[nodiscard]] std::unique_lock<mutex> recover() const&;
  std::unique_lock<mutex> recover() const&& = delete;  // it would outlive this handle

  friend bool operator==(const mutex&, const mutex&) noexcept = default;

 private:
  friend struct codec<mutex>;
  explicit mutex(const detail::object_ref& ref) noexcept : ref_(ref) {}
  [[nodiscard]] bool lock_until(deadline until) const;
  detail::object_ref ref_;
};

template <>
struct KIN_EXPORT codec<mutex> {
  static constexpr bool has_descriptors = false;
  static constexpr std::string_view structure = "mutex";
  static void encode(writer& to, const mutex& value);
  static mutex decode(reader& from);
};

/// A mutex that the thread which holds it may lock again; it is free after as many unlocks. Deaths as with mutex.
class KIN_EXPORT recursive_mutex {
 public:
  using kin_handle = void;

  recursive_mutex();
  void lock() const;
  [[nodiscard]] bool try_lock() const;
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(std::chrono::duration<Rep, Period> time) const {
    return lock_until(deadline::after(time));
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_until(std::chrono::time_point<Clock, Duration> when) const {
    return lock_until(deadline::at(when));
  }
  /// Throws std::system_error (operation_not_permitted) when this thread does not hold it.
  void unlock() const;
  [[nodiscard]] std::unique_lock<recursive_mutex> recover() const&;
  std::unique_lock<recursive_mutex> recover() const&& = delete;  // it would outlive this handle

  friend bool operator==(const recursive_mutex&, const recursive_mutex&) noexcept = default;

 private:
  friend struct codec<recursive_mutex>;
  explicit recursive_mutex(const detail::object_ref& ref) noexcept : ref_(ref) {}
  [[nodiscard]] bool lock_until(deadline until) const;
  detail::object_ref ref_;
};

template <>
struct KIN_EXPORT codec<recursive_mutex> {
  static constexpr bool has_descriptors = false;
  static constexpr std::string_view structure = "recursive_mutex";
  static void encode(writer& to, const recursive_mutex& value);
  static recursive_mutex decode(reader& from);
};

}  // namespace kin
