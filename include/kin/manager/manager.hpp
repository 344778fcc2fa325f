// SPDX-License-Identifier: BSL-1.0
// manager: starts a server process and makes objects in it.
#pragma once

#include <concepts>
#include <initializer_list>
#include <memory>
#include <ranges>
#include <utility>
#include <vector>

#include <kin/core/export.hpp>
#include <kin/manager/dict_proxy.hpp>
#include <kin/manager/list_proxy.hpp>
#include <kin/manager/manager_stats.hpp>
#include <kin/manager/object_handle.hpp>
#include <kin/manager/proxy.hpp>
#include <kin/process/process_options.hpp>

namespace kin {

namespace detail {
struct manager_state;
}

/// A server process for objects that several processes use. Move-only; any number of threads may use it.
///
/// The server is this same program, so an object's class needs no registration; its calls run there, each client's in a
/// thread of its own. The server ends with the manager, or with this process: calls in flight anywhere, and all later
/// ones, throw closed_error. The destructor waits for calls that are running, at most 2 s. In a forked copy of this
/// process the manager still makes objects, and does not end the server.
class KIN_EXPORT manager {
 public:
  /// Throws start_error, os_error.
  manager();
  /// The server's name, redirections, limits …
  explicit manager(const process_options& options);
  manager(manager&& other) noexcept;
  manager& operator=(manager&& other) noexcept;
  ~manager();

  /// Ends the server now. Idempotent.
  void shutdown() noexcept;

  /// A T made of `args` in the server. Throws what its constructor throws there, closed_error, encode_error.
  template <class T, class... A>
  [[nodiscard]] proxy<T> make(A&&... args) const {
    if constexpr (detail::callable_once<detail::construct<T>, stored_t<A>...>)
      return detail::run_in_server(server(), detail::construct<T>{}, std::forward<A>(args)...);
    else
      static_assert(
          detail::callable_once<detail::construct<T>, stored_t<A>...>,
          "kin: this class has no constructor for these arguments. make<T>(args...) makes a T(args...) in the "
          "server, from copies of the arguments; a string literal arrives as a std::string");
  }

  /// An empty list, or one of the elements of `initial`.
  template <class T>
  [[nodiscard]] list_proxy<T> list() const {
    return list_proxy<T>(make<detail::list_object<T>>());
  }
  template <class T, std::ranges::input_range R>
  [[nodiscard]] list_proxy<T> list(R&& initial) const {
    std::vector<T> elements;
    for (auto&& element : initial) elements.emplace_back(std::forward<decltype(element)>(element));
    return list_proxy<T>(make<detail::list_object<T>>(std::move(elements)));
  }
  template <class T>
  [[nodiscard]] list_proxy<T> list(std::initializer_list<T> initial) const {
    return list_proxy<T>(make<detail::list_object<T>>(std::vector<T>(initial)));
  }

  /// An empty dict, or one of the pairs of `initial`, in their order; later values replace earlier ones.
  template <class K, class V>
  [[nodiscard]] dict_proxy<K, V> dict() const {
    return dict_proxy<K, V>(make<detail::dict_object<K, V>>());
  }
  template <class K, class V, std::ranges::input_range R>
  [[nodiscard]] dict_proxy<K, V> dict(R&& initial) const {
    std::vector<std::pair<K, V>> items;
    for (auto&& [key, value] : initial) items.emplace_back(key, value);
    return dict_proxy<K, V>(make<detail::dict_object<K, V>>(std::move(items)));
  }
  template <class K, class V>
  [[nodiscard]] dict_proxy<K, V> dict(std::initializer_list<std::pair<K, V>> initial) const {
    return dict_proxy<K, V>(make<detail::dict_object<K, V>>(std::vector<std::pair<K, V>>(initial)));
  }

  /// What this process has given up is not counted any more; of others, what the server has learnt so far.
  [[nodiscard]] manager_stats stats() const;
  /// Of the server's process.
  [[nodiscard]] int pid() const;
  /// A pidfd: polls readable once the server has ended. Not to be closed by the caller.
  [[nodiscard]] int native_handle() const;

 private:
  [[nodiscard]] const detail::object_handle& server() const;

  std::unique_ptr<detail::manager_state> state_;
};

}  // namespace kin
