// SPDX-License-Identifier: BSL-1.0
// event: a flag that the threads of a family of processes wait for. A handle: a copy names the same event.
#pragma once

#include <chrono>
#include <string_view>

#include <kin/core/deadline.hpp>
#include <kin/memory/object_ref.hpp>
#include <kin/wire/access.hpp>

namespace kin {

class KIN_EXPORT event {
 public:
  using kin_handle = void;

  /// Not set. Throws os_error (no memory).
  event();

  /// Lets everybody go who waits, also those who have not run yet when it is cleared again.
  void set() const;
  void clear() const noexcept;
  [[nodiscard]] bool is_set() const noexcept;
  void wait() const { (void)set_until(deadline::never()); }
  /// False: not set in time.
  template <class Rep, class Period>
  bool wait_for(std::chrono::duration<Rep, Period> time) const {
    return set_until(deadline::after(time));
  }
  template <class Clock, class Duration>
  bool wait_until(std::chrono::time_point<Clock, Duration> when) const {
    return set_until(deadline::at(when));
  }

  friend bool operator==(const event&, const event&) noexcept = default;

 private:
  friend struct codec<event>;
  explicit event(const detail::object_ref& ref) noexcept : ref_(ref) {}
  bool set_until(deadline until) const;
  detail::object_ref ref_;
};

template <>
struct KIN_EXPORT codec<event> {
  static constexpr bool has_descriptors = false;
  static constexpr std::string_view structure = "event";
  static void encode(writer& to, const event& value);
  static event decode(reader& from);
};

}  // namespace kin
