// SPDX-License-Identifier: BSL-1.0
// record_types: how what has members crosses: tuples, plain structs, classes with serialize(), and types with a codec.
// Member after member, nothing between them; so the same members in another kind of record have the same encoding.
#pragma once

#include <memory>
#include <string_view>
#include <tuple>
#include <utility>

#include <kin/wire/pointer_types.hpp>

namespace kin::detail {

// The bytes of all members of T, if these are all the bytes T has.
template <class T, class Members>
inline constexpr bool all_flat = false;
template <class T, class... M>
inline constexpr bool all_flat<T, types<M...>> = [] {
  if constexpr (sizeof...(M) > 0 && std::is_trivially_copyable_v<T> && std::is_trivially_copy_assignable_v<T>)
    return (is_flat<M> && ...) && (sizeof(M) + ... + 0) == sizeof(T);
  else
    return false;
}();

template <class T, class Members>
struct members_rule;
template <class T, class... M>
struct members_rule<T, types<M...>> {
  using parts = types<M...>;
  static constexpr std::size_t least = (least_bytes<M> + ... + 0);
  static T take(reader& r)
    requires(!makeable<T> && !(std::is_array_v<M> || ...))
  {
    return T{r.take<std::remove_const_t<M>>()...};  // braces: from left to right
  }
  static void describe(structure& s) {
    s.inside<T>("{", "}", [&] { (s.add<M>(), ...); });
  }
};

template <template <class...> class Template, class... M>
struct rule<Template<M...>, kind::tuple> : members_rule<Template<M...>, types<M...>> {
  using T = Template<M...>;
  static constexpr bool flat = false;
  static void encode(writer& w, const T& value) {
    std::apply([&](const auto&... member) { (w.put(member), ...); }, value);
  }
  static void decode(reader& r, T& value)
    requires makeable<T>
  {
    std::apply([&](auto&... member) { (r.get(member), ...); }, value);
  }
};

template <class T>
struct rule<T, kind::aggregate> : members_rule<T, member_types<T>> {
  static constexpr bool flat = all_flat<T, member_types<T>>;
  static void encode(writer& w, const T& value) {
    if constexpr (flat)
      w.raw(std::addressof(value), sizeof value);
    else
      visit_members(value, [&](const auto&... member) { (w.put(member), ...); });
  }
  static void decode(reader& r, T& value)
    requires makeable<T>
  {
    if constexpr (flat)
      r.raw(std::addressof(value), sizeof value);
    else
      visit_members(value, [&](auto&... member) { (r.get(member), ...); });
  }
};

// serialize() is one function for both directions, so it is not const; while saving it changes nothing.
template <class T>
struct serialize_rule : plain_rule<0> {
  template <class Archive>
  static void call(T& value, Archive& ar) {
    if constexpr (has_member_serialize<T>)
      access::serialize(value, ar);
    else
      detail::serialize_free(value, ar);
  }
  static void encode(writer& w, const T& value) {
    const auto level = w.call_user();
    call(const_cast<T&>(value), w);
  }
  static void decode(reader& r, T& value) {
    const auto level = r.call_user();
    call(value, r);
  }
  static void describe(structure& s) {
    s.inside<T>("{", "}", [&] {
      if constexpr (makeable<T>) {
        try {
          T sample = make<T>();
          call(sample, s);
        } catch (...) {  // one that refuses a default-made object: whoever sends or receives one will hear of it
          s.name(demangled(typeid(T)));
        }
      } else {
        check_sendable<T>();
      }
    });
  }
};
template <class T>
struct rule<T, kind::member_serialize> : serialize_rule<T> {};
template <class T>
struct rule<T, kind::free_serialize> : serialize_rule<T> {};

template <class T>
struct rule<T, kind::custom> : plain_rule<0> {
  static void encode(writer& w, const T& value) {
    const auto level = w.call_user();
    codec<T>::encode(w, value);
  }
  static T take(reader& r) {
    const auto level = r.call_user();
    return codec<T>::decode(r);
  }
  static void describe(structure& s) {
    if constexpr (requires { codec<T>::describe(s); })
      s.inside<T>("", "", [&] { codec<T>::describe(s); });
    else if constexpr (requires { std::string_view(codec<T>::structure); })
      s.name(codec<T>::structure);
    else
      s.name(demangled(typeid(T)));
  }
};

// Refused: the one error is check_sendable's.
template <class T>
struct rule<T, kind::unsendable> : plain_rule<0> {
  static void encode(writer&, const T&) { check_sendable<T>(); }
  static void decode(reader&, T&) { check_sendable<T>(); }
  static T take(reader&) {
    check_sendable<T>();
    cannot_decode("unreachable");
  }
  static void describe(structure&) { check_sendable<T>(); }
};

}  // namespace kin::detail
