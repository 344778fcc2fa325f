// SPDX-License-Identifier: BSL-1.0
// signature: what makes a message of one type readable as another: the structure, not the spelling. The receiver
// compares its signature with the sender's before it decodes (type_mismatch otherwise).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <kin/wire/record_types.hpp>

namespace kin {

/// The structure of T as text, for error messages: "{i32,[str]}". The same with every compiler on this platform.
template <class T>
const std::string& type_structure() {
  check_sendable<T>();
  static const std::string text = [] {
    structure s;
    s.add<T>();
    return s.text();
  }();
  return text;
}

namespace detail {
/// FNV-1a, 64 bits.
constexpr std::uint64_t hash_of(std::string_view text) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}
}  // namespace detail

/// A number that is the same for types of the same structure. Found once for each type, then a load.
template <class T>
std::uint64_t type_signature() {
  static const std::uint64_t signature = detail::hash_of(type_structure<T>());
  return signature;
}

}  // namespace kin
