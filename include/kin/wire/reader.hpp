// SPDX-License-Identifier: BSL-1.0
// reader: takes values out of a message. The Archive that a serialize() sees while its value is received.
// Trusts nothing: whatever the bytes, a value comes out or decode_error is thrown, and memory grows only with
// what has really been decoded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include <kin/core/error.hpp>
#include <kin/wire/kind.hpp>
#include <kin/wire/nesting.hpp>
#include <kin/wire/parcel.hpp>
#include <kin/wire/sendable.hpp>

namespace kin {

namespace detail {
/// Where the bytes of a message come from that is too large to be all here at once.
class KIN_EXPORT byte_source {
 public:
  byte_source() = default;
  byte_source(const byte_source&) = delete;
  byte_source& operator=(const byte_source&) = delete;
  virtual ~byte_source();
  /// Waits for the next bytes of the message, at least one; those shown before are gone. Somebody else may write where
  /// they lie: whoever reads one twice may see two. Throws closed_error when no more will come.
  virtual std::span<const std::byte> next() = 0;
};

[[noreturn]] KIN_EXPORT void cannot_decode(const char* why);
[[noreturn]] KIN_EXPORT void nested_too_deep_to_decode();

// Gives `target`, which may be a const member, the value `fresh`.
template <class T>
void replace(const T& target, T fresh) {
  auto& object = const_cast<T&>(target);
  static_assert(std::is_nothrow_move_constructible_v<T>,
                "kin: this member is const or cannot be assigned, and its move may throw");
  std::destroy_at(&object);
  std::construct_at(&object, std::move(fresh));
}
}  // namespace detail

/// Reads a message that it borrows: bytes and descriptors must outlive it. Not thread-safe.
class reader {
 public:
  static constexpr bool is_saving = false;
  static constexpr bool is_loading = true;

  explicit reader(detail::parcel& message) noexcept : reader(message.view(), message.fds) {}
  reader(std::span<const std::byte> bytes, std::vector<unique_fd>& fds) noexcept
      : next_(bytes.data()), here_(bytes.size()), fds_(fds) {}
  /// A message of `size` bytes that are still to come.
  reader(detail::byte_source& source, std::uint64_t size, std::vector<unique_fd>& fds) noexcept
      : beyond_(static_cast<std::size_t>(size)), source_(&source), fds_(fds) {}
  reader(const reader&) = delete;
  reader& operator=(const reader&) = delete;

  /// `ar(first, second)`: gives each the next value. Throws decode_error; what was read until then keeps its new value.
  template <class... T>
  reader& operator()(T&... values) {
    (get(values), ...);
    return *this;
  }
  template <class T>
  reader& operator&(T& value) {
    get(value);
    return *this;
  }
  template <class T>
  void get(T& value) {
    using rule = detail::rule<std::remove_cv_t<T>>;
    if constexpr (std::is_array_v<T>)
      for (auto& element : value) get(element);
    else if constexpr (std::is_const_v<T>)
      detail::replace(value, take<std::remove_const_t<T>>());
    else if constexpr (requires { rule::decode(*this, value); })
      rule::decode(*this, value);
    else if constexpr (std::is_move_assignable_v<T>)
      value = rule::take(*this);
    else
      detail::replace(value, rule::take(*this));
  }
  /// The next value, as a T. T has a default constructor (or lets kin::access in), or a codec of its own.
  template <class T>
  [[nodiscard]] T take() {
    using rule = detail::rule<T>;
    if constexpr (requires { rule::take(*this); }) {
      return rule::take(*this);
    } else if constexpr (detail::makeable<T>) {
      T value = detail::make<T>();
      get(value);
      return value;
    } else {
      check_sendable<T>();
      detail::cannot_decode("unreachable");
    }
  }

  /// The next n bytes as they are.
  void raw(void* target, std::size_t n) {
    if (n > here_) [[unlikely]]
      return raw_of_several(static_cast<std::byte*>(target), n);
    if (n != 0) std::memcpy(target, next_, n);
    next_ += n;
    here_ -= n;
  }
  /// The next n bytes where they lie. They stay there until the next call, and longer if the message is all here.
  [[nodiscard]] std::span<const std::byte> view(std::size_t n) {
    if (source_ != nullptr) [[unlikely]]
      return copied(n);
    if (n > here_) detail::cannot_decode("the message ends too early");
    const std::span<const std::byte> bytes(next_, n);
    next_ += n;
    here_ -= n;
    return bytes;
  }
  /// A number of elements, each of which takes at least `least_bytes_each` (0 counts as 1) of the bytes left.
  [[nodiscard]] std::size_t size(std::size_t least_bytes_each) {
    std::uint64_t n = 0;
    raw(&n, sizeof n);
    if (n > left() / (least_bytes_each == 0 ? 1 : least_bytes_each))
      detail::cannot_decode("a container claims more elements than the message holds");
    return static_cast<std::size_t>(n);
  }
  /// The next descriptor, now the caller's. Throws decode_error when the message has none of that number (any more).
  [[nodiscard]] KIN_EXPORT unique_fd fd();

  /// Bytes not yet read, according to the message.
  [[nodiscard]] std::size_t left() const noexcept { return here_ + beyond_; }
  /// Whether the next n of them have come.
  [[nodiscard]] bool has(std::size_t n) const noexcept { return n <= here_; }
  /// Throws decode_error if any are.
  void finish() const {
    if (left() != 0) detail::cannot_decode("bytes are left over after the value");
  }

  /// For the rules: as in writer.
  using level = detail::level<&detail::nested_too_deep_to_decode>;
  [[nodiscard]] level descend() { return level(levels_); }
  [[nodiscard]] level call_user() { return level(calls_); }

  /// For the rules: an object met before, or null for the next new one (0 is taken by the null pointer, which the
  /// rule sees itself). A new one is announced by a null answer and given to keep() once it is complete.
  [[nodiscard]] KIN_EXPORT std::shared_ptr<void> shared(std::uint32_t number, const std::type_info& type);
  KIN_EXPORT void keep(std::uint32_t number, std::shared_ptr<void> object, const std::type_info& type);

 private:
  KIN_EXPORT void raw_of_several(std::byte* target, std::size_t n);
  KIN_EXPORT std::span<const std::byte> copied(std::size_t n);

  struct received {
    std::shared_ptr<void> owner;
    const std::type_info* type;  // null until complete
  };
  const std::byte* next_ = nullptr;
  std::size_t here_ = 0;    // bytes from next_ on
  std::size_t beyond_ = 0;  // that are still to come from source_
  detail::byte_source* source_ = nullptr;
  std::vector<unique_fd>& fds_;
  std::vector<std::byte> copy_;  // what was viewed last, of a message that comes from source_
  std::vector<received> objects_;
  int levels_ = 0;
  int calls_ = 0;
};

}  // namespace kin
