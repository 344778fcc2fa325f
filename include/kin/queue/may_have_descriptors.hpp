// SPDX-License-Identifier: BSL-1.0
// may_have_descriptors: whether a value of a type can have file descriptors in it. A queue of others needs no sockets.
#pragma once

#include <type_traits>

#include <kin/wire/codec.hpp>

namespace kin::detail {

// Seen: the types around this one, each of which asks for its other parts itself. So a type that contains itself ends.
template <class T, class... Seen>
constexpr bool has_descriptors();

template <class... Seen, class... Part>
constexpr bool any_has_descriptors(types<Part...>) {
  return (has_descriptors<std::remove_cv_t<Part>, Seen...>() || ...);
}

template <class T, class... Seen>
constexpr bool has_descriptors() {
  if constexpr ((std::is_same_v<T, Seen> || ...))
    return false;
  else if constexpr (requires { bool{codec<T>::has_descriptors}; })
    return codec<T>::has_descriptors;
  else if constexpr (requires { typename codec<T>::has_descriptors_as; })
    return has_descriptors<typename codec<T>::has_descriptors_as, T, Seen...>();
  else if constexpr (kind_of<T> == kind::custom || kind_of<T> == kind::member_serialize ||
                     kind_of<T> == kind::free_serialize)
    return true;  // nobody can know what user code writes, unless its codec says so
  else
    return any_has_descriptors<T, Seen...>(typename rule<T>::parts{});
}

template <class T>
inline constexpr bool may_have_descriptors = has_descriptors<T>();

}  // namespace kin::detail
