// SPDX-License-Identifier: BSL-1.0
// bound: a callable with some of its arguments, which travel with it. What kin::bind returns.
#pragma once

#include <tuple>
#include <type_traits>
#include <utility>

#include <kin/wire/callable.hpp>

namespace kin {

/// Calls f(bound..., more...). Holds copies of its own; is a callable in every sense of kin, nests, and can be called
/// here as well. As an lvalue it may be called again and again and lends its arguments as const (handles as they are);
/// as an rvalue it gives them away. As safe for threads as its members are.
template <class F, class... B>
class bound {
 public:
  template <class G, class... A>
  explicit constexpr bound(std::in_place_t, G&& f, A&&... args)
      : f_(std::forward<G>(f)), args_(std::forward<A>(args)...) {}

  template <class... More>
    requires std::is_invocable_v<const F&, detail::lent_const_t<B>..., More...>
  decltype(auto) operator()(More&&... more) const& {
    return std::apply(
        [&](B&... args) -> decltype(auto) {
          return std::invoke(f_, static_cast<detail::lent_const_t<B>>(args)..., std::forward<More>(more)...);
        },
        args_);
  }
  template <class... More>
    requires detail::callable_once<F, B..., More&&...>
  decltype(auto) operator()(More&&... more) && {
    return std::apply(
        [&](B&... args) -> decltype(auto) { return detail::invoke_once<F, B..., More&&...>(f_, args..., more...); },
        args_);
  }
  [[nodiscard]] constexpr const F& callable() const noexcept { return f_; }

 private:
  friend struct codec<bound>;

  [[no_unique_address]] F f_;
  mutable std::tuple<B...> args_;  // a handle is lent as T&: its methods are const, so a shared bound is not changed
};

namespace detail {
/// The type of the innermost callable, by which a task is named.
template <class F>
struct callee {
  using type = F;
};
template <class F, class... B>
struct callee<bound<F, B...>> : callee<F> {};
}  // namespace detail

/// Binds arguments by value to a callable; string literals, char* and string_view are bound as std::string.
///     auto job = kin::bind([](int n, std::string s, int x) { ... }, n, s);   pool.map(job, numbers);
template <class F, class... A>
[[nodiscard]] constexpr auto bind(F&& f, A&&... args) {
  using callable = std::decay_t<F>;
  detail::check_crossing<callable>();
  (detail::check_argument<A>(), ...);
  if constexpr (detail::crosses<callable> && (detail::argument_crosses<A> && ...))
    return bound<callable, stored_t<A>...>(std::in_place, std::forward<F>(f), std::forward<A>(args)...);
  else
    return callable(std::forward<F>(f));  // refused above, and that is the only error
}

/// The callable comes first, so that a reader of requests finds the function that will run at a fixed place.
template <class F, class... B>
struct codec<bound<F, B...>> {
  static void encode(writer& out, const bound<F, B...>& b) {
    detail::encode_callable(out, b.f_);
    std::apply([&](const B&... args) { (out.put(args), ...); }, b.args_);
  }
  static bound<F, B...> decode(reader& in) {
    auto f = detail::decode_callable<F>(in);
    std::tuple<B...> args{in.take<B>()...};  // braces: in this order
    return std::apply([&f](B&... each) { return bound<F, B...>(std::in_place, std::move(f), std::move(each)...); },
                      args);
  }
};

}  // namespace kin
