// SPDX-License-Identifier: BSL-1.0
// array: n Ts in shared memory, one after the other. A handle: a copy names the same elements; hand it to processes,
// tasks and queues like any value, at the price of a few bytes, whatever its size.
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <memory>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

#include <kin/core/count.hpp>
#include <kin/shared/shareable.hpp>
#include <kin/shared/shared_object.hpp>
#include <kin/sync/mutex.hpp>
#include <kin/wire/access.hpp>

namespace kin {

/// The elements may be read and written by anybody at any time, like those of a std::vector between threads: what is
/// written where another reads needs a lock, get_lock() or one of your own. Its length is for ever. Pages are allocated
/// when it is made: a full memory is an os_error then, never a signal later.
template <class T>
class array {
 public:
  using kin_handle = void;
  using element_type = T;
  using value_type = T;
  using size_type = std::size_t;
  using difference_type = std::ptrdiff_t;
  using reference = T&;
  using pointer = T*;
  using const_reference = const T&;
  using const_pointer = const T*;
  using iterator = T*;
  using const_iterator = const T*;
  using reverse_iterator = std::reverse_iterator<iterator>;
  using const_reverse_iterator = std::reverse_iterator<const_iterator>;

  /// No elements.
  array() : array(count(0)) {}
  /// Zeroed; Ts that give their members other values are made so. Throws os_error (no memory), std::length_error.
  explicit array(count n) : array(make(n)) {
    if constexpr (!std::is_trivially_default_constructible_v<T>) std::uninitialized_value_construct_n(data(), size());
  }
  array(count n, const T& element) : array(make(n)) { std::uninitialized_fill_n(data(), size(), element); }
  array(std::initializer_list<T> elements) : array(elements.begin(), elements.end()) {}
  template <std::input_iterator I>
  array(I first, I last) : array(copy(std::ranges::subrange(std::move(first), std::move(last)))) {}
  template <std::ranges::input_range R>
    requires(!std::same_as<std::remove_cvref_t<R>, array> && std::convertible_to<std::ranges::range_reference_t<R>, T>)
  explicit array(R&& elements) : array(copy(elements)) {}

  [[nodiscard]] T* data() const noexcept { return std::launder(reinterpret_cast<T*>(elements_.data)); }
  [[nodiscard]] std::size_t size() const noexcept { return elements_.count; }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  [[nodiscard]] static constexpr std::size_t max_size() noexcept {
    return static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max()) / sizeof(T);
  }
  [[nodiscard]] T* begin() const noexcept { return data(); }
  [[nodiscard]] T* end() const noexcept { return data() + size(); }
  [[nodiscard]] const T* cbegin() const noexcept { return begin(); }
  [[nodiscard]] const T* cend() const noexcept { return end(); }
  [[nodiscard]] reverse_iterator rbegin() const noexcept { return reverse_iterator(end()); }
  [[nodiscard]] reverse_iterator rend() const noexcept { return reverse_iterator(begin()); }
  [[nodiscard]] const_reverse_iterator crbegin() const noexcept { return const_reverse_iterator(cend()); }
  [[nodiscard]] const_reverse_iterator crend() const noexcept { return const_reverse_iterator(cbegin()); }

  [[nodiscard]] T& operator[](std::size_t index) const noexcept { return data()[index]; }
  /// Throws std::out_of_range.
  [[nodiscard]] T& at(std::size_t index) const {
    if (index >= size()) detail::throw_no_such_element();
    return data()[index];
  }
  [[nodiscard]] T& front() const noexcept { return data()[0]; }
  [[nodiscard]] T& back() const noexcept { return data()[size() - 1]; }
  void fill(const T& element) const { std::fill(begin(), end(), element); }

  /// The lock that goes with it, for those who agree to take it: a kin::mutex, with a mutex's answer to deaths.
  [[nodiscard]] mutex& get_lock() const noexcept { return lock_; }

  /// The same elements in memory, not equal ones: compare with std::ranges::equal for that.
  friend bool operator==(const array& a, const array& b) noexcept { return a.elements_.ref == b.elements_.ref; }

 private:
  friend struct codec<array>;
  array(detail::shared_elements elements, mutex lock) noexcept
      : elements_(std::move(elements)), lock_(std::move(lock)) {}
  explicit array(detail::shared_elements elements) : elements_(std::move(elements)) {}
  static detail::shared_elements make(std::size_t n) {
    detail::check_shareable<T>();
    static_assert(alignof(T) <= 4096);
    if (n > max_size()) detail::throw_array_too_long();
    return detail::make_array(n, sizeof(T), alignof(T));
  }
  template <class R>
  static detail::shared_elements copy(R&& elements) {
    if constexpr (std::ranges::forward_range<R>) {
      auto made = make(static_cast<std::size_t>(std::ranges::distance(elements)));
      std::ranges::uninitialized_copy(elements, std::ranges::subrange(reinterpret_cast<T*>(made.data),
                                                                      reinterpret_cast<T*>(made.data) + made.count));
      return made;
    } else {
      std::vector<T> all;
      for (auto&& element : elements) all.push_back(std::forward<decltype(element)>(element));
      return copy(all);
    }
  }
  detail::shared_elements elements_;
  mutable mutex lock_;
};

template <class I>
array(I, I) -> array<std::iter_value_t<I>>;
template <std::ranges::input_range R>
explicit array(R&&) -> array<std::ranges::range_value_t<R>>;

template <class T>
struct codec<array<T>> {
  static constexpr bool has_descriptors = false;
  static void encode(writer& to, const array<T>& a) {
    a.elements_.ref.encode(to);
    to(a.lock_);
  }
  static array<T> decode(reader& from) {
    auto elements = detail::decode_array(from, sizeof(T), alignof(T));
    return array<T>(std::move(elements), from.take<mutex>());
  }
  static void describe(structure& s) { detail::describe_shareable<T>(s, "array("); }
};

}  // namespace kin
