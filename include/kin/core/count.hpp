// SPDX-License-Identifier: BSL-1.0
// count: a number of things in an options aggregate. Any integral type converts to it; a negative number throws.
#pragma once

#include <concepts>
#include <cstddef>
#include <stdexcept>
#include <utility>

namespace kin {

/// How many. Implicit from any integral type, so that `{.workers = 4}` and `{.workers = n}` both work
/// whatever the type of n. Throws std::out_of_range for a negative number.
class count {
 public:
  constexpr count() noexcept = default;
  template <std::integral Integer>
    requires(!std::same_as<std::remove_cv_t<Integer>, bool>)
  constexpr count(Integer n) : value_(checked(n)) {}  // NOLINT(google-explicit-constructor): a count is a number
  constexpr operator std::size_t() const noexcept { return value_; }  // NOLINT(google-explicit-constructor)

 private:
  template <class Integer>
  static constexpr std::size_t checked(Integer n) {
    if (n < Integer{}) throw std::out_of_range("kin: a count cannot be negative");
    return static_cast<std::size_t>(n);
  }
  std::size_t value_ = 0;
};

}  // namespace kin
