// SPDX-License-Identifier: BSL-1.0
// map_chunk: what a worker runs for a piece of a range.
#pragma once

#include <deque>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

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

template <class Way, class F, class Tuple>
struct call_with_elements;
template <class Way, class F, template <class...> class Tuple, class... A>
struct call_with_elements<Way, F, Tuple<A...>> {
  using result = typename Way::template result_t<F, A...>;
  static constexpr void check() { Way::template check<F, A...>(); }
  static decltype(auto) call(F& f, Tuple<A...>& arguments) {
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

}  // namespace kin::detail
