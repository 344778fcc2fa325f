// SPDX-License-Identifier: BSL-1.0
// shared_list: a list in shared memory, without a server: any process reads and writes it by itself. Python's list,
// with C++'s names where it has them; manager's list_proxy with another place to live.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <ostream>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

#include <kin/core/read_only.hpp>
#include <kin/shared/element.hpp>
#include <kin/wire/repr.hpp>
#include <kin/wire/snapshot_iterator.hpp>

namespace kin {

/// A handle: a copy names the same list; hand it to processes, tasks and queues like any value. Each method is atomic,
/// under the list's lock. A process killed in the middle of one leaves what was there before or what would have been
/// there after, and blocks nobody. An index beyond the end is std::out_of_range. Elements in the middle are inserted
/// and erased at the price of writing all anew, as in a vector. Throws os_error when there is no memory: then nothing
/// has changed.
template <class T>
class shared_list {
  static constexpr bool raw = detail::is_raw_value<T>;
  static constexpr detail::container_form form = detail::container_form::list(detail::is_inline<raw, T>);
  using encoded = detail::encoded_element<T, raw>;
  using taken = detail::taken_element<T, raw>;
  using access = detail::container_access;

 public:
  using kin_handle = void;
  using value_type = T;

  shared_list() : all_(detail::object_kind::shared_list, form) { detail::check_element<T, raw>(); }
  shared_list(std::initializer_list<T> elements) : shared_list() { extend(elements); }
  template <std::ranges::input_range R>
    requires(!std::same_as<std::remove_cvref_t<R>, shared_list>)
  explicit shared_list(R&& elements) : shared_list() {
    extend(std::forward<R>(elements));
  }

  void push_back(const T& value) const {
    const encoded element(value);
    const detail::byte_view bytes = element.bytes();
    access(all_).append({&bytes, 1});
  }
  /// All of them at once or, if something goes wrong, none.
  template <std::ranges::input_range R>
  void extend(R&& more) const {
    const held elements = collect(std::forward<R>(more));
    std::vector<encoded> kept;
    const auto bytes = views(elements, kept);
    access(all_).append(bytes);
  }
  void extend(std::initializer_list<T> more) const { extend(std::vector<T>(more)); }
  /// Before the element at `index`; index == size() appends.
  void insert(std::size_t index, const T& value) const {
    const encoded element(value);
    access list(all_);
    auto all = list.values();
    if (index > all.size()) detail::throw_beyond_end();
    all.insert(all.begin() + static_cast<std::ptrdiff_t>(index), element.bytes());
    list.assign(all);
  }
  void set(std::size_t index, const T& value) const {
    const encoded element(value);
    access list(all_);
    if (index >= list.size()) detail::throw_beyond_end();
    list.set_at(index, element.bytes());
  }
  void erase(std::size_t index) const {
    access list(all_);
    if (index >= list.size()) detail::throw_beyond_end();
    take_out(list, index);
  }
  void clear() const { access(all_).clear(); }
  /// Takes the last element out; std::out_of_range when there is none.
  T pop_back() const {
    access list(all_);
    if (list.size() == 0) detail::throw_beyond_end();
    return pop_from(list, list.size() - 1);
  }
  T pop() const { return pop_back(); }
  T pop(std::size_t index) const {
    access list(all_);
    if (index >= list.size()) detail::throw_beyond_end();
    return pop_from(list, index);
  }
  /// Runs f(element, args...) here, under the list's lock, and puts back what f has made of the T& it gets; returns
  /// what f returns. If f throws, or the process dies in it, the element is as before. f must not use this list; in a
  /// process that it forks, this throws closed_error.
  template <class F, class... A>
  auto update(std::size_t index, F&& f, A&&... args) const {
    access list(all_);
    if (index >= list.size()) detail::throw_beyond_end();
    T element = taken(list.at(index)).get();
    const auto put_back = [&] {
      const encoded e(element);
      list.require_lock();
      list.set_at(index, e.bytes());
    };
    if constexpr (std::is_void_v<std::invoke_result_t<F, T&, A...>>) {
      std::invoke(std::forward<F>(f), element, std::forward<A>(args)...);
      put_back();
    } else {
      auto result = std::invoke(std::forward<F>(f), element, std::forward<A>(args)...);
      put_back();
      return result;
    }
  }

  /// A copy of the element.
  [[nodiscard]] detail::read_only<T> operator[](std::size_t index) const {
    return [&] {
      const access list(all_);
      if (index >= list.size()) detail::throw_beyond_end();
      return taken(list.at(index));
    }()
               .get();
  }
  [[nodiscard]] detail::read_only<T> at(std::size_t index) const { return (*this)[index]; }
  /// Nothing beyond the end.
  [[nodiscard]] std::optional<T> get(std::size_t index) const {
    auto found = [&]() -> std::optional<taken> {
      const access list(all_);
      if (index >= list.size()) return std::nullopt;
      return taken(list.at(index));
    }();
    if (!found) return std::nullopt;
    return std::move(*found).get();
  }
  [[nodiscard]] detail::read_only<T> front() const { return (*this)[0]; }
  [[nodiscard]] detail::read_only<T> back() const {
    return [&] {
      const access list(all_);
      if (list.size() == 0) detail::throw_beyond_end();
      return taken(list.at(list.size() - 1));
    }()
               .get();
  }
  [[nodiscard]] std::size_t size() const { return access(all_).size(); }
  [[nodiscard]] bool empty() const { return size() == 0; }
  /// A copy of all elements at one moment.
  [[nodiscard]] std::vector<T> snapshot() const {
    std::vector<taken> copies;
    {
      const access list(all_);
      copies.reserve(list.size());
      for (std::size_t i = 0; i < list.size(); ++i) copies.emplace_back(list.at(i));
    }
    std::vector<T> all;
    all.reserve(copies.size());
    for (taken& copy : copies) all.push_back(std::move(copy).get());
    return all;
  }

  [[nodiscard]] bool contains(const T& value) const { return index(value).has_value(); }
  [[nodiscard]] std::size_t count(const T& value) const {
    const std::vector<T> all = snapshot();
    return static_cast<std::size_t>(std::count(all.begin(), all.end(), value));
  }
  /// Of the first equal element.
  [[nodiscard]] std::optional<std::size_t> index(const T& value) const {
    const std::vector<T> all = snapshot();
    const auto found = std::find(all.begin(), all.end(), value);
    return found == all.end() ? std::nullopt : std::optional(static_cast<std::size_t>(found - all.begin()));
  }
  /// Takes the first equal element out; false when there is none.
  bool remove(const T& value) const {
    return change([&](held& all) {
      const auto found = std::find(all.begin(), all.end(), value);
      if (found == all.end()) return false;
      all.erase(found);
      return true;
    });
  }
  void reverse() const {
    access list(all_);
    auto all = list.values();
    std::reverse(all.begin(), all.end());
    list.assign(all);
  }
  /// Stable, by operator<.
  void sort() const {
    change([](held& all) {
      std::stable_sort(all.begin(), all.end());
      return true;
    });
  }

  /// For range-for: one snapshot, taken here.
  [[nodiscard]] snapshot_iterator<T> begin() const { return snapshot_iterator<T>(snapshot()); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

  /// The same list, not equal ones: compare snapshots for that.
  friend bool operator==(const shared_list& a, const shared_list& b) noexcept { return a.all_ == b.all_; }
  /// As Python prints a list: ['hello', 'world'].
  friend std::ostream& operator<<(std::ostream& out, const shared_list& list) { return out << repr(list.snapshot()); }

 private:
  friend struct codec<shared_list>;
  explicit shared_list(detail::shared_container all) noexcept : all_(all) {}
  // A vector<bool> has no elements that could be borrowed.
  using held = std::conditional_t<std::is_same_v<T, bool>, std::deque<bool>, std::vector<T>>;

  static void take_out(access& list, std::size_t index) {
    if (index + 1 == list.size()) return list.pop_back();
    auto all = list.values();
    if (index >= all.size()) detail::throw_beyond_end();
    all.erase(all.begin() + static_cast<std::ptrdiff_t>(index));
    list.assign(all);
  }
  // What cannot be decoded stays.
  static T pop_from(access& list, std::size_t index) {
    T element = taken(list.at(index)).get();
    take_out(list, index);
    return element;
  }

  template <class R>
  static held collect(R&& more) {
    if constexpr (std::same_as<std::remove_cvref_t<R>, held>) {
      return std::forward<R>(more);
    } else {
      held elements;
      for (auto&& element : more) elements.emplace_back(std::forward<decltype(element)>(element));
      return elements;
    }
  }
  static std::vector<detail::byte_view> views(const held& elements, std::vector<encoded>& kept) {
    std::vector<detail::byte_view> bytes;
    kept.reserve(elements.size());
    bytes.reserve(elements.size());
    for (const T& element : elements) bytes.push_back(kept.emplace_back(element).bytes());
    return bytes;
  }
  template <class F>
  bool change(F f) const {
    access list(all_);
    held all;
    for (std::size_t i = 0; i < list.size(); ++i) all.push_back(taken(list.at(i)).get());
    if (!f(all)) return false;
    std::vector<encoded> kept;
    list.assign(views(all, kept));
    return true;
  }
  detail::shared_container all_;
};

template <std::ranges::input_range R>
explicit shared_list(R&&) -> shared_list<std::ranges::range_value_t<R>>;

template <class T>
struct codec<shared_list<T>> {
  static constexpr bool has_descriptors = false;
  static void encode(writer& to, const shared_list<T>& list) { list.all_.encode(to); }
  static shared_list<T> decode(reader& from) {
    return shared_list<T>(
        detail::shared_container::decode(from, detail::object_kind::shared_list, shared_list<T>::form));
  }
  static void describe(structure& s) { detail::describe_shareable<T>(s, "shared_list("); }
};

}  // namespace kin
