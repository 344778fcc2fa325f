// SPDX-License-Identifier: BSL-1.0
// counting_semaphore, bounded_semaphore: permits shared by a family of processes. Handles: a copy names the same one.
#pragma once

#include <chrono>
#include <cstddef>
#include <limits>
#include <string_view>

#include <kin/core/count.hpp>
#include <kin/core/deadline.hpp>
#include <kin/core/error.hpp>
#include <kin/memory/object_ref.hpp>
#include <kin/wire/access.hpp>

namespace kin {

/// Permits without owners: whoever likes may release, and what a dead process had acquired does not come back.
class KIN_EXPORT counting_semaphore {
 public:
  using kin_handle = void;

  /// Throws os_error (no memory).
  explicit counting_semaphore(count permits);
  static constexpr std::size_t max() noexcept { return std::numeric_limits<std::size_t>::max() / 2; }

  /// Waits for a permit and takes it.
  void acquire() const { (void)acquire_until(deadline::never()); }
  [[nodiscard]] bool try_acquire() const;
  template <class Rep, class Period>
  [[nodiscard]] bool try_acquire_for(std::chrono::duration<Rep, Period> time) const {
    return acquire_until(deadline::after(time));
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_acquire_until(std::chrono::time_point<Clock, Duration> when) const {
    return acquire_until(deadline::at(when));
  }
  /// Throws std::logic_error when there would be more than max().
  void release(count permits = 1) const;
  /// Permits that are there now.
  [[nodiscard]] std::size_t value() const noexcept;

  friend bool operator==(const counting_semaphore&, const counting_semaphore&) noexcept = default;

 private:
  friend struct codec<counting_semaphore>;
  explicit counting_semaphore(const detail::object_ref& ref) noexcept : ref_(ref) {}
  [[nodiscard]] bool acquire_until(deadline until) const;
  detail::object_ref ref_;
};

template <>
struct KIN_EXPORT codec<counting_semaphore> {
  static constexpr bool has_descriptors = false;
  static constexpr std::string_view structure = "counting_semaphore";
  static void encode(writer& to, const counting_semaphore& value);
  static counting_semaphore decode(reader& from);
};

/// As many permits as it was made with, never more; each knows who has acquired it, so that those of a dead process
/// come back. A release by somebody else gives back one of the others'.
class KIN_EXPORT bounded_semaphore {
 public:
  using kin_handle = void;

  /// At most most_permits. Throws os_error (no memory), std::out_of_range.
  explicit bounded_semaphore(count permits);
  static constexpr std::size_t most_permits = 65'536;
  [[nodiscard]] static constexpr std::size_t max() noexcept { return most_permits; }

  void acquire() const { (void)acquire_until(deadline::never()); }
  [[nodiscard]] bool try_acquire() const;
  template <class Rep, class Period>
  [[nodiscard]] bool try_acquire_for(std::chrono::duration<Rep, Period> time) const {
    return acquire_until(deadline::after(time));
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_acquire_until(std::chrono::time_point<Clock, Duration> when) const {
    return acquire_until(deadline::at(when));
  }
  /// Throws std::logic_error, giving nothing back, when fewer are out; if it is others that give them back at the same
  /// time, what it has given back by then stays so.
  void release(count permits = 1) const;
  [[nodiscard]] std::size_t value() const noexcept;

  friend bool operator==(const bounded_semaphore&, const bounded_semaphore&) noexcept = default;

 private:
  friend struct codec<bounded_semaphore>;
  explicit bounded_semaphore(const detail::object_ref& ref) noexcept : ref_(ref) {}
  [[nodiscard]] bool acquire_until(deadline until) const;
  detail::object_ref ref_;
};

template <>
struct KIN_EXPORT codec<bounded_semaphore> {
  static constexpr bool has_descriptors = false;
  static constexpr std::string_view structure = "bounded_semaphore";
  static void encode(writer& to, const bounded_semaphore& value);
  static bounded_semaphore decode(reader& from);
};

}  // namespace kin
