// SPDX-License-Identifier: BSL-1.0
// hosted_object: an object where it lives, in a manager's server; and the callables that a proxy sends there.
//
// Invariant: what the bytes of a request call an object is one only if the table of this server has it under that
// number and with that type.
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include <kin/core/export.hpp>
#include <kin/manager/object_handle.hpp>
#include <kin/wire/codec.hpp>

namespace kin::detail {

/// True for types that say `static constexpr bool concurrent = true;`: their methods may run at the same time.
template <class T>
inline constexpr bool is_concurrent = requires { requires bool(T::concurrent); };

struct KIN_EXPORT hosted {
  hosted(const std::type_info& what, bool calls_overlap) noexcept : type(what), concurrent(calls_overlap) {}
  hosted(const hosted&) = delete;
  hosted& operator=(const hosted&) = delete;
  /// Takes the object out of the server's table.
  virtual ~hosted();

  const std::type_info& type;
  const bool concurrent;
  std::uint64_t number = 0;             // given by host()
  std::mutex mutex;                     // held by the call that runs on the object
  std::atomic<std::thread::id> caller;  // who holds it
};

template <class T>
struct hosted_object final : hosted {
  template <class... A>
  explicit hosted_object(std::in_place_t, A&&... args)
      : hosted(typeid(T), is_concurrent<T>), value(std::forward<A>(args)...) {}
  T value;
};

/// Enters the object into the table of the server that this process is. Throws closed_error in any other process.
[[nodiscard]] KIN_EXPORT object_handle host(std::shared_ptr<hosted> object);
/// Finds it there. Throws decode_error when there is none of that number and type (any more).
[[nodiscard]] KIN_EXPORT std::shared_ptr<hosted> find_hosted(std::uint64_t number, const std::type_info& type);

/// Around code of the user's in the server: what it encodes is no part of the request that is being answered.
class KIN_EXPORT outside_exchange {
 public:
  outside_exchange() noexcept;
  outside_exchange(const outside_exchange&) = delete;
  outside_exchange& operator=(const outside_exchange&) = delete;
  ~outside_exchange();

 private:
  exchange_scope* const suspended_;
};

/// A call on the object is running; others wait, unless the type is concurrent. Throws std::system_error
/// (resource_deadlock_would_occur) when the calling thread runs one already.
class KIN_EXPORT running_call {
 public:
  explicit running_call(hosted& object);
  running_call(const running_call&) = delete;
  running_call& operator=(const running_call&) = delete;
  ~running_call();

 private:
  outside_exchange outside_;
  hosted& object_;
};

/// The first argument of a call on an object: a number on its way, the object where it arrives.
template <class T>
struct target {
  std::uint64_t number = 0;
  std::shared_ptr<hosted> found = nullptr;
  [[nodiscard]] T& object() const { return static_cast<hosted_object<T>&>(*found).value; }
};

/// Body(T&, args...) on an object. Body has no state.
template <class T, class Body>
struct object_call {
  template <class... A>
    requires std::invocable<const Body&, T&, A...>
  decltype(auto) operator()(target<T> on, A&&... args) const {
    using result = std::invoke_result_t<const Body&, T&, A...>;
    const running_call hold(*on.found);
    // A const reference would be read after the next call has begun to change what it refers to.
    if constexpr (std::is_lvalue_reference_v<result> && std::is_const_v<std::remove_reference_t<result>>)
      return static_cast<std::remove_cvref_t<result>>(Body{}(on.object(), std::forward<A>(args)...));
    else
      return Body{}(on.object(), std::forward<A>(args)...);
  }
};

/// A member function (or a function that takes the object first) as a Body.
template <class T, auto Method>
struct method {
  template <class... A>
    requires std::invocable<decltype(Method), T&, A...>
  decltype(auto) operator()(T& object, A&&... args) const {
    return std::invoke(Method, object, std::forward<A>(args)...);
  }
};

}  // namespace kin::detail

template <class T>
struct kin::codec<kin::detail::target<T>> {
  static constexpr std::string_view structure = "manager object";
  static void encode(writer& out, const detail::target<T>& on) { out.put(on.number); }
  static detail::target<T> decode(reader& in) {
    const auto number = in.take<std::uint64_t>();
    return {number, detail::find_hosted(number, typeid(T))};
  }
};
