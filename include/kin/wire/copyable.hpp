// SPDX-License-Identifier: BSL-1.0
// copyable: whether a T can really be copied. std::is_copy_constructible believes a std::vector<std::unique_ptr<int>>,
// and every struct with one, which declare a copy constructor that does not compile.
#pragma once

#include <type_traits>

#include <kin/wire/kind.hpp>

namespace kin::detail {

// Among the types around a T: of a class whose members nobody sees its own word is not taken.
struct sure;
template <kind How>
inline constexpr bool is_opaque =
    How == kind::custom || How == kind::member_serialize || How == kind::free_serialize || How == kind::unsendable;

// Seen: the types around this one, each of which asks for its other parts itself. So a type that contains itself ends.
template <class T, class... Seen>
constexpr bool can_copy();

template <class... Seen, class... Part>
constexpr bool can_copy_all(types<Part...>) {
  return (can_copy<std::remove_cv_t<std::remove_all_extents_t<Part>>, Seen...>() && ...);
}
template <class... Seen, template <class...> class Template, class... Part>
constexpr bool can_copy_arguments(std::type_identity<Template<Part...>>) {
  return can_copy_all<Seen...>(types<Part...>{});
}

template <class T, class... Seen>
constexpr bool can_copy() {
  if constexpr (!std::is_copy_constructible_v<T> || (std::is_same_v<T, Seen> || ...)) {
    return std::is_copy_constructible_v<T>;
  } else {
    constexpr kind how = kind_of<T>;
    if constexpr (how == kind::map)
      return can_copy_all<T, Seen...>(types<typename T::key_type, typename T::mapped_type>{});
    else if constexpr (how == kind::sequence || how == kind::set || how == kind::std_array)
      return can_copy_all<T, Seen...>(types<typename T::value_type>{});
    else if constexpr (how == kind::tuple || how == kind::optional || how == kind::variant)
      return can_copy_arguments<T, Seen...>(std::type_identity<T>{});
    else if constexpr (how == kind::aggregate)
      return can_copy_all<T, Seen...>(member_types<T>{});
    else if constexpr (is_opaque<how> && std::is_class_v<T> && (std::is_same_v<Seen, sure> || ...))
      return std::is_trivially_copyable_v<T>;
    else
      return true;
  }
}

/// Ask for decayed types.
template <class T>
inline constexpr bool is_copyable = can_copy<T>();
/// The same, and false where a class only says that it can be copied: for copies that nobody has asked for.
template <class T>
inline constexpr bool is_surely_copyable = can_copy<T, sure>();

}  // namespace kin::detail
