// SPDX-License-Identifier: BSL-1.0
// proxy: an object of any class in a manager's server, as all other processes see it.
#pragma once

#include <concepts>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <kin/manager/hosted_object.hpp>
#include <kin/manager/object_handle.hpp>
#include <kin/wire/call.hpp>
#include <kin/wire/callable.hpp>
#include <kin/wire/codec.hpp>
#include <kin/wire/outcome.hpp>

namespace kin {

namespace detail {

/// What was moved into a call is the server's now: descriptors and connections are closed here.
template <class A>
void give_up([[maybe_unused]] A& argument) {
  if constexpr (std::is_class_v<A> && !is_copyable<A> && !std::is_const_v<A>) [[maybe_unused]]
    const A given_away = std::move(argument);
}

/// Runs f(args...) in the server of `with`. A as deduced for forwarding references.
template <class F, class... A>
call_result_t<F, A...> run_in_server(const object_handle& with, F f, A&&... args) {
  exchange call(with);
  parcel outcome = call.run(encode_call_as(delivery::lent, f, args...));
  (give_up(args), ...);
  return decode_outcome<call_result_t<F, A...>>(std::move(outcome), exchange::server_name());
}

/// A callable as an argument, for calls that run it in the server on `On` and `args`. One error if it cannot.
template <class F, class On, class... A>
callable_box<std::decay_t<F>> boxed_callable(F&& f) {
  using callable = std::decay_t<F>;
  check_crossing<callable>();
  if constexpr (crosses<callable>)
    static_assert(
        std::is_invocable_v<callable&, On, stored_t<A>...>,
        "kin: the callable cannot be called with a reference to the value, and the arguments that were given: "
        "write  dict.update(key, [](int& value, int by) { value += by; }, 5)");
  return {std::forward<F>(f)};
}

/// Body(T&, args...) on the object.
template <class T, class Body, class... A>
auto run_on_object(const object_handle& object, A&&... args) -> call_result_t<object_call<T, Body>, target<T>, A...> {
  return run_in_server(object, object_call<T, Body>{}, target<T>{object.number()}, std::forward<A>(args)...);
}

}  // namespace detail

/// A T in a manager's server: a handle, made by manager::make. Copies name the same object, in every process; it lives
/// until the last of them is gone, be it by SIGKILL, or until the manager ends.
///
/// Any number of threads and processes may call. Calls on one object run one after another, in any order between
/// callers, unless T says `static constexpr bool concurrent = true;`. A call of the object into itself throws
/// std::system_error (resource_deadlock_would_occur).
template <class T>
class proxy {
 public:
  using kin_handle = void;
  using element_type = T;

  /// No object: calls throw closed_error.
  proxy() noexcept = default;
  explicit proxy(detail::object_handle object) noexcept : object_(std::move(object)) {}

  /// `c.call<&counter::add>(5)`: runs the member function in the server and returns what it returns, a copy where it is
  /// a const reference. Arguments cross like a task's. Throws what the function throws (exceptions cross like a
  /// task's), closed_error when the manager has ended, encode_error, os_error.
  template <auto Method, class... A>
  auto call(A&&... args) const {
    return detail::run_on_object<T, detail::method<T, Method>>(object_, std::forward<A>(args)...);
  }

  /// False for a default-made proxy; says nothing of the server.
  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(object_); }
  /// The same object, not equal ones.
  friend bool operator==(const proxy& a, const proxy& b) noexcept { return a.object_ == b.object_; }

  /// For kin.
  [[nodiscard]] const detail::object_handle& handle() const noexcept { return object_; }

 private:
  detail::object_handle object_;
};

template <class T>
struct codec<proxy<T>> {
  static void encode(writer& out, const proxy<T>& p) { p.handle().encode(out); }
  static proxy<T> decode(reader& in) { return proxy<T>(detail::object_handle::decode(in)); }
  static void describe(structure& s) { s.name("proxy(" + detail::demangled(typeid(T)) + ")"); }
};

namespace detail {

/// Makes a T in the server.
template <class T>
struct construct {
  template <class... A>
    requires std::constructible_from<T, A...>
  proxy<T> operator()(A&&... args) const {
    const outside_exchange outside;
    return proxy<T>(host(std::make_shared<hosted_object<T>>(std::in_place, std::forward<A>(args)...)));
  }
};

}  // namespace detail
}  // namespace kin
