// SPDX-License-Identifier: BSL-1.0
// function_types: pointers to functions, and lambdas without captures, as values.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include <kin/core/export.hpp>
#include <kin/wire/reader.hpp>
#include <kin/wire/sendable.hpp>
#include <kin/wire/writer.hpp>

namespace kin {

namespace detail {

template <class F>
concept function_pointer = std::is_pointer_v<F> && std::is_function_v<std::remove_pointer_t<F>>;
/// Nothing to send: the type says it all. A lambda written [&]{} that captures nothing has no default constructor.
template <class F>
concept stateless =
    std::is_class_v<F> && std::is_empty_v<F> && (std::is_default_constructible_v<F> || std::is_trivially_copyable_v<F>);

template <class... T>
constexpr std::uint64_t type_hash() {
  std::uint64_t hash = 1469598103934665603U;
  for (const char c : std::string_view(__PRETTY_FUNCTION__))
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return hash;
}

/// Throw encode_error for a null pointer and for one into no module's code; decode_error for damage, another type, and
/// whatever is no code. A descriptor proves itself, a function cannot: that the address was not made up is trusted.
KIN_EXPORT void encode_function(writer& out, const void* function, std::uint64_t type);
[[nodiscard]] KIN_EXPORT const void* decode_function(reader& in, std::uint64_t type);

}  // namespace detail

/// A pointer to a function is a value: it travels as its place in its module, and both sides need the same build.
template <detail::function_pointer F>
struct codec<F> {
  static constexpr std::uint64_t type = detail::type_hash<F>();  // found while compiling
  static void encode(writer& out, F f) { detail::encode_function(out, reinterpret_cast<const void*>(f), type); }
  static F decode(reader& in) { return reinterpret_cast<F>(const_cast<void*>(detail::decode_function(in, type))); }
};

/// A lambda without captures is a value too, so that it can be an argument.
template <class F>
  requires(detail::stateless<F> && std::is_trivially_copyable_v<F> && detail::is_closure<F>())
struct codec<F> {
  static void encode(writer&, const F&) noexcept {}
  static F decode(reader&) noexcept { return std::bit_cast<F>(char{}); }
};

}  // namespace kin
