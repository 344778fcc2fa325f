// SPDX-License-Identifier: BSL-1.0
// shareable: which types can lie in shared memory as they are, for value, array and the containers.
#pragma once

#include <string>
#include <type_traits>
#include <typeinfo>

#include <kin/wire/codec.hpp>

namespace kin::detail {

// A class that copies byte by byte, and points at nothing of this process as far as one can see into it.
template <class T>
constexpr bool lies_in_memory_as_it_is() {
  if constexpr (!std::is_trivially_copyable_v<T> || std::is_pointer_v<T> || std::is_member_pointer_v<T> ||
                std::is_reference_v<T> || std::is_const_v<T> || is_view<T> || std_function_like<T> || is_closure<T>() ||
                std::is_union_v<T> || std::is_null_pointer_v<T>)
    return false;
  else if constexpr (std::is_array_v<T>)
    return lies_in_memory_as_it_is<std::remove_all_extents_t<T>>();
  else
    return true;
}

/// Whether a T is, or consists of, such a U that Is<U>::value is true.
template <class T, template <class> class Is>
constexpr bool has_within();
template <template <class> class Is, class... Part>
constexpr bool any_within(types<Part...>) {
  return (has_within<std::remove_cv_t<Part>, Is>() || ...);
}
template <class T, template <class> class Is>
constexpr bool has_within() {
  if constexpr (Is<T>::value) {
    return true;
  } else {
    constexpr kind how = kind_of<T>;
    if constexpr (how == kind::aggregate || how == kind::c_array || how == kind::std_array || how == kind::tuple ||
                  how == kind::optional || how == kind::variant)
      return any_within<Is>(typename rule<T>::parts{});
    else
      return false;
  }
}
/// What is another one in each process: the addresses in it are.
template <class T>
struct differs_by_process : std::bool_constant<std::is_pointer_v<T> || kind_of<T> == kind::error_code> {};
/// What crosses as something else than its bytes.
template <class T>
struct translated : std::bool_constant<differs_by_process<T>::value || has_codec<T> || has_member_serialize<T> ||
                                       has_free_serialize<T>> {};

/// One sentence for what cannot; and, where the members can be seen, the sentence for the member that cannot.
template <class T>
constexpr void check_shareable() {
  static_assert(lies_in_memory_as_it_is<T>(),
                "kin: only what can be copied byte by byte can lie in shared memory: numbers, enums, and structs and "
                "arrays of them. No pointer, reference, view, lambda or union, and no std::string or std::vector: for "
                "these use kin::shared_dict or kin::shared_list, or a manager");
  if constexpr (lies_in_memory_as_it_is<T>() && kind_of<T> != kind::unsendable) {
    check_sendable<T>();
    static_assert(!has_within<T, differs_by_process>(),
                  "kin: a function pointer or a std::error_code holds an address, which is another one in each "
                  "process, so it cannot lie in shared memory as it is. It can be sent, or lie in a kin::shared_list "
                  "or kin::shared_dict");
  }
}

/// What a T consists of, for the identity of handles on the wire.
template <class T>
void describe_shareable(structure& s, const char* before) {
  if constexpr (kind_of<T> != kind::unsendable)
    s.group<T>(before, ")");
  else
    s.name(std::string(before) + demangled(typeid(T)) + ":" + std::to_string(sizeof(T)) + ")");
}

}  // namespace kin::detail
