// SPDX-License-Identifier: BSL-1.0
// dict_object: a dictionary where it lives, in a manager's server; in the order of insertion, like Python's. Used
// through dict_proxy alone.
//
// Invariant: the index has one entry per item, and its key is the item's own.
#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <kin/core/export.hpp>
#include <kin/wire/callable.hpp>
#include <kin/wire/repr.hpp>

namespace kin::detail {

/// std::out_of_range that names the key.
[[noreturn]] KIN_EXPORT void no_such_key(const std::string& key);

template <class K>
concept hashable = requires(const K& key) {
  { std::hash<K>{}(key) } -> std::convertible_to<std::size_t>;
} && std::equality_comparable<K>;
template <class K>
concept ordered = requires(const K& a, const K& b) {
  { a < b } -> std::convertible_to<bool>;
};

template <class K, class V>
class dict_object {
 public:
  dict_object() = default;
  explicit dict_object(std::vector<std::pair<K, V>>&& initial) { merge(std::move(initial)); }
  dict_object(const dict_object&) = delete;  // the index refers to the items
  dict_object& operator=(const dict_object&) = delete;

  void set(K key, V value) {
    if (const auto found = index_.find(&key); found != index_.end())
      found->second->second = std::move(value);
    else
      add(std::move(key), std::move(value));
  }
  void merge(std::vector<std::pair<K, V>>&& more) {
    for (auto& [key, value] : more) set(std::move(key), std::move(value));
  }
  bool erase(const K& key) {
    const auto found = index_.find(&key);
    if (found == index_.end()) return false;
    take(found);
    return true;
  }
  void clear() {
    index_.clear();
    items_.clear();
  }

  [[nodiscard]] const V& at(const K& key) const {
    const auto found = index_.find(&key);
    if (found == index_.end()) missing(key);
    return found->second->second;
  }
  [[nodiscard]] std::optional<V> try_get(const K& key) const {
    const auto found = index_.find(&key);
    if (found == index_.end()) return std::nullopt;
    return found->second->second;
  }
  V pop(const K& key) {
    const auto found = index_.find(&key);
    if (found == index_.end()) missing(key);
    return take(found);
  }
  std::optional<V> try_pop(const K& key) {
    const auto found = index_.find(&key);
    if (found == index_.end()) return std::nullopt;
    return take(found);
  }
  std::pair<K, V> pop_last() {
    if (items_.empty()) no_such_key({});
    std::pair<K, V> last(items_.back().first, std::move(items_.back().second));
    index_.erase(&items_.back().first);
    items_.pop_back();
    return last;
  }
  /// The value there, which is `value` if there was none.
  V set_default(K key, V value) {
    if (const auto found = index_.find(&key); found != index_.end()) return found->second->second;
    return add(std::move(key), std::move(value));
  }
  [[nodiscard]] bool contains(const K& key) const { return index_.find(&key) != index_.end(); }
  [[nodiscard]] std::size_t size() const { return items_.size(); }

  [[nodiscard]] std::vector<K> keys() const {
    std::vector<K> all;
    all.reserve(items_.size());
    for (const auto& [key, value] : items_) all.push_back(key);
    return all;
  }
  [[nodiscard]] std::vector<V> values() const {
    std::vector<V> all;
    all.reserve(items_.size());
    for (const auto& [key, value] : items_) all.push_back(value);
    return all;
  }
  [[nodiscard]] std::vector<std::pair<K, V>> items() const { return {items_.begin(), items_.end()}; }

  /// f(value, args...), in place; a new value first, where there is none. If f throws, a new one is gone again.
  struct update {
    template <class F, class... A>
      requires std::is_invocable_v<F&, V&, A...>
    auto operator()(dict_object& dict, K key, callable_box<F>&& f, A&&... args) const {
      const auto found = dict.index_.find(&key);
      if (found != dict.index_.end()) return std::invoke(f.value, found->second->second, std::forward<A>(args)...);
      if constexpr (std::is_default_constructible_v<V>) {
        V fresh{};
        if constexpr (std::is_void_v<std::invoke_result_t<F&, V&, A...>>) {
          std::invoke(f.value, fresh, std::forward<A>(args)...);
          dict.add(std::move(key), std::move(fresh));
        } else {
          auto result = std::invoke(f.value, fresh, std::forward<A>(args)...);
          dict.add(std::move(key), std::move(fresh));
          return result;
        }
      } else {
        missing(key);
      }
    }
  };

 private:
  using place = typename std::list<std::pair<const K, V>>::iterator;
  struct hash_of_key {
    std::size_t operator()(const K* key) const { return std::hash<K>{}(*key); }
  };
  struct equal_keys {
    bool operator()(const K* a, const K* b) const { return *a == *b; }
  };
  struct less_keys {
    bool operator()(const K* a, const K* b) const { return *a < *b; }
  };
  static auto make_index() {
    if constexpr (hashable<K>) {
      return std::unordered_map<const K*, place, hash_of_key, equal_keys>();
    } else {
      static_assert(ordered<K>, "kin: the key of a dict needs std::hash and ==, or <");
      return std::map<const K*, place, less_keys>();
    }
  }

  V& add(K&& key, V&& value) {
    items_.emplace_back(std::move(key), std::move(value));
    const auto last = std::prev(items_.end());
    try {
      index_.emplace(&last->first, last);
    } catch (...) {
      items_.pop_back();
      throw;
    }
    return last->second;
  }
  template <class Found>
  V take(Found found) {
    const place item = found->second;
    V value = std::move(item->second);
    index_.erase(found);
    items_.erase(item);
    return value;
  }
  [[noreturn]] static void missing(const K& key) {
    if constexpr (printable<K>)
      no_such_key(repr(key));
    else
      no_such_key({});
  }

  std::list<std::pair<const K, V>> items_;
  decltype(make_index()) index_;
};

}  // namespace kin::detail
