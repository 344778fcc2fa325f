// SPDX-License-Identifier: BSL-1.0
// map_chunk: what a worker runs for a piece of a range, and how the pieces' results come together again.
#pragma once

#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <kin/pool/future.hpp>
#include <kin/pool/progress.hpp>
#include <kin/wire/call.hpp>
#include <kin/wire/callable.hpp>
#include <kin/wire/passing.hpp>

namespace kin::detail {

/// The results of a piece: a vector, or nothing for a callable that returns nothing.
template <class R>
using chunk_result =
    std::conditional_t<std::is_void_v<R>, void, std::vector<std::conditional_t<std::is_void_v<R>, int, R>>>;

template <class R, class Item, class One>
chunk_result<R> run_each(std::vector<Item>& items, One one) {
  if constexpr (std::is_void_v<R>) {
    for (Item& item : items) one(item);
  } else {
    std::vector<R> results;
    results.reserve(items.size());
    for (Item& item : items) results.push_back(one(item));
    return results;
  }
}

template <class F, class Item>
struct map_chunk {
  using one_result = call_result_t<F, Item>;
  using result = chunk_result<one_result>;
  static constexpr void check() { check_callable<F, Item>(); }
  result operator()(callable_box<F> f, std::vector<Item> items) const {
    return run_each<one_result>(items,
                                [&](Item& item) -> decltype(auto) { return invoke_once<F, Item>(f.value, item); });
  }
};

template <class F, class Tuple>
struct call_with_elements;
template <class F, template <class...> class Tuple, class... A>
struct call_with_elements<F, Tuple<A...>> {
  using result = call_result_t<F, A...>;
  static constexpr void check() { check_callable<F, A...>(); }
  static decltype(auto) call(F& f, Tuple<A...>& arguments) {
    return std::apply([&](A&... each) -> decltype(auto) { return invoke_once<F, A...>(f, each...); }, arguments);
  }
};

template <class F, class Tuple>
struct starmap_chunk {
  using one_result = typename call_with_elements<F, Tuple>::result;
  using result = chunk_result<one_result>;
  static constexpr void check() { call_with_elements<F, Tuple>::check(); }
  result operator()(callable_box<F> f, std::vector<Tuple> items) const {
    return run_each<one_result>(
        items, [&](Tuple& item) -> decltype(auto) { return call_with_elements<F, Tuple>::call(f.value, item); });
  }
};

/// Tells a progress how many items of a map have ended.
class map_progress {
 public:
  map_progress(const progress& tell, std::size_t all) {
    if (tell) counter_ = std::make_shared<counter>(tell, all);
  }
  template <class R>
  void follow(const future<R>& part, std::size_t items) const {
    if (!counter_) return;
    auto tell = [c = counter_, items] { c->tell(c->done += items, c->all); };
    part.when_ready(std::move(tell));
  }

 private:
  struct counter {
    counter(const progress& t, std::size_t n) : tell(t), all(n) {}
    progress tell;
    std::size_t all;
    std::atomic<std::size_t> done{0};
  };
  std::shared_ptr<counter> counter_;
};

/// Waits for all pieces, then joins their results, or throws the exception of the first piece that failed.
template <class Result>
Result gather(std::vector<future<Result>> parts) {
  for (const auto& part : parts) part.wait();
  if constexpr (std::is_void_v<Result>) {
    for (const auto& part : parts) part.get();
  } else {
    Result all;
    for (auto& part : parts) {
      Result some = std::move(part).get();
      if (all.empty())
        all = std::move(some);
      else
        all.insert(all.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
    }
    return all;
  }
}

}  // namespace kin::detail
