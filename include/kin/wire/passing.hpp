// SPDX-License-Identifier: BSL-1.0
// passing: how arguments that belong to one call alone (decoded in a worker, or bound) are given to the callable.
// Rvalues, as std::thread does, so that move-only parameters work; handles as lvalues, so that T, T& and const T&
// all bind. When that does not fit, whatever cannot be copied (connection, unique_fd) goes as an lvalue, so that
// `void serve(kin::connection&)` is a task too.
#pragma once

#include <functional>
#include <type_traits>
#include <utility>

#include <kin/wire/copyable.hpp>
#include <kin/wire/handle.hpp>

namespace kin::detail {

template <class T>
inline constexpr bool is_move_only = !std::is_reference_v<T> && !is_copyable<std::remove_cv_t<T>>;
template <class T>
using passed_t = std::conditional_t<is_handle<T>, T&, T&&>;
template <class T>
using lent_t = std::conditional_t<is_handle<T> || is_move_only<T>, T&, T&&>;
/// For a call that may be followed by others.
template <class T>
using lent_const_t = std::conditional_t<is_handle<T>, T&, const T&>;

enum class passing { impossible, move, lend, move_to_lvalue, lend_to_lvalue };

/// A reference type among A is an argument that is forwarded as it is.
template <class F, class... A>
constexpr passing find_passing() {
  if constexpr (std::is_invocable_v<F, passed_t<A>...>)
    return passing::move;
  else if constexpr ((is_move_only<A> || ...) && std::is_invocable_v<F, lent_t<A>...>)
    return passing::lend;
  else if constexpr (std::is_invocable_v<F&, passed_t<A>...>)
    return passing::move_to_lvalue;
  else if constexpr ((is_move_only<A> || ...) && std::is_invocable_v<F&, lent_t<A>...>)
    return passing::lend_to_lvalue;
  else
    return passing::impossible;
}
template <class F, class... A>
inline constexpr passing passing_of = find_passing<F, A...>();
template <class F, class... A>
concept callable_once = passing_of<F, A...> != passing::impossible;

/// Calls f for the only time, with arguments it may take over.
template <class F, class... A>
  requires callable_once<F, A...>
decltype(auto) invoke_once(F& f, std::type_identity_t<A>&... args) {
  constexpr passing how = passing_of<F, A...>;
  if constexpr (how == passing::move)
    return std::invoke(std::move(f), static_cast<passed_t<A>>(args)...);
  else if constexpr (how == passing::lend)
    return std::invoke(std::move(f), static_cast<lent_t<A>>(args)...);
  else if constexpr (how == passing::move_to_lvalue)
    return std::invoke(f, static_cast<passed_t<A>>(args)...);
  else
    return std::invoke(f, static_cast<lent_t<A>>(args)...);
}
template <class F, class... A>
using invoke_once_t =
    decltype(detail::invoke_once<F, A...>(std::declval<F&>(), std::declval<std::type_identity_t<A>&>()...));

}  // namespace kin::detail
