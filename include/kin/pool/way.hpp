// SPDX-License-Identifier: BSL-1.0
// way: how tasks get to workers. `by_copy`: encoded, to another process. `by_sharing`: as objects, to another thread.
// The two policies of pool_verbs; each says what may be a task, what it gives back, and how it is submitted.
#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

#include <kin/pool/map_chunk.hpp>
#include <kin/pool/task_memory.hpp>
#include <kin/pool/task_pool.hpp>
#include <kin/pool/task_state.hpp>
#include <kin/wire/call.hpp>
#include <kin/wire/callable.hpp>
#include <kin/wire/copyable.hpp>
#include <kin/wire/outcome.hpp>
#include <kin/wire/passing.hpp>

namespace kin::detail {

/// Its value comes as the outcome of a call in another process.
template <class T>
class copied_state final : public result_state<T> {
 public:
  using typename result_state<T>::value_type;
  using result_state<T>::result_state;

 private:
  value_type decode() override {
    if constexpr (std::is_void_v<T>) {
      this->template take_value<void>();
      return {};
    } else {
      return this->template take_value<T>();
    }
  }
};

struct by_copy {
  template <class F, class... A>
  using result_t = call_result_t<F, A...>;
  /// One error, if f(args...) cannot be a task.
  template <class F, class... A>
  static constexpr void check() {
    check_callable<F, A...>();
  }
  template <class R, class F, class... A>
  static std::shared_ptr<result_state<R>> submit(task_pool& to, const task_options& options, task_label name,
                                                 const F& f, A&&... args) {
    using callable = std::decay_t<F>;
    if constexpr (is_small_call<callable, stored_t<A>...>) {
      small_request request;
      request.head = {&descriptor_of<callable, stored_t<A>...>, function_in<callable>(f), 0};
      (request.put(stored_t<A>(args)), ...);
      auto state = new_state<R>(to);
      to.submit(request, name, state, options);
      return state;
    }
    const std::tuple<held_t<A>...> held(std::forward<A>(args)...);  // what was moved in is given up here
    return submit_written<R>(to, options, name, [&](writer& out) {
      return std::apply([&](const auto&... a) { return encode_call_to(out, f, a...); }, held);
    });
  }
  /// A piece of a range: an item_list, or a span of flat items.
  template <class R, class Chunk, class F, class Item>
  static std::shared_ptr<result_state<R>> submit_chunk(task_pool& to, const task_options& options, const F& f,
                                                       std::span<const Item> items) {
    using list = item_list<Item>;
    return submit_written<R>(to, options, task_label::of(f), [&](writer& out) {
      call_head head{&descriptor_of<Chunk, callable_box<F>, list>, nullptr, 0};
      encode_descriptor(out, *head.descriptor);
      head.size = out.written();
      out.put(callable_box<F>{f});
      out.size(items.size());  // as a list's rule writes it
      out.raw(items.data(), items.size_bytes());
      return head;
    });
  }
  template <class R, class Chunk, class F, class Items>
  static std::shared_ptr<result_state<R>> submit_chunk(task_pool& to, const task_options& options, const F& f,
                                                       const Items& items) {
    return submit_written<R>(to, options, task_label::of(f),
                             [&](writer& out) { return encode_call_to(out, Chunk{}, callable_box<F>{f}, items); });
  }

 private:
  // What stays the caller's is encoded where it is.
  template <class A>
  using held_t =
      std::conditional_t<std::is_lvalue_reference_v<A> && std::is_same_v<std::remove_cvref_t<A>, stored_t<A>>,
                         const stored_t<A>&, stored_t<A>>;

  /// `write(out)` writes the request and returns its head.
  template <class R, class Write>
  static std::shared_ptr<result_state<R>> submit_written(task_pool& to, const task_options& options,
                                                         const task_label& name, Write write) {
    writer out(delivery::lent, to.blocks());
    written_request request{&out, write(out)};
    auto state = new_state<R>(to);
    to.submit(request, name, state, options);
    return state;
  }
  template <class R>
  static std::shared_ptr<result_state<R>> new_state(const task_pool& of) {
    return std::allocate_shared<copied_state<R>>(task_allocator<copied_state<R>>(), of.home());
  }
};

/// Its value is given by a local_call.
template <class T>
class local_state final : public result_state<T> {
 public:
  using typename result_state<T>::value_type;
  using result_state<T>::result_state;
  // Written by whoever runs the task, before it settles; read after that, by the decoder, if it was not settled
  // otherwise (cancelled) meanwhile. So never both at a time.
  std::optional<value_type> given;

 private:
  value_type decode() override {
    const auto its = this->take_result();
    if (its.failure) std::rethrow_exception(its.failure);
    return std::move(*given);
  }
};

template <class R, class F, class... A>
class local_call final : public local_job {
 public:
  template <class G, class... B>
  explicit local_call(std::shared_ptr<local_state<R>> state, G&& f, B&&... args)
      : state_(std::move(state)), f_(std::forward<G>(f)), args_(std::forward<B>(args)...) {}
  [[nodiscard]] bool repeatable() const noexcept override { return copyable; }
  void run(attempt which) override {
    if constexpr (copyable) {
      if (which == attempt::repeatable) {
        repeated f = f_;
        std::tuple<A...> args = args_;
        return run_with(f, args);
      }
    }
    run_with(f_, args_);
  }
  bool settle() override { return state_->settle_joined(joined_outcome::value); }

 private:
  // A closure may claim to be copyable and not be, with a vector of unique_ptrs in it. One that cannot be changed by
  // calling it need not be copied.
  static constexpr bool constant = is_closure<F>() && callable_once<const F, A...>;
  using repeated = std::conditional_t<constant, const F&, F>;
  static constexpr bool copyable = (constant || is_copyable<F>)&&(is_copyable<A> && ...);
  template <class Callable>
  void run_with(Callable& f, std::tuple<A...>& args) {
    std::apply(
        [&](A&... a) {
          if constexpr (std::is_void_v<R>) {
            invoke_once<Callable, A...>(f, a...);
            state_->given.emplace();
          } else {
            state_->given.emplace(invoke_once<Callable, A...>(f, a...));
          }
        },
        args);
  }
  std::shared_ptr<local_state<R>> state_;
  F f_;
  std::tuple<A...> args_;
};

struct by_sharing {
  template <class F, class... A>
  static constexpr void check() {
    static_assert(callable_once<std::decay_t<F>, stored_t<A>...>,
                  "kin: the callable cannot be called with these arguments. Like std::thread, kin passes each argument "
                  "as a value of its own, so a parameter of type T& binds only to std::ref(x). A string literal "
                  "arrives as a std::string, as in a kin::pool");
  }
  template <class F, class... A>
  static constexpr auto find_result() {
    if constexpr (callable_once<std::decay_t<F>, stored_t<A>...>)
      return std::type_identity<std::remove_cvref_t<invoke_once_t<std::decay_t<F>, stored_t<A>...>>>{};
    else
      return std::type_identity<void>{};  // check() has the say
  }
  template <class F, class... A>
  using result_t = typename decltype(find_result<F, A...>())::type;

  template <class R, class F, class... A>
  static std::shared_ptr<result_state<R>> submit(task_pool& to, const task_options& options, task_label name, F&& f,
                                                 A&&... args) {
    auto state = std::make_shared<local_state<R>>(to.home());
    to.submit(std::make_unique<local_call<R, std::decay_t<F>, stored_t<A>...>>(state, std::forward<F>(f),
                                                                               std::forward<A>(args)...),
              name, state, options);
    return state;
  }
  template <class R, class Chunk, class F, class Item>
  static std::shared_ptr<result_state<R>> submit_chunk(task_pool& to, const task_options& options, const F& f,
                                                       std::span<const Item> items) {
    return submit_chunk<R, Chunk>(to, options, f, item_list<Item>(items.begin(), items.end()));
  }
  template <class R, class Chunk, class F, class Items>
  static std::shared_ptr<result_state<R>> submit_chunk(task_pool& to, const task_options& options, const F& f,
                                                       Items&& items) {
    return submit<R>(to, options, task_label::of(f), Chunk{}, callable_box<F>{f}, std::forward<Items>(items));
  }
};

}  // namespace kin::detail
