// SPDX-License-Identifier: BSL-1.0
// element: keys and values of shared lists and dicts as bytes. What can lie in shared memory as it is does; a
// std::string is its characters; anything else is what its codec writes.
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <kin/core/error.hpp>
#include <kin/shared/shareable.hpp>
#include <kin/shared/shared_container.hpp>
#include <kin/wire/codec.hpp>

namespace kin::detail {

template <class T>
inline constexpr bool is_raw_value = lies_in_memory_as_it_is<T>() && !has_within<T, translated>();
// Equal keys are equal bytes: no padding, and one zero.
template <class T>
inline constexpr bool is_raw_key = is_raw_value<T> && (std::has_unique_object_representations_v<T> ||
                                                       std::same_as<T, float> || std::same_as<T, double>);
template <class T>
inline constexpr bool is_text = std::same_as<T, std::string>;

template <class T, bool Raw>
constexpr void check_element() {
  if constexpr (Raw)
    check_shareable<T>();
  else
    check_sendable<T>();
}
template <bool Raw, class T>
inline constexpr bool is_inline = Raw && sizeof(T) <= 8;

/// A T as bytes; borrows it.
template <class T, bool Raw>
class encoded_element {
 public:
  explicit encoded_element(const T& element)
    requires Raw || is_text<T>
  {
    if constexpr (is_text<T>)
      bytes_ = std::as_bytes(std::span(element.data(), element.size()));
    else
      bytes_ = std::as_bytes(std::span(std::addressof(element), 1));
  }
  explicit encoded_element(const T& element)
    requires(!Raw && !is_text<T>)
      : message_(encode(element)) {
    if (!message_.fds.empty())
      throw encode_error("kin: a value with a file descriptor in it cannot lie in shared memory");
    bytes_ = message_.bytes;
  }
  encoded_element(encoded_element&&) noexcept = default;  // the bytes of a vector stay where they are
  [[nodiscard]] byte_view bytes() const noexcept { return bytes_; }

 private:
  struct nothing {};
  std::conditional_t<Raw || is_text<T>, nothing, parcel> message_;
  byte_view bytes_;
};

template <class T, bool Raw>
T decode_element(byte_view bytes) {
  if constexpr (Raw) {
    std::array<std::byte, sizeof(T)> copy;
    if (bytes.size() < sizeof(T) || bytes.size() >= sizeof(T) + 8) throw_damaged_element();  // or in whole words
    std::memcpy(copy.data(), bytes.data(), sizeof(T));
    return std::bit_cast<T>(copy);
  } else if constexpr (is_text<T>) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  } else {
    std::vector<unique_fd> none;
    reader in(bytes, none);
    T element = in.take<T>();
    in.finish();
    return element;
  }
}

/// One element as it lay there when the lock was held, to be decoded without it: user code takes what time it likes.
template <class T, bool Raw>
class taken_element {
 public:
  explicit taken_element(byte_view bytes) : content_(keep(bytes)) {}
  [[nodiscard]] T get() && {
    if constexpr (Raw || is_text<T>)
      return std::move(content_);
    else
      return decode_element<T, Raw>(content_);
  }

 private:
  using kept = std::conditional_t<Raw || is_text<T>, T, std::vector<std::byte>>;
  static kept keep(byte_view bytes) {
    if constexpr (Raw || is_text<T>)
      return decode_element<T, Raw>(bytes);
    else
      return {bytes.begin(), bytes.end()};
  }
  kept content_;
};

}  // namespace kin::detail
