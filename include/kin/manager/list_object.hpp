// SPDX-License-Identifier: BSL-1.0
// list_object: a list where it lives, in a manager's server. Used through list_proxy alone.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>
#include <iterator>
#include <type_traits>
#include <utility>
#include <vector>

#include <kin/core/export.hpp>
#include <kin/wire/callable.hpp>

namespace kin::detail {

[[noreturn]] KIN_EXPORT void no_such_index(std::size_t index, std::size_t size);
[[noreturn]] KIN_EXPORT void list_is_empty();

/// Not a std::vector, which has no bool to refer to. Elements are taken by value: an element that is a handle arrives
/// as an lvalue.
template <class T>
class list_object {
 public:
  list_object() = default;
  explicit list_object(std::vector<T>&& initial) { extend(std::move(initial)); }

  void push_back(T value) { elements_.push_back(std::move(value)); }
  void extend(std::vector<T>&& more) {
    // In two steps, so that a move that throws leaves the list as it was.
    const std::size_t before = elements_.size();
    try {
      for (auto&& element : more) elements_.push_back(std::move(element));
    } catch (...) {
      elements_.erase(elements_.begin() + static_cast<std::ptrdiff_t>(before), elements_.end());
      throw;
    }
  }
  void insert(std::size_t index, T value) {
    if (index > elements_.size()) no_such_index(index, elements_.size());
    elements_.insert(place(index), std::move(value));
  }
  T pop_back() {
    if (elements_.empty()) list_is_empty();
    T last = std::move(elements_.back());
    elements_.pop_back();
    return last;
  }
  T pop(std::size_t index) {
    T taken = std::move(at(index));
    elements_.erase(place(index));
    return taken;
  }
  void erase(std::size_t index) {
    (void)at(index);
    elements_.erase(place(index));
  }
  void clear() { elements_.clear(); }
  void set(std::size_t index, T value) { at(index) = std::move(value); }

  [[nodiscard]] const T& get(std::size_t index) const { return const_cast<list_object&>(*this).at(index); }
  [[nodiscard]] std::size_t size() const { return elements_.size(); }
  [[nodiscard]] std::vector<T> snapshot() const { return {elements_.begin(), elements_.end()}; }

  /// f(element, args...), in place.
  struct update {
    template <class F, class... A>
      requires std::is_invocable_v<F&, T&, A...>
    auto operator()(list_object& list, std::size_t index, callable_box<F>&& f, A&&... args) const {
      return std::invoke(f.value, list.at(index), std::forward<A>(args)...);
    }
  };

  [[nodiscard]] std::size_t count(const T& value) const {
    return static_cast<std::size_t>(std::count(elements_.begin(), elements_.end(), value));
  }
  /// The index of the first equal element, or size().
  [[nodiscard]] std::size_t find(const T& value) const {
    return static_cast<std::size_t>(std::find(elements_.begin(), elements_.end(), value) - elements_.begin());
  }
  bool remove(const T& value) {
    const auto found = std::find(elements_.begin(), elements_.end(), value);
    if (found == elements_.end()) return false;
    elements_.erase(found);
    return true;
  }
  void reverse() { std::reverse(elements_.begin(), elements_.end()); }
  void sort() { std::stable_sort(elements_.begin(), elements_.end()); }

 private:
  T& at(std::size_t index) {
    if (index >= elements_.size()) no_such_index(index, elements_.size());
    return elements_[index];
  }
  auto place(std::size_t index) { return elements_.begin() + static_cast<std::ptrdiff_t>(index); }

  std::deque<T> elements_;
};

}  // namespace kin::detail
