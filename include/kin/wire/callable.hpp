// SPDX-License-Identifier: BSL-1.0
// callable: what may be run in another process, how it gets there, and the sentences for what may not.
// A callable is a pointer to a function, a class without state (a lambda without captures), or a value with
// operator(): an aggregate, a class with serialize() or a codec, or kin::bind(f, args...).
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

#include <kin/core/export.hpp>
#include <kin/wire/access.hpp>
#include <kin/wire/codec.hpp>
#include <kin/wire/copyable.hpp>
#include <kin/wire/passing.hpp>

namespace kin {

namespace detail {

template <class F>
void encode_callable(writer& out, const F& f) {
  if constexpr (!stateless<F>) out.put(f);
}
template <class F>
F decode_callable(reader& in) {
  if constexpr (!stateless<F>)
    return in.take<F>();
  else if constexpr (std::is_default_constructible_v<F>)
    return F{};
  else
    return std::bit_cast<F>(char{});
}

/// A callable as a value: for requests that contain one.
template <class F>
struct callable_box {
  F value;
};

/// Whether F, decayed, can cross; says nothing about what it is called with.
template <class F>
inline constexpr bool crosses = stateless<F> || kind_of<F> != kind::unsendable;
template <class A>
inline constexpr bool argument_crosses =
    kind_of<stored_t<A>> != kind::unsendable && (is_copyable<std::decay_t<A>> || !std::is_lvalue_reference_v<A>);

/// One error, for a callable that cannot cross. F is decayed.
template <class F>
constexpr void check_crossing() {
  if constexpr (std::is_member_pointer_v<F>)
    static_assert(!std::is_member_pointer_v<F>,
                  "kin: a pointer to a member is no callable here. Pass the object as first argument of a lambda:  "
                  "[](const T& object, int n) { return object.f(n); }");
  else if constexpr (stateless<F> || function_pointer<F>)
    return;
  else if constexpr (std_function_like<F>)
    static_assert(!std_function_like<F>,
                  "kin: a std::function cannot be sent to another process: what it holds is hidden. Pass the function "
                  "or lambda itself:  kin::process([](int n) { ... }, n)  or  kin::bind(f, args...)");
  else if constexpr (crosses<F> || std::is_aggregate_v<F> || !std::is_class_v<F>)
    check_sendable<F>();
  else
    static_assert(
        crosses<F>,
        "kin: this callable has captures (or private state), and a capture cannot follow it to a new process: a "
        "captured "
        "reference or pointer would dangle there, and C++ cannot look inside a lambda to check. Write instead one of:  "
        "(1) arguments:  kin::async([](int n, std::string s) { ... }, n, s);  "
        "(2) bound arguments:  auto job = kin::bind([](int n, std::string s, int x) { ... }, n, s);  "
        "(3) a struct with public members and operator():  struct Job { int n; std::string s; int operator()(int x) "
        "const; };  "
        "(4) a copy of this process, where any closure works:  kin::process child(kin::start::fork, [&] { ... });");
}

/// One error, for an argument that cannot cross. A is as deduced for a forwarding reference: T& is an lvalue.
template <class A>
constexpr void check_argument() {
  if constexpr (std::is_lvalue_reference_v<A> && !is_copyable<std::decay_t<A>> &&
                kind_of<stored_t<A>> != kind::unsendable)
    static_assert(is_copyable<std::decay_t<A>>,
                  "kin: this argument cannot be copied, only moved, and a name was given for it. Hand it over: write  "
                  "std::move(x)");
  else
    check_sendable<stored_t<A>>();
}

/// Whether check_callable says nothing (about the outside of what it is given).
template <class F, class... A>
constexpr bool find_can_call() {
  if constexpr (crosses<std::decay_t<F>> && (argument_crosses<A> && ...))
    return callable_once<std::decay_t<F>, stored_t<A>...>;
  else
    return false;
}
template <class F, class... A>
inline constexpr bool can_call = find_can_call<F, A...>();

/// Compiles if f(args...) can run in another process; else one error that says what to write. F and A are as deduced
/// for forwarding references. To be called from the body of a public function, not from its constraints.
template <class F, class... A>
constexpr void check_callable() {
  check_crossing<std::decay_t<F>>();
  if constexpr (crosses<std::decay_t<F>>) (check_argument<A>(), ...);
  if constexpr (crosses<std::decay_t<F>> && (argument_crosses<A> && ...))
    static_assert(
        callable_once<std::decay_t<F>, stored_t<A>...>,
        "kin: the callable cannot be called with these arguments. Like std::thread, kin passes each argument as "
        "a value of its own (the other process has a copy), so a parameter of type T& does not bind: take T, "
        "const T& or T&&, and return the result. A string literal arrives as a std::string, which const char* "
        "does not bind to: take std::string or std::string_view");
}

}  // namespace detail

template <class F>
struct codec<detail::callable_box<F>> {
  static void encode(writer& out, const detail::callable_box<F>& box) { detail::encode_callable(out, box.value); }
  static detail::callable_box<F> decode(reader& in) { return {detail::decode_callable<F>(in)}; }
};

}  // namespace kin
