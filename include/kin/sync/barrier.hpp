// SPDX-License-Identifier: BSL-1.0
// barrier: where a number of parties (threads of a family of processes) wait for each other. A handle.
//
// The members of std::barrier but its completion function, and those of Python's Barrier. Breaks for those who wait,
// and for those of the same group who come later, when a process that has arrived at it dies with a handle to it; a
// process that destroys its last handle has left in peace. Stays broken until reset().
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include <kin/core/count.hpp>
#include <kin/core/deadline.hpp>
#include <kin/core/error.hpp>
#include <kin/memory/object_ref.hpp>
#include <kin/wire/access.hpp>

namespace kin {

class KIN_EXPORT barrier {
 public:
  using kin_handle = void;

  /// For 1 to most_parties parties. Throws std::out_of_range, os_error (no memory).
  explicit barrier(count parties);
  static constexpr std::size_t most_parties = 65'536;

  [[nodiscard]] static constexpr std::size_t max() noexcept { return most_parties; }

  /// Waits until all parties have arrived. Throws broken_barrier.
  void arrive_and_wait() const { (void)wait(); }
  /// The same; returns a number from 0 to parties() - 1, another to each party of a round.
  std::size_t wait() const { return meet(deadline::never()); }
  /// The same; breaks the barrier when the others have not come in time, as in Python.
  template <class Rep, class Period>
  std::size_t wait_for(std::chrono::duration<Rep, Period> time) const {
    return meet(deadline::after(time));
  }
  template <class Clock, class Duration>
  std::size_t wait_until(std::chrono::time_point<Clock, Duration> when) const {
    return meet(deadline::at(when));
  }

  /// Which round was arrived at. Of this barrier alone. Move-only.
  class arrival_token {
   public:
    arrival_token(arrival_token&& other) noexcept : state_(std::exchange(other.state_, 0)) {}
    arrival_token& operator=(arrival_token&& other) noexcept {
      state_ = std::exchange(other.state_, 0);
      return *this;
    }

   private:
    friend class barrier;
    explicit arrival_token(std::uint64_t state) noexcept : state_(state) {}
    std::uint64_t state_;
  };
  /// Arrives for `parties` of them without waiting. Throws broken_barrier; std::invalid_argument for none of them, or
  /// more than are still to come.
  [[nodiscard]] arrival_token arrive(count parties = 1) const;
  /// Waits until all have arrived at that round. Throws broken_barrier.
  void wait(arrival_token&& arrival) const;
  /// One party fewer from this round on: nobody waits for it. reset() does not bring it back. Throws broken_barrier,
  /// and drops nobody.
  void arrive_and_drop() const;

  /// Breaks it: everybody who waits or comes gets broken_barrier.
  void abort() const;
  /// Makes it as new; those who wait get broken_barrier.
  void reset() const;

  /// That are to arrive.
  [[nodiscard]] std::size_t parties() const noexcept;
  [[nodiscard]] std::size_t waiting() const noexcept;
  [[nodiscard]] bool broken() const noexcept;

  friend bool operator==(const barrier&, const barrier&) noexcept = default;

 private:
  friend struct codec<barrier>;
  explicit barrier(const detail::object_ref& ref) noexcept;
  std::size_t meet(deadline until) const;
  void await(std::uint64_t arrived_at, deadline until) const;
  detail::object_ref ref_;
};

template <>
struct KIN_EXPORT codec<barrier> {
  static constexpr bool has_descriptors = false;
  static constexpr std::string_view structure = "barrier";
  static void encode(writer& to, const barrier& value);
  static barrier decode(reader& from);
};

}  // namespace kin
