// SPDX-License-Identifier: BSL-1.0
// placed_map: a map whose items and results are values that are their own bytes: they go through shared memory instead
// of the workers' channels. A task is then a callable and a place.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <kin/pool/gather.hpp>
#include <kin/pool/map_chunk.hpp>
#include <kin/pool/map_place.hpp>
#include <kin/pool/task_pool.hpp>
#include <kin/pool/way.hpp>

namespace kin::detail {

/// Bytes of items from which on a map is worth a buffer.
inline constexpr std::size_t worth_placing = std::size_t{16} << 10;
/// Pieces of a map, each of which holds descriptors of two buffers until it is done. More of them are small ones.
inline constexpr std::size_t most_placed = 256;

template <class T>
concept placeable = !std::is_void_v<T> && !std::is_same_v<T, bool> && std::is_trivially_copyable_v<T> &&
                    std::is_default_constructible_v<T> && is_flat<T>;

template <class F, class Item, class R>
struct placed_chunk {
  void operator()(callable_box<F> f, map_place place) const {
    const placed_memory memory(place, sizeof(Item), sizeof(R));
    const std::byte* from = memory.items();
    std::byte* to = memory.results();
    if (from == nullptr || to == nullptr) throw decode_error("kin: a piece of a map lies nowhere");
    for (std::uint64_t i = 0; i < place.count; ++i, from += sizeof(Item), to += sizeof(R)) {
      Item item;  // a copy of its own: the callable may take it over
      std::memcpy(std::addressof(item), from, sizeof item);
      const R result = invoke_once<F, Item>(f.value, item);
      std::memcpy(to, &result, sizeof result);
    }
  }
};

/// Its value is in the buffer, once it has succeeded.
template <class Result>
class placed_state final : public result_state<Result> {
 public:
  using typename result_state<Result>::value_type;
  using result_state<Result>::result_state;

 private:
  value_type decode() override {
    this->template take_value<void>();
    return {};
  }
};

/// False when there is no buffer to be had, and nothing was done. `to` outlives it.
template <class F, class Item, class R>
bool start_placed_map(const std::shared_ptr<task_pool>& to, const task_options& options, const F& f,
                      std::span<const Item> items, std::size_t chunk, pieces<std::vector<R>>& all) {
  constexpr std::size_t line = 64;  // two workers never write to one
  const auto aligned = [](std::size_t bytes) { return (bytes + line - 1) / line * line; };
  const std::size_t n = items.size(), tasks = (n + chunk - 1) / chunk;
  if (tasks > most_placed || n > (std::size_t{1} << 60) / (sizeof(Item) + sizeof(R))) return false;
  const std::size_t items_step = aligned(chunk * sizeof(Item)), results_step = aligned(chunk * sizeof(R));
  auto given = to->take_buffer(tasks * items_step);
  auto results = given ? to->take_buffer(tasks * results_step) : nullptr;
  if (!results) {
    if (given) to->give_back(std::move(given));
    return false;
  }
  for (std::size_t t = 0; t < tasks; ++t) {
    const std::size_t first = t * chunk, count = std::min(chunk, n - first);
    std::memcpy(given->data() + t * items_step, items.data() + first, count * sizeof(Item));
    auto state = std::make_shared<placed_state<std::vector<R>>>(to->home());
    to->submit(encode_call_as(delivery::lent, placed_chunk<F, Item, R>{}, callable_box<F>{f},
                              map_place{place_in(*given, t * items_step), place_in(*results, t * results_step), count}),
               task_label::of(f), state, options);
    all.add(std::move(state), count);
  }
  all.elsewhere = [to, given, results, chunk, n, results_step] {
    std::vector<R> whole;
    whole.reserve(n);
    expect_large(whole.data(), n * sizeof(R));
    for (std::size_t first = 0, at = 0; first < n; first += chunk, at += results_step) {
      const auto* const some = reinterpret_cast<const R*>(results->data() + at);
      whole.insert(whole.end(), some, some + std::min(chunk, n - first));
    }
    to->give_back(given);
    to->give_back(results);
    return whole;
  };
  return true;
}

}  // namespace kin::detail
