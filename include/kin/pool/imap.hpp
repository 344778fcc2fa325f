// SPDX-License-Identifier: BSL-1.0
// imap: a map whose items are taken and whose results are given as the consumer asks for them, in its thread. The
// results of pool::imap and pool::imap_unordered.
//
// Invariant: items taken from the input ≤ results given + window.
#pragma once

#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <kin/pool/gather.hpp>
#include <kin/pool/map_chunk.hpp>
#include <kin/pool/map_input.hpp>
#include <kin/pool/task_state.hpp>

namespace kin {

namespace detail {
enum class imap_order : unsigned char { as_given, as_ended };

/// What is kept of an input: a view of an lvalue, or the range itself, which need not be assignable as views must be.
template <class Range>
auto imap_input(Range&& range) {
  if constexpr (std::ranges::viewable_range<Range>)
    return std::views::all(std::forward<Range>(range));
  else
    return std::remove_cvref_t<Range>(std::forward<Range>(range));
}
}  // namespace detail

/// An input range, move-only: `for (int v : workers.imap(f, items))`. A task's exception is thrown where its value
/// would be read, `*it`; a loop written by hand may go on after it. An exception of the input is thrown when what was
/// taken before it has been given. Leaving early: what waits is taken back, what runs is finished for nothing. The
/// input is owned when it was an rvalue. The pool must outlive it. One thread.
template <class Input, class Item, class Chunk>
class imap_results {
  using one = typename Chunk::one_result;
  using result = typename Chunk::result;
  using state = detail::result_state<result>;
  using value = std::conditional_t<std::is_void_v<one>, std::monostate, one>;
  struct run;

 public:
  using submit_chunk = std::function<std::shared_ptr<state>(detail::item_list<Item>&&)>;

  /// For kin.
  imap_results(Input input, submit_chunk submit, detail::imap_order order, std::size_t chunk, std::size_t window)
      : run_(std::make_unique<run>(std::move(input), std::move(submit), order, chunk, window)) {}

  class iterator {
   public:
    using value_type = value;
    using difference_type = std::ptrdiff_t;
    iterator() = default;
    /// Throws what the task threw.
    value& operator*() const {
      if (of_->failure) std::rethrow_exception(of_->failure);
      return *of_->current;
    }
    iterator& operator++() {
      of_->advance();
      return *this;
    }
    void operator++(int) { of_->advance(); }
    friend bool operator==(const iterator& a, std::default_sentinel_t) { return a.of_->ended; }

   private:
    friend imap_results;
    explicit iterator(run* of) : of_(of) {}
    run* of_ = nullptr;
  };

  /// Takes the first items. Once.
  iterator begin() {
    run_->advance();
    return iterator(run_.get());
  }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  struct piece {
    std::shared_ptr<state> task;
    std::size_t items;
  };

  struct run {
    run(Input i, submit_chunk s, detail::imap_order o, std::size_t c, std::size_t w)
        : input(std::move(i)), submit(std::move(s)), order(o), chunk(c), window(w) {}
    run(const run&) = delete;
    run& operator=(const run&) = delete;
    ~run() {
      for (const piece& p : pieces)
        if (p.task) p.task->withdraw();
    }

    void advance() {
      current.reset();
      failure = nullptr;
      if (taken_apart.empty()) {
        fill();
        if (in_flight == 0) {
          ended = true;
          if (input_failure) std::rethrow_exception(std::exchange(input_failure, nullptr));
          return;
        }
        take_apart(next_piece());
      }
      if (!failure) {
        current.emplace(std::move(taken_apart.front()));
        taken_apart.pop_front();
        --ahead;
      }
    }

    // Takes items while the window has room for another chunk, or nothing is under way.
    void fill() {
      while (!input_ended && (chunk <= window - ahead || in_flight == 0)) {
        detail::item_list<Item> some;
        try {
          while (some.size() < chunk && next_item(some)) {
          }
        } catch (...) {
          input_failure = std::current_exception();
          input_ended = true;
        }
        if (some.empty()) return;
        const std::size_t items = some.size();
        std::size_t slot = 0;
        try {
          slot = keep({submit(std::move(some)), items});
        } catch (...) {  // an item that cannot be encoded, a pool that is closed: what was taken before is given first
          input_failure = std::current_exception();
          input_ended = true;
          return;
        }
        if (order == detail::imap_order::as_ended) ended_pieces.expect(slot, *pieces[slot].task);
        ahead += items;
        ++in_flight;
      }
    }

    // The increment is put off until an item is needed: it may read, wait or throw.
    bool next_item(detail::item_list<Item>& some) {
      if (!place)
        place.emplace(std::ranges::begin(input));
      else
        ++*place;
      if (*place == std::ranges::end(input)) {
        input_ended = true;
        return false;
      }
      some.emplace_back(detail::item_at<Item, detail::handed_over<Input>>(*place));
      return true;
    }

    // Returns where: behind the others, or where one was that has been given.
    std::size_t keep(piece p) {
      if (free_slots.empty()) {
        pieces.push_back(std::move(p));
        return pieces.size() - 1;
      }
      const std::size_t n = free_slots.back();
      pieces[n] = std::move(p);
      free_slots.pop_back();
      return n;
    }

    piece next_piece() {
      --in_flight;
      if (order == detail::imap_order::as_given) {
        piece p = std::move(pieces.front());
        pieces.pop_front();
        p.task->wait(deadline::never());
        return p;
      }
      const std::size_t n = ended_pieces.next();
      free_slots.push_back(n);
      return std::move(pieces[n]);
    }

    void take_apart(const piece& p) {
      try {
        if constexpr (std::is_void_v<one>) {
          (void)p.task->value();
          taken_apart.resize(p.items);
        } else {
          auto& values = p.task->value();
          for (auto&& v : values) taken_apart.push_back(std::move(v));
        }
      } catch (...) {
        failure = std::current_exception();
        ahead -= p.items;
      }
    }

    Input input;
    submit_chunk submit;
    detail::imap_order order;
    std::size_t chunk, window;
    std::optional<std::ranges::iterator_t<Input>> place;
    // Submitted; as_given: in order. as_ended: slots, those that are free without a task; never more than were ever
    // under way at once, however long one of them lasts.
    std::deque<piece> pieces;
    std::vector<std::size_t> free_slots;
    std::size_t in_flight = 0, ahead = 0;
    detail::arrivals ended_pieces;
    std::deque<value> taken_apart;
    std::optional<value> current;
    std::exception_ptr failure, input_failure;
    bool input_ended = false, ended = false;
  };
  std::unique_ptr<run> run_;
};

}  // namespace kin
