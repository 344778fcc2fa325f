// SPDX-License-Identifier: BSL-1.0
// sendable: refuses at compile time, with one sentence, what cannot cross; and names the type by which an argument
// travels. The sentences are pinned by tests/compile_fail. They say what to write instead.
#pragma once

#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include <kin/core/always_false.hpp>
#include <kin/wire/kind.hpp>

namespace kin {

class process;
class pool;
class thread_pool;
class manager;

namespace detail {

template <class C>
concept character = std::same_as<C, char> || std::same_as<C, wchar_t> || std::same_as<C, char8_t> ||
                    std::same_as<C, char16_t> || std::same_as<C, char32_t>;

template <class Decayed>
struct travels_as {
  using type = Decayed;
};
template <class Pointer>
  requires std::is_pointer_v<Pointer> && character<std::remove_cv_t<std::remove_pointer_t<Pointer>>>
struct travels_as<Pointer> {
  using type = std::basic_string<std::remove_cv_t<std::remove_pointer_t<Pointer>>>;
};
template <class C, class Traits>
struct travels_as<std::basic_string_view<C, Traits>> {
  using type = std::basic_string<C, Traits>;
};

template <class T>
inline constexpr bool is_view = !std::is_same_v<std::unwrap_reference_t<T>, T>;  // std::reference_wrapper
template <class C, class Traits>
inline constexpr bool is_view<std::basic_string_view<C, Traits>> = true;
template <class T, std::size_t N>
inline constexpr bool is_view<std::span<T, N>> = true;
template <class T>
inline constexpr bool is_view<std::initializer_list<T>> = true;

template <class T>
concept std_function_like = requires(const T& f) {
  f.target_type();
  f.template target<void (*)()>();
};
template <class T>
concept atomic_like = requires(const T& a) {
  T::is_always_lock_free;
  a.load();
};
// The compilers spell the type of a closure "main()::<lambda(int)>" and "(lambda at file:1:2)".
template <class T>
constexpr bool is_closure() {
  if constexpr (std::is_class_v<T>) {
    const std::string_view name = __PRETTY_FUNCTION__;
    // At its end: else it is a struct in a closure.
    if (name.ends_with(")>]") || name.ends_with(")]"))
      for (const std::string_view mark : {"::<lambda(", " <lambda(", "(lambda at "})
        if (name.find(mark) != std::string_view::npos) return true;
  }
  return false;
}
template <class T>
constexpr bool has_too_many_members() {
  if constexpr (std::is_aggregate_v<T> && std::is_class_v<T> && !extends_a_base<T>())
    return member_count<T> > most_members;
  else
    return false;
}
template <class T>
constexpr bool refers() {
  if constexpr (is_a<T, std::pair> || is_a<T, std::tuple>)
    return has_reference<T>;
  else if constexpr (std::is_aggregate_v<T> && std::is_class_v<T> && !extends_a_base<T>() && !has_too_many_members<T>())
    return has_reference_member<T>();
  else
    return false;
}
template <class T>
constexpr bool points_at_unknown() {
  if constexpr (is_owner<T>)
    return !owns_a_known_type<T>();
  else
    return false;
}

template <class T>
inline constexpr bool owns_processes = std::is_same_v<T, process> || std::is_same_v<T, pool> ||
                                       std::is_same_v<T, thread_pool> || std::is_same_v<T, manager>;

// Why a T of kind::unsendable is refused: exactly one of these fires.
template <class T>
constexpr void refuse() {
  if constexpr (std::is_pointer_v<T> || std::is_member_pointer_v<T>)
    static_assert(always_false<T>,
                  "kin: a raw pointer means nothing in another process. Send the value, a std::string instead of "
                  "const char*, a std::vector instead of pointer and size, a std::unique_ptr or std::shared_ptr (sent "
                  "by value), or use kin::shared_memory for data that both processes use");
  else if constexpr (std::is_reference_v<T>)
    static_assert(always_false<T>, "kin: a reference means nothing in another process; send the value");
  else if constexpr (is_view<T>)
    static_assert(always_false<T>,
                  "kin: std::string_view, std::span, std::initializer_list and std::reference_wrapper only point at "
                  "data of this process. Send the owner instead (std::string, std::vector, the value), or use "
                  "kin::array for data that both processes use");
  else if constexpr (owns_processes<T>)
    static_assert(always_false<T>,
                  "kin: a process, a pool or a manager stays with the process that made it. A task has the pool that "
                  "runs it as kin::current_pool(), or makes one of its own; a manager's objects are sent as proxies");
  else if constexpr (std_function_like<T>)
    static_assert(always_false<T>,
                  "kin: a std::function cannot be sent to another process: what it holds is hidden. Pass the function "
                  "or lambda itself as the callable, or kin::bind(f, args...)");
  else if constexpr (is_closure<T>())
    static_assert(always_false<T>,
                  "kin: a lambda is no value: C++ cannot look inside it to send what it captures. Write instead a "
                  "struct with public members and operator(), or kin::bind(f, args...) with what was captured as "
                  "arguments");
  else if constexpr (refers<T>())
    static_assert(always_false<T>,
                  "kin: this struct or tuple has a member that is a reference, which means nothing in another process; "
                  "make the member a value");
  else if constexpr (points_at_unknown<T>())
    static_assert(always_false<T>,
                  "kin: this pointer is to a class with virtual functions, so it may point at an object of any derived "
                  "class. List them:  template <> struct kin::derived_types<Base> { using list = std::tuple<A, B>; };  "
                  "(Base itself is listed too, if such objects exist) and give each a serialize() member");
  else if constexpr (has_member_serialize<T>)
    static_assert(always_false<T>,
                  "kin: this class inherits its serialize() from a base, which does not know the members it has of its "
                  "own. Give it one too:  template <class Archive> void serialize(Archive& ar) { "
                  "ar(static_cast<Base&>(*this), first, second); }");
  else if constexpr (std::is_polymorphic_v<T>)
    static_assert(
        always_false<T>,
        "kin: this class has virtual functions, so what an object of it consists of is not known. Give it a "
        "member  template <class Archive> void serialize(Archive& ar) { ar(first, second); }  and, to send it "
        "through a pointer to its base, list the types with  template <> struct kin::derived_types<Base> { "
        "using list = std::tuple<A, B>; };");
  else if constexpr (orders_by_state<T>)
    static_assert(always_false<T>,
                  "kin: this container orders or compares its elements by an object that is not empty, such as a "
                  "function pointer, which does not travel with it. Use a function object without members:  "
                  "std::set<T, by_name>");
  else if constexpr (std::is_aggregate_v<T> && std::is_class_v<T> && has_tuple_protocol<T>)
    static_assert(always_false<T>,
                  "kin: this struct has std::tuple_size and get() of its own, so its members cannot be seen. Give it a "
                  "member  template <class Archive> void serialize(Archive& ar) { ar(first, second); }");
  else if constexpr (extends_a_base<T>() || extends_a_container<T>())
    static_assert(
        always_false<T>,
        "kin: a struct with a base class needs a member that says what to send:  template <class Archive> void "
        "serialize(Archive& ar) { ar(static_cast<Base&>(*this), first, second); }");
  else if constexpr (has_too_many_members<T>())
    static_assert(
        always_false<T>,
        "kin: a struct of more than 64 members needs a member that lists them:  template <class Archive> void "
        "serialize(Archive& ar) { ar(first, second); }  or some of them put into a struct of their own");
  else if constexpr (std::is_union_v<T>)
    static_assert(always_false<T>, "kin: nobody knows which member of a union is alive; use std::variant");
  else if constexpr (atomic_like<T>)
    static_assert(
        always_false<T>,
        "kin: a std::atomic is shared within one process only. Send its value, x.load(), or use kin::value<T>, "
        "which is shared between processes");
  else if constexpr (is_a<T, std::weak_ptr>)
    static_assert(always_false<T>, "kin: a std::weak_ptr owns nothing that could be sent; send the std::shared_ptr");
  else if constexpr (is_a<T, std::unique_ptr> || is_a<T, std::shared_ptr>)
    static_assert(
        always_false<T>,
        "kin: a pointer to an array does not know its length, nor can a deleter of your own or what a pointer "
        "to void owns be sent; use std::vector, or a std::unique_ptr or std::shared_ptr to one object");
  else
    static_assert(
        always_false<T>,
        "kin: don't know how to send this type to another process. Do one of: (1) make it a plain struct "
        "(public members, no base class, no constructor); (2) add a member  template <class Archive> void "
        "serialize(Archive& ar) { ar(first, second); }  ; (3) specialise kin::codec<T> with encode and decode");
}

template <class... Part>
constexpr void check_parts(types<Part...>);

}  // namespace detail

/// The type by which an argument of type A travels: string literals, character pointers and string views as
/// std::string, anything else as its decayed type.
template <class A>
using wire_type = typename detail::travels_as<std::decay_t<A>>::type;
template <class A>
using stored_t = wire_type<A>;

/// Compiles if a T can cross, and everything it consists of; else it is one error that says what to write instead.
/// Costs nothing at run time.
template <class T>
constexpr void check_sendable() {
  if constexpr (std::is_reference_v<T> || std::is_const_v<T>) {
    if constexpr (std::is_reference_v<T>)
      detail::refuse<T>();
    else
      check_sendable<std::remove_const_t<T>>();
  } else if constexpr (detail::kind_of<T> == detail::kind::unsendable) {
    detail::refuse<T>();
  } else {
    static_assert(
        detail::receivable<T>,
        "kin: the receiver must make an object of this type before its serialize() can fill it. Give it a "
        "default constructor (it may be private with  friend struct kin::access;  in the class), or specialise "
        "kin::codec<T>, whose decode returns a finished object");
    detail::check_parts(typename detail::rule<T>::parts{});
  }
}

namespace detail {
// Instantiates the check of each part; called by nobody at run time, and a recursive type comes back to a check
// that is already being made.
template <class... Part>
constexpr void check_parts(types<Part...>) {
  (void(&check_sendable<Part>), ...);
}
}  // namespace detail

}  // namespace kin
