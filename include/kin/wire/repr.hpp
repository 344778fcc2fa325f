// SPDX-License-Identifier: BSL-1.0
// repr: values as Python prints them: 'text', 1.0, True, None, [1, 2], (1, 'a'), {'name': 3}. For the << of proxies.
#pragma once

#include <concepts>
#include <memory>
#include <ostream>
#include <sstream>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <kin/core/export.hpp>
#include <kin/wire/kind.hpp>

namespace kin {

namespace detail {

/// Quoted and escaped as Python does; valid UTF-8 is kept, other bytes are \xNN.
[[nodiscard]] KIN_EXPORT std::string repr_of_text(std::string_view text);
/// The shortest digits that are read back as the same number; 1.0, 1e+16, inf, nan.
[[nodiscard]] KIN_EXPORT std::string repr_of_number(double value);
[[nodiscard]] KIN_EXPORT std::string repr_of_number(float value);

template <class T>
concept streamable = requires(std::ostream& out, const T& value) { out << value; };
template <class T>
concept text_like = std::is_convertible_v<const T&, std::string_view>;

template <class T>
struct repr_rule;

/// Whether repr(value) compiles.
template <class T>
concept printable = repr_rule<T>::known;

template <class T>
void append_repr(std::string& out, const T& value);

inline void append_separator(std::string& out, bool& first) {
  if (!first) out += ", ";
  first = false;
}

template <class Range>
void append_elements(std::string& out, const Range& range) {
  bool first = true;
  for (const auto& element : range) {
    append_separator(out, first);
    append_repr<typename Range::value_type>(out, element);
  }
}

template <class Range>
void append_items(std::string& out, const Range& range) {
  out += '{';
  bool first = true;
  for (const auto& [key, value] : range) {
    append_separator(out, first);
    append_repr(out, key);
    out += ": ";
    append_repr(out, value);
  }
  out += '}';
}

template <class T>
inline constexpr bool is_pair_or_tuple = is_a<T, std::pair> || is_a<T, std::tuple>;
template <class T>
inline constexpr bool members_printable = false;
template <template <class...> class Template, class... M>
inline constexpr bool members_printable<Template<M...>> = (repr_rule<std::remove_cv_t<M>>::known && ...);

template <class T>
constexpr bool find_printable() {
  if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T> || std::is_same_v<T, std::monostate> ||
                std::is_null_pointer_v<T> || text_like<T> || path_like<T>)
    return true;  // NOLINT(bugprone-branch-clone): a shared_ptr is streamable too, so the order decides
  else if constexpr (is_a<T, std::optional> || is_a<T, std::variant> || is_pair_or_tuple<T>)
    return members_printable<T>;
  else if constexpr (is_owner<T>)
    return repr_rule<typename T::element_type>::known;
  else if constexpr (streamable<T>)
    return true;
  else if constexpr (map_like<T>)
    return repr_rule<typename T::key_type>::known && repr_rule<typename T::mapped_type>::known;
  else if constexpr (set_like<T> || sequence_like<T> || is_std_array<T>)
    return repr_rule<typename T::value_type>::known;
  else
    return false;
}
template <class T>
struct repr_rule {
  static constexpr bool known = find_printable<T>();
};

template <class T>
void append_streamed(std::string& out, const T& value) {
  std::ostringstream text;
  text << value;
  out += text.str();
}

template <class T>
void append_number(std::string& out, T value) {
  if constexpr (std::is_same_v<T, bool>)
    out += value ? "True" : "False";
  else if constexpr (std::is_same_v<T, char>)
    out += repr_of_text({&value, 1});
  else if constexpr (std::is_same_v<T, float>)
    out += repr_of_number(value);
  else if constexpr (std::is_floating_point_v<T>)
    out += repr_of_number(static_cast<double>(value));
  else if constexpr (std::is_signed_v<T>)
    out += std::to_string(static_cast<long long>(value));
  else
    out += std::to_string(static_cast<unsigned long long>(value));
}

template <class T>
void append_tuple(std::string& out, const T& value) {
  out += '(';
  bool first = true;
  std::apply([&](const auto&... member) { ((append_separator(out, first), append_repr(out, member)), ...); }, value);
  out += std::tuple_size_v<T> == 1 ? ",)" : ")";
}

template <class T>
void append_repr(std::string& out, const T& value) {
  static_assert(printable<T>,
                "kin: don't know how to print a value of this type (or one inside it). Write beside its class:  "
                "std::ostream& operator<<(std::ostream& out, const my_type& value)");
  if constexpr (!printable<T>)
    return;
  else if constexpr (std::is_arithmetic_v<T>)
    append_number(out, value);
  else if constexpr (std::is_same_v<T, std::monostate> || std::is_null_pointer_v<T>)
    out += "None";
  else if constexpr (text_like<T>)
    out += repr_of_text(value);
  else if constexpr (path_like<T>)
    out += repr_of_text(value.native());
  else if constexpr (is_a<T, std::optional> || is_owner<T>)
    value ? append_repr(out, *value) : void(out += "None");
  else if constexpr (is_a<T, std::variant>)
    std::visit([&](const auto& held) { append_repr(out, held); }, value);
  else if constexpr (is_pair_or_tuple<T>)
    append_tuple(out, value);
  else if constexpr (streamable<T>)
    append_streamed(out, value);
  else if constexpr (std::is_enum_v<T>)
    append_number(out, static_cast<std::underlying_type_t<T>>(value));
  else if constexpr (map_like<T>) {
    append_items(out, value);
  } else if constexpr (set_like<T>) {
    out += value.empty() ? "set(" : "{";
    append_elements(out, value);
    out += value.empty() ? ")" : "}";
  } else {
    out += '[';
    append_elements(out, value);
    out += ']';
  }
}

template <class K, class V>
std::string repr_of_items(const std::vector<std::pair<K, V>>& items) {
  std::string out;
  append_items(out, items);
  return out;
}

}  // namespace detail

/// `value` as Python would print it inside a list. Numbers, text, std::optional (None), pairs and tuples, variants,
/// containers of these, and classes with an operator<<.
template <class T>
[[nodiscard]] std::string repr(const T& value) {
  std::string out;
  detail::append_repr(out, value);
  return out;
}

}  // namespace kin
