// SPDX-License-Identifier: BSL-1.0
// shared_dict: a dictionary in shared memory, without a server: any process reads and writes it by itself. Python's
// dict, in its order of insertion; manager's dict_proxy with another place to live.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <map>
#include <optional>
#include <ostream>
#include <ranges>
#include <span>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <kin/core/read_only.hpp>
#include <kin/shared/element.hpp>
#include <kin/wire/repr.hpp>
#include <kin/wire/snapshot_iterator.hpp>

namespace kin {

/// A handle: a copy names the same dict; hand it to processes, tasks and queues like any value. Each method is atomic,
/// under the dict's lock, but for an update() of many pairs, in which each pair is. A process killed in the middle of
/// one leaves the value that was there before or the one that would have been there after, and blocks nobody. Keys are
/// equal when they are encoded alike. A key that is not there is std::out_of_range with the key in its text. Throws
/// os_error when there is no memory: then nothing has changed.
template <class K, class V>
class shared_dict {
  static constexpr bool raw_key = detail::is_raw_key<K>;
  static constexpr bool raw = detail::is_raw_value<V>;
  static constexpr detail::container_form form = detail::container_form::dict(
      detail::is_inline<raw_key, K>, raw && sizeof(V) <= detail::container_form::most_inline ? sizeof(V) : 0);
  using encoded = detail::encoded_element<V, raw>;
  using taken = detail::taken_element<V, raw>;
  using taken_key = detail::taken_element<K, raw_key>;
  using access = detail::container_access;

 public:
  using kin_handle = void;
  using key_type = K;
  using mapped_type = V;
  using value_type = std::pair<K, V>;

  shared_dict() : all_(detail::object_kind::shared_dict, form) {
    detail::check_element<K, raw_key>();
    detail::check_element<V, raw>();
  }
  shared_dict(std::initializer_list<value_type> items) : shared_dict() { update(items); }
  template <std::ranges::input_range R>
    requires(!std::same_as<std::remove_cvref_t<R>, shared_dict>)
  explicit shared_dict(R&& items) : shared_dict() {
    update(std::forward<R>(items));
  }

  void set(const K& key, const V& value) const {
    const encoded_key k(key);
    const encoded v(value);
    all_.set(k.bytes(), v.bytes());
  }
  /// Runs f(value, args...) here, under the dict's lock, and puts back what f has made of the V& it gets; returns what
  /// f returns. A key that is not there gets a V{} first, so that `counts.update(word, [](int& n) { ++n; })` counts. If
  /// f throws, or the process dies in it, the dict is as before. f must not use this dict; in a process that it forks,
  /// this throws closed_error.
  template <class F, class... A>
    requires std::is_invocable_v<F, V&, A...>
  auto update(const K& key, F&& f, A&&... args) const {
    const encoded_key k(key);
    access dict(all_);
    V value = current_or_new(dict.find(k.bytes()), key);
    const auto put_back = [&] {
      const encoded v(value);
      dict.require_lock();
      dict.set(k.bytes(), v.bytes());
    };
    if constexpr (std::is_void_v<std::invoke_result_t<F, V&, A...>>) {
      std::invoke(std::forward<F>(f), value, std::forward<A>(args)...);
      put_back();
    } else {
      auto result = std::invoke(std::forward<F>(f), value, std::forward<A>(args)...);
      put_back();
      return result;
    }
  }
  /// Sets all pairs of `other` (a std::map, say).
  template <std::ranges::input_range R>
  void update(R&& other) const {
    for (auto&& [key, value] : other) set(key, value);
  }
  void update(std::initializer_list<value_type> other) const {
    for (const auto& [key, value] : other) set(key, value);
  }
  /// The value there; `value`, which is then set, where there was none.
  V setdefault(const K& key, const V& value) const {
    const encoded_key k(key);
    const encoded v(value);
    access dict(all_);
    if (const auto found = dict.find(k.bytes()); found.data() != nullptr) return taken(found).get();
    dict.set(k.bytes(), v.bytes());
    return value;
  }
  /// False when the key was not there.
  bool erase(const K& key) const {
    const encoded_key k(key);
    return access(all_).erase(k.bytes());
  }
  void clear() const { access(all_).clear(); }
  /// Takes the value out.
  V pop(const K& key) const {
    auto found = take_out(key);
    if (!found) missing(key);
    return std::move(*found);
  }
  V pop(const K& key, V otherwise) const { return take_out(key).value_or(std::move(otherwise)); }
  /// The item that was added last.
  value_type popitem() const {
    access dict(all_);
    detail::byte_view key, value;
    if (!dict.last(key, value)) detail::throw_missing_key({});
    value_type item(taken_key(key).get(), taken(value).get());
    dict.erase(std::vector<std::byte>(key.begin(), key.end()));  // not by its key encoded anew, which may differ
    return item;
  }

  /// A copy of the value.
  [[nodiscard]] detail::read_only<V> operator[](const K& key) const {
    if constexpr (raw && std::is_trivially_default_constructible_v<V>) {
      V copy;  // where the caller wants it, by way of no optional
      if (!all_.read(encoded_key(key).bytes(), std::as_writable_bytes(std::span(&copy, 1)))) missing(key);
      return copy;
    } else {
      auto found = get(key);
      if (!found) missing(key);
      return std::move(*found);
    }
  }
  [[nodiscard]] detail::read_only<V> at(const K& key) const { return (*this)[key]; }
  [[nodiscard]] std::optional<V> get(const K& key) const {
    const encoded_key k(key);
    if constexpr (raw) {
      std::array<std::byte, sizeof(V)> copy;
      if (!all_.read(k.bytes(), copy)) return std::nullopt;
      return std::bit_cast<V>(copy);
    } else {
      auto found = [&]() -> std::optional<taken> {
        const access dict(all_);
        const auto bytes = dict.find(k.bytes());
        if (bytes.data() == nullptr) return std::nullopt;
        return taken(bytes);
      }();
      if (!found) return std::nullopt;
      return std::move(*found).get();
    }
  }
  [[nodiscard]] std::optional<V> try_get(const K& key) const { return get(key); }
  [[nodiscard]] V get(const K& key, V otherwise) const { return get(key).value_or(std::move(otherwise)); }
  [[nodiscard]] bool contains(const K& key) const {
    const encoded_key k(key);
    return access(all_).find(k.bytes()).data() != nullptr;
  }
  [[nodiscard]] std::size_t size() const { return access(all_).size(); }
  [[nodiscard]] bool empty() const { return size() == 0; }

  /// Copies, at one moment and in the order of insertion.
  [[nodiscard]] std::vector<value_type> items() const {
    std::vector<std::pair<taken_key, taken>> copies;
    {
      const access dict(all_);
      copies.reserve(dict.size());
      dict.each([&](detail::byte_view key, detail::byte_view value) { copies.emplace_back(key, value); });
    }
    std::vector<value_type> all;
    all.reserve(copies.size());
    for (auto& [key, value] : copies) all.emplace_back(std::move(key).get(), std::move(value).get());
    return all;
  }
  [[nodiscard]] std::vector<K> keys() const {
    std::vector<K> all;
    for (auto& item : items()) all.push_back(std::move(item.first));
    return all;
  }
  [[nodiscard]] std::vector<V> values() const {
    std::vector<V> all;
    for (auto& item : items()) all.push_back(std::move(item.second));
    return all;
  }
  /// A copy as a std::map, or as a std::unordered_map where keys have no <.
  [[nodiscard]] auto snapshot() const {
    auto all = items();
    using map = typename std::conditional_t<has_order, std::type_identity<std::map<K, V>>,
                                            std::type_identity<std::unordered_map<K, V>>>::type;
    return map(std::move_iterator(all.begin()), std::move_iterator(all.end()));
  }

  /// For range-for, over pairs: one snapshot, taken here.
  [[nodiscard]] snapshot_iterator<value_type> begin() const { return snapshot_iterator<value_type>(items()); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

  /// The same dict, not equal ones: compare snapshots for that.
  friend bool operator==(const shared_dict& a, const shared_dict& b) noexcept { return a.all_ == b.all_; }
  /// As Python prints a dict: {'name': 3}.
  friend std::ostream& operator<<(std::ostream& out, const shared_dict& dict) {
    return out << detail::repr_of_items(dict.items());
  }

 private:
  friend struct codec<shared_dict>;
  static constexpr bool has_order = requires(const K& a, const K& b) {
    { a < b } -> std::convertible_to<bool>;
  };
  explicit shared_dict(detail::shared_container all) noexcept : all_(all) {}

  // -0.0 and 0.0 are one key.
  struct encoded_key {
    explicit encoded_key(const K& key)
      requires std::is_floating_point_v<K>
        : normal(key == 0 ? K{0} : key), element(normal) {}
    explicit encoded_key(const K& key)
      requires(!std::is_floating_point_v<K>)
        : element(key) {}
    [[nodiscard]] detail::byte_view bytes() const noexcept { return element.bytes(); }
    struct nothing {};
    [[no_unique_address]] std::conditional_t<std::is_floating_point_v<K>, K, nothing> normal;
    detail::encoded_element<K, raw_key> element;
  };
  static V current_or_new(detail::byte_view found, const K& key) {
    if (found.data() != nullptr) return taken(found).get();
    if constexpr (std::is_default_constructible_v<V>)
      return V{};
    else
      missing(key);
  }
  std::optional<V> take_out(const K& key) const {
    const encoded_key k(key);
    access dict(all_);
    const auto found = dict.find(k.bytes());
    if (found.data() == nullptr) return std::nullopt;
    V value = taken(found).get();  // what cannot be decoded stays
    dict.erase(k.bytes());
    return value;
  }
  [[noreturn]] static void missing(const K& key) {
    if constexpr (detail::printable<K>)
      detail::throw_missing_key(repr(key));
    else
      detail::throw_missing_key({});
  }
  detail::shared_container all_;
};

template <class K, class V>
struct codec<shared_dict<K, V>> {
  static constexpr bool has_descriptors = false;
  static void encode(writer& to, const shared_dict<K, V>& dict) { dict.all_.encode(to); }
  static shared_dict<K, V> decode(reader& from) {
    return shared_dict<K, V>(
        detail::shared_container::decode(from, detail::object_kind::shared_dict, shared_dict<K, V>::form));
  }
  static void describe(structure& s) {
    s.open("shared_dict(");
    detail::describe_shareable<K>(s, "(");
    detail::describe_shareable<V>(s, "(");
    s.close(")");
  }
};

}  // namespace kin
