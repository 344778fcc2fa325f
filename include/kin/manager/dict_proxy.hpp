// SPDX-License-Identifier: BSL-1.0
// dict_proxy: a dictionary in a manager's server, as all processes see it. Python's dict, in its order of insertion.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <map>
#include <optional>
#include <ostream>
#include <ranges>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <kin/core/read_only.hpp>
#include <kin/manager/dict_object.hpp>
#include <kin/manager/proxy.hpp>
#include <kin/wire/repr.hpp>
#include <kin/wire/snapshot_iterator.hpp>

namespace kin {

/// A handle: made by manager::dict, copied freely, sent anywhere; copies name the same dict. Each method is one call to
/// the server, and atomic. Any number of threads and processes may use it. K needs std::hash and ==, or <. Throws what
/// proxy::call throws; a key that is not there is std::out_of_range with the key in its text, like Python's KeyError.
template <class K, class V>
class dict_proxy {
  using object = detail::dict_object<K, V>;

 public:
  using kin_handle = void;
  using key_type = K;
  using mapped_type = V;
  using value_type = std::pair<K, V>;

  /// No dict: every method throws closed_error.
  dict_proxy() noexcept = default;
  explicit dict_proxy(proxy<object> dict) noexcept : dict_(std::move(dict)) {}

  void set(K key, V value) const { dict_.template call<&object::set>(std::move(key), std::move(value)); }
  /// Runs f(value, args...) in the server, where f changes the V& it gets; returns what f returns. No other call on the
  /// dict comes in between. A key that is not there gets a V{} first (gone again if f throws), so that
  /// `counts.update(word, [](int& n) { ++n; })` counts. f is a callable as for a process.
  template <class F, class... A>
  auto update(K key, F&& f, A&&... args) const {
    return detail::run_on_object<object, typename object::update>(
        dict_.handle(), std::move(key), detail::boxed_callable<F, V&, A...>(std::forward<F>(f)),
        std::forward<A>(args)...);
  }
  /// Sets all pairs of `other` (a std::map, say).
  template <std::ranges::input_range R>
  void update(R&& other) const {
    std::vector<value_type> items;
    for (auto&& [key, value] : other) items.emplace_back(key, value);
    dict_.template call<&object::merge>(std::move(items));
  }
  void update(std::initializer_list<value_type> other) const {
    dict_.template call<&object::merge>(std::vector<value_type>(other));
  }
  /// The value there; `value`, which is then set, where there was none.
  V setdefault(K key, V value) const {
    return dict_.template call<&object::set_default>(std::move(key), std::move(value));
  }
  /// False when the key was not there.
  bool erase(const K& key) const { return dict_.template call<&object::erase>(key); }
  void clear() const { dict_.template call<&object::clear>(); }
  /// Takes the value out.
  V pop(const K& key) const { return dict_.template call<&object::pop>(key); }
  V pop(const K& key, V otherwise) const {
    return dict_.template call<&object::try_pop>(key).value_or(std::move(otherwise));
  }
  /// The item that was added last.
  value_type popitem() const { return dict_.template call<&object::pop_last>(); }

  /// A copy of the value.
  [[nodiscard]] detail::read_only<V> operator[](const K& key) const { return dict_.template call<&object::at>(key); }
  [[nodiscard]] detail::read_only<V> at(const K& key) const { return (*this)[key]; }
  [[nodiscard]] V get(const K& key, V otherwise) const {
    return dict_.template call<&object::try_get>(key).value_or(std::move(otherwise));
  }
  [[nodiscard]] std::optional<V> try_get(const K& key) const { return dict_.template call<&object::try_get>(key); }
  [[nodiscard]] bool contains(const K& key) const { return dict_.template call<&object::contains>(key); }
  [[nodiscard]] std::size_t size() const { return dict_.template call<&object::size>(); }
  [[nodiscard]] bool empty() const { return size() == 0; }

  /// Copies, at one moment and in the order of insertion.
  [[nodiscard]] std::vector<K> keys() const { return dict_.template call<&object::keys>(); }
  [[nodiscard]] std::vector<V> values() const { return dict_.template call<&object::values>(); }
  [[nodiscard]] std::vector<value_type> items() const { return dict_.template call<&object::items>(); }
  /// A copy as a std::map, or as a std::unordered_map where keys have no <.
  [[nodiscard]] auto snapshot() const {
    auto all = items();
    using map = typename std::conditional_t<detail::ordered<K>, std::type_identity<std::map<K, V>>,
                                            std::type_identity<std::unordered_map<K, V>>>::type;
    return map(std::move_iterator(all.begin()), std::move_iterator(all.end()));
  }

  /// For range-for, over pairs: one snapshot, taken here.
  [[nodiscard]] snapshot_iterator<value_type> begin() const { return snapshot_iterator<value_type>(items()); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

  /// False for a default-made proxy; says nothing of the server.
  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(dict_); }
  /// The same dict, not equal ones: compare snapshots for that.
  friend bool operator==(const dict_proxy& a, const dict_proxy& b) noexcept { return a.dict_ == b.dict_; }
  /// As Python prints a dict: {'name': 3}.
  friend std::ostream& operator<<(std::ostream& out, const dict_proxy& dict) {
    return out << detail::repr_of_items(dict.items());
  }

  /// For kin.
  [[nodiscard]] const proxy<object>& as_proxy() const noexcept { return dict_; }

 private:
  proxy<object> dict_;
};

template <class K, class V>
struct codec<dict_proxy<K, V>> {
  static void encode(writer& out, const dict_proxy<K, V>& dict) { dict.as_proxy().handle().encode(out); }
  static dict_proxy<K, V> decode(reader& in) {
    return dict_proxy<K, V>(proxy<detail::dict_object<K, V>>(detail::object_handle::decode(in)));
  }
  static void describe(structure& s) { s.group<K, V>("dict_proxy(", ")"); }
};

}  // namespace kin
