// SPDX-License-Identifier: BSL-1.0
// call: a callable and its arguments become a request, and what comes back from it (station 2 of docs/data_flow.md).
// A task is known by a constant, its descriptor: the request names the module by build-id and the descriptor by its
// offset. The other side (incoming_call) uses the descriptor only after it has proved to be one.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include <kin/core/export.hpp>
#include <kin/wire/bound.hpp>
#include <kin/wire/callable.hpp>
#include <kin/wire/codec.hpp>
#include <kin/wire/parcel.hpp>

namespace kin::detail {

/// How far a call has come; says whose fault an exception is.
enum class call_phase { decode, run, encode_result };

/// A constant for each type of callable and arguments.
struct call_descriptor {
  std::uint64_t mark;  // call_mark
  const call_descriptor*
      self;                 // where it was loaded: no other bytes of a module hold their own address after call_mark
  std::uint64_t type_hash;  // of the whole call's type
  const std::type_info* callee;  // names the task
  std::uint64_t function_type;   // a request goes on with a function of this type; 0: it does not
  // `function`: where the callable is a pointer to one that is known already and not in the request.
  void (*run)(reader& request, writer& result, call_phase& phase, const void* function);
  std::atomic<const std::string*>* encoded;  // the descriptor's identity as requests carry it, once it is known
};
inline constexpr std::uint64_t call_mark = 0x316c6c61636e696bU;  // "kincall1"

template <class F>
F take_callable(reader& request, const void* function) {
  if constexpr (function_pointer<F>)
    if (function != nullptr) return reinterpret_cast<F>(const_cast<void*>(function));
  return decode_callable<F>(request);
}

/// Decodes a callable and its arguments, calls it, encodes the result.
template <class F, class... A>
[[gnu::visibility("hidden")]] void run_call(reader& request, writer& result, call_phase& phase, const void* function) {
  auto f = take_callable<F>(request, function);
  std::tuple<A...> args{request.take<A>()...};  // braces: in this order
  request.finish();
  phase = call_phase::run;
  std::apply(
      [&](A&... each) {
        if constexpr (std::is_void_v<invoke_once_t<F, A...>>) {
          detail::invoke_once<F, A...>(f, each...);
        } else {
          const auto& value = detail::invoke_once<F, A...>(f, each...);
          phase = call_phase::encode_result;
          result.put(value);
        }
      },
      args);
}

template <class F>
constexpr std::uint64_t function_type_of() {
  if constexpr (function_pointer<F>)
    return type_hash<F>();
  else
    return 0;
}

// Of each module its own, also where several have tasks of one type: else the loader would make all use those of the
// module that it has loaded first, which is another one in the child, and could not unload any.
template <class F, class... A>
[[gnu::visibility("hidden")]] inline constinit std::atomic<const std::string*> encoded_identity{nullptr};
template <class F, class... A>
[[gnu::visibility("hidden")]] inline constexpr call_descriptor descriptor_of{
    call_mark,
    &descriptor_of<F, A...>,
    type_hash<F, A...>(),
    &typeid(typename callee<F>::type),
    function_type_of<typename callee<F>::type>(),
    &run_call<F, A...>,
    &encoded_identity<F, A...>};

/// Writes the task's identity. Throws encode_error.
KIN_EXPORT void encode_descriptor(writer& out, const call_descriptor& descriptor);
/// "parse(std::string)" where the callable is a pointer to a function with a symbol, else by its type: "lambda in
/// main".
KIN_EXPORT std::string name_of_call(const call_descriptor& descriptor, const void* function);

/// The function that a callable will run, if it is one or is bound to one.
template <class F>
const void* function_in(const F& f) {
  if constexpr (function_pointer<F>)
    return reinterpret_cast<const void*>(f);
  else if constexpr (requires { f.callable(); } && !std::is_same_v<typename callee<F>::type, F>)
    return function_in(f.callable());
  else
    return nullptr;
}

template <class Stored, class A>
void put_argument(writer& out, const A& argument) {
  if constexpr (std::is_same_v<Stored, A>)
    out.put(argument);
  else
    out.put(Stored(argument));
}

/// Why a result cannot come back; exactly one error.
template <class R>
constexpr void check_result() {
  using value = std::remove_cvref_t<R>;
  if constexpr (std::is_void_v<value>)
    return;
  else if constexpr (std::is_lvalue_reference_v<R> && !std::is_const_v<std::remove_reference_t<R>>)
    static_assert(!std::is_lvalue_reference_v<R>,
                  "kin: this callable returns a reference to something it could change, and the caller is another "
                  "process, which gets a copy. Return a value, or const T&, which is sent as a T");
  else if constexpr (std::is_pointer_v<value> && !function_pointer<value>)
    static_assert(!std::is_pointer_v<value>,
                  "kin: this callable returns a pointer, which means nothing in the calling process. Return the value, "
                  "a std::string instead of const char*, or a std::unique_ptr or std::shared_ptr (sent by value)");
  else if constexpr (is_view<value>)
    static_assert(!is_view<value>,
                  "kin: this callable returns a std::string_view, std::span, std::initializer_list or "
                  "std::reference_wrapper, which only points at data of the process that ran it. Return the owner "
                  "(std::string, std::vector, the value)");
  else
    check_sendable<value>();
}
template <class R>
inline constexpr bool result_crosses =
    std::is_void_v<R> || (kind_of<std::remove_cvref_t<R>> != kind::unsendable &&
                          !(std::is_lvalue_reference_v<R> && !std::is_const_v<std::remove_reference_t<R>>));

template <class F, class... A>
constexpr auto find_result() {
  if constexpr (can_call<F, A...>) {
    using result = invoke_once_t<std::decay_t<F>, stored_t<A>...>;
    check_result<result>();
    return std::type_identity<std::remove_cvref_t<result>>{};
  } else {
    check_callable<F, A...>();
    return std::type_identity<void>{};
  }
}
/// What f(args...) gives the caller in another process: decayed, void kept. Checks it and the call: one error at most.
template <class F, class... A>
using call_result_t = typename decltype(find_result<F, A...>())::type;

/// What is called, apart from the arguments: the same for many calls.
struct call_head {
  const call_descriptor* descriptor = nullptr;
  const void* function = nullptr;  ///< where the callable is a pointer to one
  std::size_t size = 0;            ///< of the request's first bytes, which say the same
};

/// Writes the first bytes of a request, which say what is called. Throws encode_error.
KIN_EXPORT void encode_head(writer& out, const call_head& head);

/// Writes a request to run f(args...). Arguments are those given by the user or of their stored types; check_callable
/// has the say about what was moved. Throws encode_error and what codecs throw.
template <class F, class... A>
call_head encode_call_to(writer& out, const F& f, const A&... args) {
  call_head head;
  using callable = std::decay_t<F>;
  check_callable<callable, stored_t<A>...>();
  if constexpr (can_call<callable, stored_t<A>...>) {
    check_result<invoke_once_t<callable, stored_t<A>...>>();
    if constexpr (result_crosses<invoke_once_t<callable, stored_t<A>...>>) {
      head.descriptor = &descriptor_of<callable, stored_t<A>...>;
      encode_descriptor(out, *head.descriptor);
      if constexpr (function_pointer<callable>) {
        head.function = function_in<callable>(f);
        encode_callable<callable>(out, f);
        head.size = out.written();
      } else {
        head.size = out.written();
        encode_callable<callable>(out, f);
      }
      (put_argument<stored_t<A>>(out, args), ...);
    }
  }
  return head;
}
template <class F, class... A>
[[nodiscard]] parcel encode_call_as(delivery handles, const F& f, const A&... args) {
  writer out(handles);
  encode_call_to(out, f, args...);
  return out.take();
}
/// For a request of which nobody says how often it will be run.
template <class F, class... A>
[[nodiscard]] parcel encode_call(const F& f, const A&... args) {
  return encode_call_as(delivery::kept, f, args...);
}

/// The readable name of a callable, whatever it will be called with.
template <class F>
[[nodiscard]] std::string callable_name(const F& f) {
  using callable = std::decay_t<F>;
  using type = typename callee<callable>::type;
  const call_descriptor nameless{call_mark, nullptr, 0, &typeid(type), function_pointer<type>, nullptr, nullptr};
  return name_of_call(nameless, function_in<callable>(f));
}

/// The readable name of a call for texts on the caller's side; incoming_call::name() says the same.
template <class F, class... A>
[[nodiscard]] std::string call_name(const F& f, const A&...) {
  using callable = std::decay_t<F>;
  if constexpr (can_call<callable, stored_t<A>...>)
    return name_of_call(descriptor_of<callable, stored_t<A>...>, function_in<callable>(f));
  else
    return {};  // refused by encode_call
}

}  // namespace kin::detail
