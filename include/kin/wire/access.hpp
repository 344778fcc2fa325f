// SPDX-License-Identifier: BSL-1.0
// access: the three ways in which a user teaches kin a type of theirs: serialize(), kin::codec<T>,
// kin::derived_types<Base>. Light on purpose: a header that only befriends or specialises these needs nothing else of
// kin.
#pragma once

#include <utility>

namespace kin {

class writer;
class reader;
class structure;

/// Specialise to say how a T crosses; goes before everything else kin knows about T.
///     template <> struct kin::codec<money> {
///       static void encode(kin::writer& out, const money& m) { out(m.cents()); }
///       static money decode(kin::reader& in) { return money(in.take<long>()); }
///       static void describe(kin::structure& s) { s.add<long>(); }   // optional
///       static constexpr bool has_descriptors = false;                // optional: makes queues of it faster
///     };
/// `decode` may meet any bytes and throws kin::decode_error for those that are no T. The identity on the wire is what
/// `describe` says, or a `static constexpr std::string_view structure`, or else the name of the type. With
/// `has_descriptors` false `encode` promises never to write a file descriptor; a `put` of one that does is an
/// encode_error.
template <class T>
struct codec;

/// Specialise with every type that a `std::unique_ptr<Base>` or `std::shared_ptr<Base>` may point at:
///     template <> struct kin::derived_types<shape> { using list = std::tuple<circle, square>; };
/// The order is part of the format. Base needs a virtual destructor, each listed type a serialize() or a codec.
template <class Base>
struct derived_types {};

/// Befriend (`friend struct kin::access;`) to keep serialize() or the default constructor private.
struct access {
  template <class T, class Archive>
  static auto serialize(T& value, Archive& ar) -> decltype(value.serialize(ar)) {
    return value.serialize(ar);
  }
  template <class T>
  static auto serialize_of() -> decltype(&T::template serialize<writer>);
  /// A value to decode into.
  template <class T>
  static auto make() -> decltype(T()) {
    return T();
  }
  template <class T>
  static auto make_new() -> decltype(new T()) {
    return new T();
  }
};

namespace detail {

// Outside of access, whose member hides the free serialize(Archive&, T&) that argument-dependent lookup must find.
template <class T, class Archive>
auto serialize_free(T& value, Archive& ar) -> decltype(serialize(ar, value)) {
  return serialize(ar, value);
}

template <class T>
concept has_codec = requires { sizeof(codec<T>); };
template <class T>
concept has_member_serialize = requires(T& value, writer& ar) { access::serialize(value, ar); };
template <class T>
concept has_free_serialize = requires(T& value, writer& ar) { detail::serialize_free(value, ar); };
template <class T>
concept has_derived_types = requires { typename derived_types<T>::list; };

template <class T>
concept plainly_makeable = requires { access::make<T>(); };
// An aggregate with a const member has no default constructor, and yet T{} is one.
template <class T>
concept makeable = plainly_makeable<T> || requires { T{}; };

template <class T>
T make() {
  if constexpr (plainly_makeable<T>)
    return access::make<T>();
  else
    return T{};
}

template <class T>
T* make_new() {
  if constexpr (plainly_makeable<T>)
    return access::make_new<T>();
  else
    return new T{};
}

}  // namespace detail
}  // namespace kin
