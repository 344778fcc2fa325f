// SPDX-License-Identifier: BSL-1.0
// when_all: one future over several.
#pragma once

#include <memory>
#include <ranges>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <kin/pool/future.hpp>
#include <kin/pool/gather.hpp>
#include <kin/wire/copyable.hpp>

namespace kin {

namespace detail {

template <class T>
using joined_value = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

/// A copy, because other futures may refer to the same task; what cannot be copied is moved.
template <class T>
joined_value<T> value_of(result_state<T>& state) {
  if constexpr (is_copyable<joined_value<T>>)
    return state.value();
  else
    return state.take();
}

}  // namespace detail

/// future<std::tuple<T...>>, ready when all are, whether they succeed or fail; std::monostate stands for void. get()
/// throws the exception of the first, in the order given, that failed. cancel() cancels all.
template <class... T>
  requires(sizeof...(T) > 0)
[[nodiscard]] auto when_all(const future<T>&... futures) {
  using result = std::tuple<detail::joined_value<T>...>;
  const auto states = std::make_tuple(futures.shared_state()...);
  return detail::joined_state<result>::over({futures.shared_state()...}, std::get<0>(states)->callbacks(), [states] {
    return std::apply([](const auto&... each) { return result{detail::value_of(*each)...}; }, states);
  });
}

/// The same for a range of futures of one type, not empty: future<std::vector<T>>, or future<void>.
template <std::ranges::input_range Range>
  requires requires(const std::ranges::range_value_t<Range>& f) { f.shared_state(); }
[[nodiscard]] auto when_all(Range&& range) {
  using state = typename std::remove_cvref_t<
      decltype(std::declval<std::ranges::range_value_t<Range>&>().shared_state())>::element_type;
  using type = typename state::value_type;
  constexpr bool nothing = std::is_same_v<type, std::monostate>;
  using result = std::conditional_t<nothing, void, std::vector<type>>;
  std::vector<std::shared_ptr<state>> states;
  for (const auto& each : range) states.push_back(each.shared_state());
  if (states.empty()) throw std::invalid_argument("kin: when_all() of no futures");
  const std::vector<std::shared_ptr<detail::task_state>> tasks(states.begin(), states.end());
  return detail::joined_state<result>::over(tasks, states[0]->callbacks(), [states] {
    if constexpr (nothing) {
      for (const auto& each : states) (void)each->value();
      return std::monostate{};
    } else {
      result all;
      for (const auto& each : states) {
        if constexpr (detail::is_copyable<type>)
          all.push_back(each->value());
        else
          all.push_back(each->take());
      }
      return all;
    }
  });
}

}  // namespace kin
