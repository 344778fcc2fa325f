// SPDX-License-Identifier: BSL-1.0
// claimed_map: a map over a kin::array. Nothing of it is copied: a task is the callable and handles, one for each
// worker, and each claims ranges (range_claims.hpp) until there are none; results go where they are to be.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <kin/core/error.hpp>
#include <kin/pool/gather.hpp>
#include <kin/pool/map_chunk.hpp>
#include <kin/pool/map_place.hpp>
#include <kin/pool/pool_options.hpp>
#include <kin/pool/range_claims.hpp>
#include <kin/pool/task_pool.hpp>
#include <kin/process/worker_lost.hpp>
#include <kin/wire/callable.hpp>
#include <kin/wire/codec.hpp>
#include <kin/wire/passing.hpp>
#include <kin/wire/remote.hpp>

namespace kin::detail {

/// A handle to elements that lie side by side in shared memory: kin::array.
template <class T>
concept shared_elements_handle = std::ranges::contiguous_range<const T&> && std::ranges::sized_range<const T&> &&
                                 requires { typename T::kin_handle; } && std::copyable<T> &&
                                 std::is_trivially_copyable_v<std::ranges::range_value_t<const T&>>;

/// Where results go.
struct no_results {
  static constexpr std::nullptr_t keep() { return nullptr; }
};
template <class Handle>
struct results_in_array {
  Handle to;
  [[nodiscard]] auto* keep() const {
    keep_mapped(to.data(), std::make_shared<Handle>(to));
    return to.data();
  }
};
template <class R>
struct results_in_buffer {
  map_place place;
  [[nodiscard]] R* keep() const {
    const auto memory = std::make_shared<placed_memory>(place, 0, sizeof(R));
    auto* const data = reinterpret_cast<R*>(memory->results());
    keep_mapped(data, memory);
    return data;
  }
};

/// What one who takes part has to know.
struct claimed_part {
  range_claims claims;
  std::uint64_t items = 0, chunk = 0, ranges = 0;
  std::uint32_t who = 0, others = 0;
};

/// Whether whoever takes part stops: never, or when others are to be called, because this is no short loop.
struct until_all_is_claimed {
  static constexpr bool reached_by(std::size_t /*ranges*/) { return false; }
};
class for_a_moment {
 public:
  /// What it costs to call a worker, about.
  static constexpr std::chrono::microseconds moment{20};
  explicit for_a_moment(std::size_t all) : all_(all) {}
  /// Looks at the clock after 1, 2, 4 … ranges: whether there is much more to do, going by those.
  [[nodiscard]] bool reached_by(std::size_t ranges) const {
    constexpr std::chrono::microseconds long_enough{3};  // to judge by
    if ((ranges & (ranges - 1)) != 0) return false;
    const auto took = std::chrono::steady_clock::now() - began_;
    const auto left = took / static_cast<std::int64_t>(ranges) * static_cast<std::int64_t>(all_ - ranges);
    return took >= moment || (took >= long_enough && left >= 2 * moment);
  }

 private:
  std::size_t all_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

template <class F, class Item, class Result, class Limit>
void run_claimed(F& f, const Item* from, Result* to, const claimed_part& part, const Limit& limit) {
  claimant mine(part.claims, part.who, static_cast<std::size_t>(part.ranges), part.others);
  std::exception_ptr first;
  std::size_t failed = 0;  // where that comes from: ranges are not claimed in order
  std::size_t taken = 0;
  while (const auto range = mine.next()) {
    const std::uint64_t begin = *range * part.chunk, end = std::min(begin + part.chunk, part.items);
    try {
      for (std::uint64_t i = begin; i < end; ++i) {
        Item item = from[i];  // a copy of its own: the callable may take it over
        if constexpr (std::is_void_v<Result>)
          (void)invoke_once<F, Item>(f, item);
        else
          to[i] = static_cast<Result>(invoke_once<F, Item>(f, item));
      }
    } catch (...) {
      mine.fail();
      if (!first || *range < failed) {
        first = std::current_exception();
        failed = *range;
      }
    }
    if (limit.reached_by(++taken) && !mine.has_left()) {  // what is claimed and left is nobody else's
      mine.finish();
      break;
    }
  }
  if (first) std::rethrow_exception(first);
}

template <class F, class In, class To>
struct claimed_chunks {
  void operator()(callable_box<F> f, const In& in, const To& to, const claimed_part& part) const {
    run(f, in, to, part, until_all_is_claimed());
  }
  template <class Limit>
  static void run(callable_box<F>& f, const In& in, const To& to, const claimed_part& part, const Limit& limit) {
    if (part.items != in.size() || part.chunk == 0 || part.ranges != (part.items + part.chunk - 1) / part.chunk)
      throw decode_error("kin: a part of a map over other elements");
    keep_mapped(in.data(), std::make_shared<In>(in));
    run_on(f.value, in, to.keep(), part, limit);
  }
  template <class Result, class Limit>
  static void run_on(F& f, const In& in, Result* to, const claimed_part& part, const Limit& limit) {
    run_claimed(f, std::as_const(in).data(), to, part, limit);
  }
  template <class Limit>
  static void run_on(F& f, const In& in, std::nullptr_t, const claimed_part& part, const Limit& limit) {
    run_claimed(f, std::as_const(in).data(), static_cast<void*>(nullptr), part, limit);
  }
};

/// A map under way. Rounds of tasks, until every range is claimed by somebody.
template <class Way, class F, class In, class To>
class claimed_map {
 public:
  claimed_map(task_pool& workers, const map_options& options, std::size_t items)
      : workers_(workers), options_(options) {
    const std::size_t most = std::max<std::size_t>(workers.size() + (options.caller_takes_part ? 1 : 0), 1);
    constexpr std::size_t ranges_each = 64;  // small, so that all end together; many are claimed at once
    std::size_t chunk = options.chunk > 0 ? std::size_t{options.chunk} : items / (most * ranges_each);
    chunk = std::max(
        {std::min(chunk, items), (items + range_claims::most_ranges - 1) / range_claims::most_ranges, std::size_t{1}});
    part_.emplace(claimed_part{range_claims::take((items + chunk - 1) / chunk), items, chunk,
                               (items + chunk - 1) / chunk, 0, static_cast<std::uint32_t>(most)});
  }
  claimed_map(const claimed_map&) = delete;
  claimed_map& operator=(const claimed_map&) = delete;

  /// Once. `to()` makes a To for each who takes part. Throws the exception of the first range that failed.
  template <class MakeTo>
  void run(const F& f, const In& in, MakeTo to) {
    const auto& claims = part_->claims;
    if (options_.caller_takes_part) {
      const std::uint32_t caller = ++named_;
      note_range(caller, take_part(caller, f, in, to, for_a_moment(ranges())));
      if (claims.unclaimed(ranges()) == 0) return end();
    }
    int in_vain = 0;  // rounds in a row in which workers were lost before they had claimed anything
    for (bool first_round = true;; first_round = false) {
      const std::size_t before = claims.unclaimed(ranges());
      const std::size_t tasks = std::min(workers_.size(), before);
      std::vector<std::pair<std::uint32_t, std::shared_ptr<result_state<void>>>> round;
      pieces<void> under_way;  // takes back what waits, if the rest throws
      for (std::size_t t = 0; t < tasks; ++t) try {
          claimed_part part = *part_;
          const std::uint32_t who = part.who = ++named_;
          round.emplace_back(
              who, Way::template submit<void>(workers_, options_.task, task_label::of(f), claimed_chunks<F, In, To>{},
                                              callable_box<F>{f}, in, to(), std::move(part)));
          under_way.add(round.back().second, 0);
        } catch (const closed_error&) {
          // Closed meanwhile. Those that have been taken claim all there is; the first says if the pool was terminated.
          if (round.empty()) throw;
          break;
        }
      std::exception_ptr own;
      const std::uint32_t caller = ++named_;
      if (options_.caller_takes_part && first_round) {
        own = take_part(caller, f, in, to, until_all_is_claimed());
        for (int looks = 0; looks < 1000 && !own && claims.done() < ranges(); ++looks) std::this_thread::yield();
        if (claims.done() == ranges()) {
          const auto last = std::make_shared<last_answer>(claims);
          for (const auto& [who, state] : round)
            state->on_settle_quietly([last, task = state.get()] { last->note(*task); });
          return;
        }
      }
      under_way.wait({});
      note_range(caller, own);
      for (const auto& [who, state] : round) {
        try {
          (void)state->value();
        } catch (...) {
          note_failure(who, std::current_exception());
        }
      }
      const std::size_t left = claims.unclaimed(ranges());
      if (left == 0) break;
      if (refused_) std::rethrow_exception(refused_);
      in_vain = left == before ? in_vain + 1 : 0;
      if (in_vain == most_in_vain) throw_unclaimed();
    }
    end();
  }

 private:
  // Where not all are waited for: gives the claims back when all have answered. One that was lost may still be writing.
  class last_answer {
   public:
    explicit last_answer(range_claims claims) : claims_(std::move(claims)) {}
    last_answer(const last_answer&) = delete;
    last_answer& operator=(const last_answer&) = delete;
    ~last_answer() {
      if (!lost_) claims_.give_back();
    }
    void note(const task_state& task) {
      if (task.failed()) lost_ = true;
    }

   private:
    range_claims claims_;
    std::atomic<bool> lost_{false};
  };

  void end() {
    if (!lost_) part_->claims.give_back();
    if (first_) std::rethrow_exception(first_->second);
  }
  // The calling thread, with a callable of its own: what a task changes in it is not the caller's.
  template <class MakeTo, class Limit>
  std::exception_ptr take_part(std::uint32_t who, const F& f, const In& in, MakeTo& to, const Limit& limit) {
    claimed_part part = *part_;
    part.who = who;
    for (std::size_t retries_left = options_.task.retries;; --retries_left) try {
        callable_box<F> mine{f};
        claimed_chunks<F, In, To>::run(mine, in, to(), part, limit);
        return nullptr;
      } catch (...) {
        std::exception_ptr why = std::current_exception();
        if (retries_left == 0 || !is_retryable(why)) return why;
      }
  }
  static constexpr int most_in_vain = 20;

  [[nodiscard]] std::size_t ranges() const { return static_cast<std::size_t>(part_->ranges); }
  void note_failure(std::uint32_t who, const std::exception_ptr& why) {
    if (!why) return;
    any_ = why;
    try {
      std::rethrow_exception(why);
    } catch (const remote_info&) {  // a task's own
    } catch (const worker_lost&) {
      lost_ = true;
    } catch (...) {  // cancelled, or no worker could be had: it makes no sense to go on
      lost_ = true;
      refused_ = why;
    }
    note_range(who, why);
  }
  // One that had nothing in hand when it died has cost nothing.
  void note_range(std::uint32_t who, const std::exception_ptr& why) {
    if (!why) return;
    const auto range = part_->claims.left_by(who, ranges());
    if (range && (!first_ || *range < first_->first)) first_.emplace(*range, why);
  }
  [[noreturn]] void throw_unclaimed() const {
    if (any_) std::rethrow_exception(any_);
    throw decode_error("kin: a worker wrote over what a map shares with its workers");
  }

  task_pool& workers_;
  const map_options& options_;
  std::optional<claimed_part> part_;
  std::uint32_t named_ = 0;
  std::optional<std::pair<std::size_t, std::exception_ptr>> first_;
  std::exception_ptr any_;
  std::exception_ptr refused_;
  bool lost_ = false;  // somebody, who may still be writing
};

}  // namespace kin::detail
