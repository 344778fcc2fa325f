// SPDX-License-Identifier: BSL-1.0
// kind: sorts every type into the one way by which it crosses. Writer, reader, structure and check_sendable all ask
// here, so they cannot disagree. Standard types are known by their shape where that spares a heavy include
// (<filesystem>, <complex>, <map>, ...): a container of another library that looks like the standard's is one.
#pragma once

#include <array>
#include <bitset>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <kin/wire/access.hpp>
#include <kin/wire/aggregate.hpp>

namespace kin::detail {

enum class kind {
  custom,            // kin::codec<T>
  member_serialize,  // value.serialize(ar)
  free_serialize,    // serialize(ar, value), found by argument-dependent lookup
  empty,             // std::monostate, std::nullptr_t: no bytes
  boolean,
  number,  // integers, enums, float, double: their bytes, little-endian
  long_double,
  c_array,
  std_array,
  path,
  duration,
  time_point,
  calendar,  // std::chrono::year_month_day and its parts
  complex,
  bitset,
  error_code,  // and std::error_condition
  tuple,       // and std::pair
  optional,
  variant,
  unique_ptr,
  shared_ptr,
  string,
  sequence,
  set,
  map,
  aggregate,
  unsendable
};

template <class T, template <class...> class Template>
inline constexpr bool is_a = false;
template <template <class...> class Template, class... A>
inline constexpr bool is_a<Template<A...>, Template> = true;

template <class T>
inline constexpr bool is_std_array = false;
template <class T, std::size_t N>
inline constexpr bool is_std_array<std::array<T, N>> = true;
template <class T>
inline constexpr bool is_bitset = false;
template <std::size_t N>
inline constexpr bool is_bitset<std::bitset<N>> = true;
template <class T>
inline constexpr bool is_duration = false;
template <class Rep, class Period>
inline constexpr bool is_duration<std::chrono::duration<Rep, Period>> = true;
template <class T>
inline constexpr bool is_time_point = false;
template <class Clock, class Duration>
inline constexpr bool is_time_point<std::chrono::time_point<Clock, Duration>> = true;

// A unique_ptr with a deleter of its own could not be rebuilt, and one to an array does not know its length.
template <class T>
inline constexpr bool is_owner = false;
template <class T>
inline constexpr bool is_owner<std::unique_ptr<T>> = !std::is_array_v<T>;
template <class T>
inline constexpr bool is_owner<std::shared_ptr<T>> = !std::is_array_v<T> && !std::is_void_v<T>;

template <class T>
concept calendar_part =
    std::same_as<T, std::chrono::year> || std::same_as<T, std::chrono::month> || std::same_as<T, std::chrono::day> ||
    std::same_as<T, std::chrono::weekday> || std::same_as<T, std::chrono::year_month> ||
    std::same_as<T, std::chrono::month_day> || std::same_as<T, std::chrono::year_month_day>;

template <class T>
concept path_like = requires(const T& t) {
  { t.native() } -> std::same_as<const typename T::string_type&>;
  { T::preferred_separator } -> std::convertible_to<typename T::value_type>;
  requires std::constructible_from<T, typename T::string_type>;
};

template <class T>
concept complex_like = requires(const T& t) {
  requires std::floating_point<typename T::value_type>;
  { t.real() } -> std::convertible_to<typename T::value_type>;
  { t.imag() } -> std::convertible_to<typename T::value_type>;
  requires std::constructible_from<T, typename T::value_type, typename T::value_type>;
} && sizeof(T) == 2 * sizeof(typename T::value_type);

template <class T>
concept container = requires(T& t, const T& c) {
  typename T::value_type;
  c.begin() != c.end();
  t.clear();
};
template <class T>
concept map_like = container<T> && requires(T& t, typename T::key_type key, typename T::mapped_type mapped) {
  t.emplace_hint(t.end(), std::move(key), std::move(mapped));
};
template <class T>
concept set_like =
    container<T> && !map_like<T> && requires(T& t, typename T::key_type key) { t.insert(t.end(), std::move(key)); };
template <class T>
concept forward_list_like = container<T> && requires(T& t, typename T::value_type element) {
  t.insert_after(t.before_begin(), std::move(element));
};
template <class T>
concept sequence_like =
    forward_list_like<T> ||
    (container<T> && requires(T& t, typename T::value_type element) { t.push_back(std::move(element)); });

template <class T>
inline constexpr bool has_reference = false;
template <template <class...> class Template, class... M>
inline constexpr bool has_reference<Template<M...>> = (std::is_reference_v<M> || ...);

// A member that is an int& takes no initialiser that is not an int: then no number of members can be found.
template <class T>
constexpr bool has_reference_member() {
  if constexpr (member_count<T> == 0)
    return !std::is_empty_v<T>;
  else
    return has_reference<member_types<T>>;
}

template <class T>
constexpr kind kind_of_aggregate() {
  if constexpr (has_base<T> || member_count < T >> most_members)
    return kind::unsendable;
  else
    return has_reference_member<T>() ? kind::unsendable : kind::aggregate;
}

template <class T>
constexpr bool extends_a_base() {
  if constexpr (std::is_aggregate_v<T> && std::is_class_v<T> && !is_std_array<T>)
    return has_base<T>;
  else
    return false;
}

// Structured bindings see what a get() of its own shows of a plain struct, which may be copies.
template <class T>
concept has_tuple_protocol = requires { sizeof(std::tuple_size<T>); };

// A class that is derived from a container, and has members of its own that nobody knows.
template <template <class...> class Base, class... A>
std::type_identity<Base<A...>> template_of(const Base<A...>*);
template <class T>
constexpr bool extends_a_container() {
  if constexpr (std::is_class_v<T> && !std::is_aggregate_v<T> && requires(const T* t) { template_of(t); }) {
    using base = typename decltype(template_of(std::declval<const T*>()))::type;
    return !std::is_same_v<base, T> && sizeof(base) != sizeof(T) && (container<base> || is_a<base, std::basic_string>);
  } else {
    return false;
  }
}

// What decides about order or equality differs between objects of one type: a function pointer, a column number.
template <class T>
concept orders_by_state = requires { requires !std::is_empty_v<typename T::key_compare>; } || requires {
  requires !std::is_empty_v<typename T::hasher>;
} || requires { requires !std::is_empty_v<typename T::key_equal>; };

// The class that a pointer to member points into.
template <class T>
struct class_of;
template <class M, class C>
struct class_of<M C::*> {
  using type = C;
};
template <class Base, class T>
inline constexpr bool is_made_for = false;
template <template <class...> class Base, class... A, class T>
inline constexpr bool is_made_for<Base<A...>, T> = (std::is_same_v<A, T> || ...);
// A member of a derived class may lie where its base ends in padding.
template <class Base>
struct with_one_more : Base {
  char one;
};
// A class that inherits serialize() from a base, and may have members of its own that this serialize() cannot know. A
// base that is a template made for the class does.
template <class T>
constexpr bool inherits_serialize() {
  if constexpr (requires { access::serialize_of<T>(); }) {
    using owner = typename class_of<decltype(access::serialize_of<T>())>::type;
    if constexpr (std::is_same_v<owner, T> || is_made_for<owner, T>)
      return false;
    else if constexpr (std::is_empty_v<owner>)
      return !std::is_empty_v<T>;
    else
      return sizeof(owner) != sizeof(T) || sizeof(with_one_more<owner>) == sizeof(owner);
  } else {
    return false;
  }
}

// What a unique_ptr or shared_ptr to T points at may be of a derived type that the receiver could not know.
template <class T>
inline constexpr bool may_be_derived = std::is_polymorphic_v<T> && !std::is_final_v<T> && !has_derived_types<T>;

template <class T>
constexpr bool owns_a_known_type() {
  if constexpr (is_owner<T>)
    return !may_be_derived<std::remove_cv_t<typename T::element_type>>;
  else
    return false;
}

template <class T>
constexpr kind find_kind() {
  if constexpr (has_codec<T>)
    return kind::custom;
  else if constexpr (has_member_serialize<T>)
    return inherits_serialize<T>() ? kind::unsendable : kind::member_serialize;
  else if constexpr (has_free_serialize<T>)
    return kind::free_serialize;
  else if constexpr (std::is_same_v<T, std::monostate> || std::is_null_pointer_v<T>)
    return kind::empty;
  else if constexpr (std::is_enum_v<T>)
    return std::is_same_v<std::underlying_type_t<T>, bool> ? kind::boolean : kind::number;
  else if constexpr (std::is_same_v<T, long double>)
    return kind::long_double;
  else if constexpr (std::is_arithmetic_v<T>)
    return std::is_same_v<T, bool> ? kind::boolean : kind::number;
  else if constexpr (std::is_bounded_array_v<T>)
    return kind::c_array;
  else if constexpr (is_std_array<T>)
    return kind::std_array;
  else if constexpr (!std::is_class_v<T> || extends_a_base<T>() || extends_a_container<T>() || orders_by_state<T>)
    return kind::unsendable;  // NOLINT(bugprone-branch-clone): the order is that of precedence
  else if constexpr (std::is_aggregate_v<T>)
    return has_tuple_protocol<T> ? kind::unsendable : kind_of_aggregate<T>();
  else if constexpr (is_duration<T>)
    return kind::duration;
  else if constexpr (is_time_point<T>)
    return kind::time_point;
  else if constexpr (calendar_part<T>)
    return kind::calendar;
  else if constexpr (is_bitset<T>)
    return kind::bitset;
  else if constexpr (std::is_same_v<T, std::error_code> || std::is_same_v<T, std::error_condition>)
    return kind::error_code;
  else if constexpr (is_a<T, std::pair> || is_a<T, std::tuple>)
    return has_reference<T> ? kind::unsendable : kind::tuple;
  else if constexpr (is_a<T, std::optional>)
    return kind::optional;
  else if constexpr (is_a<T, std::variant>)
    return kind::variant;
  else if constexpr (is_a<T, std::unique_ptr>)
    return owns_a_known_type<T>() ? kind::unique_ptr : kind::unsendable;
  else if constexpr (is_a<T, std::shared_ptr>)
    return owns_a_known_type<T>() ? kind::shared_ptr : kind::unsendable;
  else if constexpr (is_a<T, std::basic_string>)
    return kind::string;
  else if constexpr (path_like<T>)
    return kind::path;
  else if constexpr (complex_like<T>)
    return kind::complex;
  else if constexpr (map_like<T>)
    return kind::map;
  else if constexpr (set_like<T>)
    return kind::set;
  else if constexpr (sequence_like<T>)
    return kind::sequence;
  else
    return kind::unsendable;
}

template <class T>
inline constexpr kind kind_of = find_kind<T>();

// How the values of one kind cross. A specialisation has
//   parts                  types<...> of what a T consists of, for check_sendable
//   least                  no T takes fewer bytes than this
//   flat                   the bytes in memory are the bytes on the wire
//   encode(writer&, const T&), decode(reader&, T&) and/or take(reader&) -> T, describe(structure&)
template <class T, kind Kind = kind_of<T>>
struct rule;

template <class T>
inline constexpr std::size_t least_bytes = rule<std::remove_cv_t<T>>::least;
template <class T>
inline constexpr bool is_flat = rule<std::remove_cv_t<T>>::flat;

/// A T can come out of a reader: there is an object to decode into, or its rule makes a finished one.
template <class T>
concept receivable = std::is_array_v<T> || makeable<T> || requires(reader& r) { rule<std::remove_cv_t<T>>::take(r); };

}  // namespace kin::detail
