// SPDX-License-Identifier: BSL-1.0
// bound_call: any call without further arguments, its type forgotten; for options such as a pool's initializer.
#pragma once

#include <concepts>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <kin/wire/call.hpp>

namespace kin {

/// Holds nothing, or something that other processes can run again and again: a result is thrown away.
/// Implicit from kin::bind(f, args...) and from every callable that takes no arguments; copies share it.
class bound_call {
 public:
  bound_call() noexcept = default;
  template <class F>
    requires(!std::same_as<std::remove_cvref_t<F>, bound_call>)
  bound_call(F&& f)  // NOLINT(google-explicit-constructor): an option is given as the callable itself
      : held_(hold(std::forward<F>(f))) {}

  [[nodiscard]] explicit operator bool() const noexcept { return held_ != nullptr; }

  /// For kin: a fresh request, to be run while this bound_call lives. It must not be empty.
  [[nodiscard]] detail::parcel encode() const { return held_->encode(); }
  /// For texts.
  [[nodiscard]] std::string name() const { return held_ ? held_->name() : std::string(); }

 private:
  struct held {
    virtual ~held() = default;
    [[nodiscard]] virtual detail::parcel encode() const = 0;
    [[nodiscard]] virtual std::string name() const = 0;
  };
  template <class F>
  struct holder final : held {
    template <class G>
    explicit holder(G&& g) : f(std::forward<G>(g)) {}
    [[nodiscard]] detail::parcel encode() const override { return detail::encode_call_as(detail::delivery::lent, f); }
    [[nodiscard]] std::string name() const override { return detail::call_name(f); }
    F f;
  };
  template <class F>
  static std::shared_ptr<const held> hold(F&& f) {
    detail::check_callable<F>();
    if constexpr (detail::can_call<F>)
      return std::make_shared<const holder<std::decay_t<F>>>(std::forward<F>(f));
    else
      return nullptr;
  }
  std::shared_ptr<const held> held_;
};

}  // namespace kin
