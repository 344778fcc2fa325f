// SPDX-License-Identifier: BSL-1.0
// list_proxy: a list in a manager's server, as all processes see it. Python's list, with C++'s names where it has them.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <optional>
#include <ostream>
#include <ranges>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <kin/core/read_only.hpp>
#include <kin/manager/list_object.hpp>
#include <kin/manager/proxy.hpp>
#include <kin/wire/repr.hpp>
#include <kin/wire/snapshot_iterator.hpp>

namespace kin {

/// A handle: made by manager::list, copied freely, sent anywhere; copies name the same list. Each method is one call to
/// the server, and atomic. Any number of threads and processes may use it. Throws what proxy::call throws; an index
/// beyond the end is std::out_of_range. What an element is changed in place by is update(); everything else is a copy.
template <class T>
class list_proxy {
  using object = detail::list_object<T>;

 public:
  using kin_handle = void;
  using value_type = T;

  /// No list: every method throws closed_error.
  list_proxy() noexcept = default;
  explicit list_proxy(proxy<object> list) noexcept : list_(std::move(list)) {}

  void push_back(T value) const { list_.template call<&object::push_back>(std::move(value)); }
  /// All of them or, if one cannot be copied, none.
  template <std::ranges::input_range R>
  void extend(R&& more) const {
    std::vector<T> elements;
    for (auto&& element : more) elements.emplace_back(std::forward<decltype(element)>(element));
    list_.template call<&object::extend>(std::move(elements));
  }
  void extend(std::initializer_list<T> more) const { list_.template call<&object::extend>(std::vector<T>(more)); }
  /// Before the element at `index`; index == size() appends.
  void insert(std::size_t index, T value) const { list_.template call<&object::insert>(index, std::move(value)); }
  void set(std::size_t index, T value) const { list_.template call<&object::set>(index, std::move(value)); }
  void erase(std::size_t index) const { list_.template call<&object::erase>(index); }
  void clear() const { list_.template call<&object::clear>(); }
  /// Takes the last element out; std::out_of_range when there is none.
  T pop_back() const { return list_.template call<&object::pop_back>(); }
  T pop() const { return pop_back(); }
  T pop(std::size_t index) const { return list_.template call<&object::pop>(index); }
  /// Runs f(element, args...) in the server, where f changes the T& it gets; returns what f returns. No other call on
  /// the list comes in between. f is a callable as for a process; if it throws, the element is as f left it.
  template <class F, class... A>
  auto update(std::size_t index, F&& f, A&&... args) const {
    return detail::run_on_object<object, typename object::update>(
        list_.handle(), index, detail::boxed_callable<F, T&, A...>(std::forward<F>(f)), std::forward<A>(args)...);
  }

  /// A copy of the element.
  [[nodiscard]] detail::read_only<T> operator[](std::size_t index) const {
    return list_.template call<&object::get>(index);
  }
  [[nodiscard]] detail::read_only<T> at(std::size_t index) const { return (*this)[index]; }
  [[nodiscard]] detail::read_only<T> front() const { return (*this)[0]; }
  [[nodiscard]] std::size_t size() const { return list_.template call<&object::size>(); }
  [[nodiscard]] bool empty() const { return size() == 0; }
  /// A copy of all elements at one moment.
  [[nodiscard]] std::vector<T> snapshot() const { return list_.template call<&object::snapshot>(); }

  [[nodiscard]] bool contains(const T& value) const { return index(value).has_value(); }
  [[nodiscard]] std::size_t count(const T& value) const { return list_.template call<&object::count>(value); }
  /// Of the first equal element.
  [[nodiscard]] std::optional<std::size_t> index(const T& value) const {
    return detail::run_on_object<object, find_in_list>(list_.handle(), value);
  }
  /// Takes the first equal element out; false when there is none.
  bool remove(const T& value) const { return list_.template call<&object::remove>(value); }
  void reverse() const { list_.template call<&object::reverse>(); }
  /// Stable, by operator<.
  void sort() const { list_.template call<&object::sort>(); }

  /// For range-for: one snapshot, taken here.
  [[nodiscard]] snapshot_iterator<T> begin() const { return snapshot_iterator<T>(snapshot()); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

  /// False for a default-made proxy; says nothing of the server.
  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(list_); }
  /// The same list, not equal ones: compare snapshots for that.
  friend bool operator==(const list_proxy& a, const list_proxy& b) noexcept { return a.list_ == b.list_; }
  /// As Python prints a list: ['hello', 'world'].
  friend std::ostream& operator<<(std::ostream& out, const list_proxy& list) { return out << repr(list.snapshot()); }

  /// For kin.
  [[nodiscard]] const proxy<object>& as_proxy() const noexcept { return list_; }

 private:
  struct find_in_list {
    std::optional<std::size_t> operator()(object& list, const T& value) const {
      const std::size_t found = list.find(value);
      return found == list.size() ? std::nullopt : std::optional(found);
    }
  };
  proxy<object> list_;
};

template <class T>
struct codec<list_proxy<T>> {
  static void encode(writer& out, const list_proxy<T>& list) { list.as_proxy().handle().encode(out); }
  static list_proxy<T> decode(reader& in) {
    return list_proxy<T>(proxy<detail::list_object<T>>(detail::object_handle::decode(in)));
  }
  static void describe(structure& s) { s.group<T>("list_proxy(", ")"); }
};

}  // namespace kin
