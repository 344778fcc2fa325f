// SPDX-License-Identifier: BSL-1.0
// codec: values to bytes and descriptors, and back. Front of all of kin/wire's encoding: include this one.
//
// A type crosses by the first of these that it has: kin::codec<T>, serialize(), a rule for the standard library's
// types, its members if it is a plain struct; else check_sendable's sentence. kin/wire/kind.hpp decides.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include <kin/wire/access.hpp>
#include <kin/wire/function_types.hpp>
#include <kin/wire/parcel.hpp>
#include <kin/wire/reader.hpp>
#include <kin/wire/record_types.hpp>
#include <kin/wire/sendable.hpp>
#include <kin/wire/signature.hpp>
#include <kin/wire/structure.hpp>
#include <kin/wire/writer.hpp>

namespace kin {

/// A descriptor crosses as a duplicate; an empty unique_fd as an empty one. Whoever sends by moving destroys the
/// original once it is sent.
template <>
struct codec<unique_fd> {
  static constexpr std::string_view structure = "fd";
  static void encode(writer& out, const unique_fd& fd) {
    out.put(static_cast<bool>(fd));
    if (fd) out.fd(fd.get());
  }
  static unique_fd decode(reader& in) { return in.take<bool>() ? in.fd() : unique_fd(); }
};

/// For a parameter that is an optional. As an object it cannot be made by default, so a rule would not do.
template <>
struct codec<std::nullopt_t> {
  static constexpr std::string_view structure = "{}";
  static void encode(writer&, std::nullopt_t) {}
  static std::nullopt_t decode(reader&) { return std::nullopt; }
};

namespace detail {

/// `value` as a message of its own.
template <class T>
[[nodiscard]] parcel encode(const T& value, delivery handles = delivery::kept) {
  check_sendable<T>();
  writer out(handles);
  out.put(value);
  return out.take();
}

/// The same, but what is large stays where it is in `value`, as `from` says then.
template <class T>
[[nodiscard]] parcel encode_around(const T& value, delivery handles, lending& from) {
  check_sendable<T>();
  from.alive = std::as_bytes(std::span(std::addressof(value), 1));
  writer out(handles, from);
  out.put(value);
  return out.take();
}

/// The value that `message` is. Throws decode_error unless it is exactly one T.
template <class T>
[[nodiscard]] T decode(parcel&& message) {
  check_sendable<T>();
  parcel owned = std::move(message);
  owned.arrived();
  reader in(owned);
  T value = in.take<T>();
  in.finish();
  return value;
}

}  // namespace detail
}  // namespace kin
