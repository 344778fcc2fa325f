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

/// One sentence for what cannot; and, where the members can be seen, the sentence for the member that cannot.
template <class T>
constexpr void check_shareable() {
  static_assert(lies_in_memory_as_it_is<T>(),
                "kin: only what can be copied byte by byte can lie in shared memory: numbers, enums, and structs and "
                "arrays of them. No pointer, reference, view, lambda or union, and no std::string or std::vector: for "
                "these use kin::shared_dict or kin::shared_list, or a manager");
  if constexpr (lies_in_memory_as_it_is<T>() && kind_of<T> != kind::unsendable) check_sendable<T>();
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
