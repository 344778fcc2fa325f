// SPDX-License-Identifier: BSL-1.0
// map_chunk: what a worker runs for a piece of a range.
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <kin/wire/aggregate.hpp>
#include <kin/wire/call.hpp>
#include <kin/wire/callable.hpp>
#include <kin/wire/passing.hpp>

namespace kin::detail {

/// The results of a piece: a vector, or nothing for a callable that returns nothing.
template <class R>
using chunk_result =
    std::conditional_t<std::is_void_v<R>, void, std::vector<std::conditional_t<std::is_void_v<R>, int, R>>>;

/// The items of a piece; a vector<bool> would have no bools in it to refer to.
template <class Item>
using item_list = std::conditional_t<std::is_same_v<Item, bool>, std::deque<bool>, std::vector<Item>>;

template <class R, class Items, class One>
chunk_result<R> run_each(Items& items, One one) {
  if constexpr (std::is_void_v<R>) {
    for (auto& item : items) one(item);
  } else {
    std::vector<R> results;
    results.reserve(items.size());
    for (auto& item : items) results.push_back(one(item));
    return results;
  }
}

/// `Way` is by_copy or by_sharing.
template <class Way, class F, class Item>
struct map_chunk {
  using one_result = typename Way::template result_t<F, Item>;
  using result = chunk_result<one_result>;
  static constexpr void check() { Way::template check<F, Item>(); }
  result operator()(callable_box<F> f, item_list<Item> items) const {
    return run_each<one_result>(items,
                                [&](Item& item) -> decltype(auto) { return invoke_once<F, Item>(f.value, item); });
  }
};

template <class T, std::size_t>
using repeated = T;
template <class A, std::size_t... I>
types<repeated<A, I>...> repeat(std::index_sequence<I...>);

/// A starmap's item travels as `type`: each of its elements as if it were an argument.
template <class T>
struct starred {
  using type = stored_t<T>;
  using elements = void;
};
template <class... A>
struct starred<std::tuple<A...>> {
  using type = std::tuple<stored_t<A>...>;
  using elements = types<stored_t<A>...>;
};
template <class A, class B>
struct starred<std::pair<A, B>> {
  using type = std::pair<stored_t<A>, stored_t<B>>;
  using elements = types<stored_t<A>, stored_t<B>>;
};
template <class A, std::size_t N>
struct starred<std::array<A, N>> {
  using type = std::array<stored_t<A>, N>;
  using elements = decltype(repeat<stored_t<A>>(std::make_index_sequence<N>{}));
};

template <class Way, class F, class Tuple, class Elements = typename starred<Tuple>::elements>
struct call_with_elements {
  using result = void;
  static constexpr void check() {
    static_assert(!std::is_void_v<Elements>,
                  "kin: starmap calls with the elements of each item as arguments, so the items must be tuples, pairs "
                  "or arrays; for a callable of one argument write map");
  }
  static void call(F&, Tuple&) {}
};
template <class Way, class F, class Tuple, class... A>
struct call_with_elements<Way, F, Tuple, types<A...>> {
  using result = typename Way::template result_t<F, A...>;
  static constexpr void check() { Way::template check<F, A...>(); }
  static decltype(auto) call(F& f, Tuple& arguments) {
    return std::apply([&](A&... each) -> decltype(auto) { return invoke_once<F, A...>(f, each...); }, arguments);
  }
};

template <class Way, class F, class Tuple>
struct starmap_chunk {
  using one_result = typename call_with_elements<Way, F, Tuple>::result;
  using result = chunk_result<one_result>;
  static constexpr void check() { call_with_elements<Way, F, Tuple>::check(); }
  result operator()(callable_box<F> f, item_list<Tuple> items) const {
    return run_each<one_result>(
        items, [&](Tuple& item) -> decltype(auto) { return call_with_elements<Way, F, Tuple>::call(f.value, item); });
  }
};

// What is called is the user's callable, by its name.
template <class Way, class F, class Item>
struct callee<map_chunk<Way, F, Item>> : callee<F> {};
template <class Way, class F, class Tuple>
struct callee<starmap_chunk<Way, F, Tuple>> : callee<F> {};

/// What an item becomes in a Chunk of items.
template <template <class, class, class> class Chunk, class Value>
struct find_item {
  using type = stored_t<Value>;
};
template <class Value>
struct find_item<starmap_chunk, Value> : starred<Value> {};
template <template <class, class, class> class Chunk, class Value>
using item_of = typename find_item<Chunk, Value>::type;

}  // namespace kin::detail
