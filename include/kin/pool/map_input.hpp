// SPDX-License-Identifier: BSL-1.0
// map_input: how a range is cut into the pieces that become tasks. Each item is taken once, in order; values that lie
// side by side in memory are not taken at all, but looked at where they are.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <deque>
#include <iterator>
#include <ranges>
#include <span>
#include <type_traits>
#include <utility>

#include <kin/pool/map_chunk.hpp>
#include <kin/wire/codec.hpp>
#include <kin/wire/copyable.hpp>

namespace kin::detail {

/// Ranges whose items can go to another process as the bytes they are.
template <class Range, class Item>
concept flat_range = std::ranges::contiguous_range<Range> && std::ranges::sized_range<Range> &&
                     std::same_as<std::remove_cv_t<std::ranges::range_value_t<Range>>, Item> && is_flat<Item> &&
                     !std::same_as<Item, bool>;

/// Whether a range of this type, as deduced for a forwarding reference, is a container that was handed over.
template <class Range>
inline constexpr bool handed_over = !std::is_lvalue_reference_v<Range> && !std::ranges::view<Range>;
template <class R>
inline constexpr bool handed_over<std::ranges::owning_view<R>> = true;

/// What an Item is made of at `place`. Items that cannot be copied are moved out of a container that was handed over.
template <class Item, bool HandedOver, class I>
decltype(auto) item_at(const I& place) {
  if constexpr (is_copyable<Item> || !std::is_lvalue_reference_v<std::iter_reference_t<I>>) {
    return *place;
  } else {
    static_assert(
        HandedOver,
        "kin: the items of this range cannot be copied, only moved, and a name was given for it. Hand it over: "
        "write  std::move(range)");
    return std::ranges::iter_move(place);
  }
}

/// Calls take(some) for each piece: an item_list<Item>, or a std::span<const Item> of a flat range.
template <class Item, class Range, class ChunkSize, class Take>
void in_chunks(Range&& range, ChunkSize chunk_size, Take take) {
  constexpr bool given = handed_over<Range>;
  if constexpr (flat_range<std::remove_reference_t<Range>, Item>) {
    const std::span<const Item> items(std::ranges::data(range), std::ranges::size(range));
    const std::size_t size = chunk_size(items.size());
    for (std::size_t at = 0; at < items.size(); at += size) take(items.subspan(at, std::min(size, items.size() - at)));
  } else if constexpr (std::ranges::sized_range<Range>) {
    const auto all = static_cast<std::size_t>(std::ranges::size(range));
    const std::size_t size = chunk_size(all);
    auto place = std::ranges::begin(range);
    const auto end = std::ranges::end(range);
    while (place != end) {
      item_list<Item> some;
      if constexpr (requires { some.reserve(size); }) some.reserve(std::min(size, all));
      for (; some.size() < size && place != end; ++place) some.emplace_back(item_at<Item, given>(place));
      take(std::move(some));
    }
  } else {
    std::deque<Item> items;
    const auto end = std::ranges::end(range);
    for (auto place = std::ranges::begin(range); place != end; ++place) items.emplace_back(item_at<Item, given>(place));
    const std::size_t size = chunk_size(items.size());
    while (!items.empty()) {
      item_list<Item> some;
      for (; some.size() < size && !items.empty(); items.pop_front()) some.push_back(std::move(items.front()));
      take(std::move(some));
    }
  }
}

}  // namespace kin::detail
