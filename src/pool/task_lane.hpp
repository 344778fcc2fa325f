// SPDX-License-Identifier: BSL-1.0
// task_lane: how small tasks get to one worker and their outcomes back, through shared memory (stations 4 and 6 of
// docs/data_flow.md). Two rings of slots, one a direction. Works on memory it is given and knows no processes, so it is
// tested between threads.
//
// Orders are written by the pool alone and mapped read-only in the worker, answers by the worker alone. A slot's number
// says that it is whole; so a task crosses in one line, and its outcome comes back in one. Nothing is trusted: the pool
// keeps its own count of everything, and a number that cannot be is a decode_error.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include <kin/core/error.hpp>

#include "memory/bell.hpp"
#include "memory/cpu.hpp"
#include "memory/mutant.hpp"
#include "memory/spin.hpp"

namespace kin::detail {

/// `in_frame`: the request comes as a frame on the worker's channel.
enum class order_kind : std::uint8_t { in_slot, in_frame };

// Of the requests, what is the same for many: written once, before the first order that names it, and never changed.
// What names a head has room for its arguments in the slot's first line.
struct lane_head {
  std::uint16_t size;
  std::byte bytes[126];
};
inline constexpr std::size_t most_heads = 32;

struct order_slot {
  std::atomic<std::uint64_t> number;  ///< position + 1 of the task that is here; 0: none, or not whole
  std::uint64_t memory_limit;
  std::uint16_t size;
  order_kind kind;
  std::uint8_t depth;
  std::uint8_t head;  ///< + 1, of the heads; 0: the request is whole
  std::byte request[107];
};
inline constexpr std::uint16_t sent_in_frame = 0xffff;
struct answer_slot {
  std::atomic<std::uint64_t> number;
  std::uint16_t size;  ///< or sent_in_frame
  std::byte outcome[118];
};
static_assert(sizeof(order_slot) == 128 && sizeof(answer_slot) == 128 && sizeof(lane_head) == 128);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

inline constexpr std::size_t lane_capacity = 127;

/// Of either side, while it waits awake for the other.
inline constexpr spin_rhythm while_awake{96, 1, 16};

// The worker dies (the pool's death is its workers' death; a stopped pool holds up its workers and nobody else):
//   before `begun`                                  its task goes back to the pool, with what is behind it
//   after it, before the number of its answer       this one task is lost; what is behind it goes back
//   after that number, before it has woken anybody  the outcome counts; the pidfd tells the pool to look

struct lane_orders {
  std::atomic<std::uint32_t> recalling;       ///< the pool takes tasks back: begin none now
  std::atomic<std::uint32_t> leaving;         ///< no more will come
  std::atomic<std::uint32_t> tell;            ///< if it is new: tell the pool's thread of the next answer; 0: do not
  std::atomic<std::uint32_t> pool_processor;  ///< + 1, where the pool was last seen; a hint
  // A thread of the pool sleeps at home (lane_home) until so many answers are there; 0: none does.
  std::atomic<std::uint64_t> ring_at;
  alignas(64) std::atomic<std::uint64_t> taken;  ///< answers that the pool has
  alignas(128) order_slot slots[lane_capacity];
  lane_head heads[most_heads];
};
struct lane_answers {
  std::atomic<std::uint64_t> begun;               ///< tasks, in all
  std::atomic<std::uint64_t> began_at;            ///< cpu::ticks() when the last of them began; a hint
  alignas(64) std::atomic<std::uint64_t> memory;  ///< resident bytes, if the worker was to tell
  std::atomic<std::uint32_t> pace;                ///< cpu::ticks() a task, lately; a hint
  std::atomic<std::uint32_t> processor;           ///< + 1, where the worker was last seen; a hint
  alignas(64) kin::detail::bell bell;             ///< the worker sleeps here
  alignas(128) answer_slot slots[lane_capacity];
};
static_assert(sizeof(lane_orders) == 20480 && sizeof(lane_answers) <= 16640);

/// Orders this side's publication before its look at whether the other one sleeps. `light`: the sleeper does it.
inline void lane_fence(bool light) noexcept {
  if (light)
    std::atomic_signal_fence(std::memory_order_seq_cst);
  else
    cpu::full_fence();
}

/// The pool's end. Calls are serialised by the pool's lock.
class near_lane {
 public:
  near_lane() = default;
  near_lane(lane_orders& orders, lane_answers& answers, bool light) noexcept
      : orders_(&orders), answers_(&answers), light_(light) {}

  /// Tasks that are with the worker and whose outcome the pool has not.
  [[nodiscard]] std::size_t size() const noexcept { return static_cast<std::size_t>(put_ - taken_); }
  [[nodiscard]] bool full() const noexcept { return size() == lane_capacity; }
  static constexpr std::size_t most_bytes = sizeof(order_slot::request);
  [[nodiscard]] static constexpr bool fits(std::size_t request) noexcept { return request <= most_bytes; }
  static constexpr std::size_t most_head = sizeof(lane_head::bytes);

  /// Gives the worker one more task, and wakes it. Not full.
  void put(order_kind kind, unsigned depth, std::uint64_t memory_limit, std::span<const std::byte> request) noexcept;
  /// The same for a request in two parts: a head, of at most most_head bytes, which has the same number each time, and
  /// the rest.
  void put(unsigned number, std::span<const std::byte> head, unsigned depth, std::uint64_t memory_limit,
           std::span<const std::byte> rest) noexcept;
  /// The worker ends when it has done what it has.
  void leave() noexcept;

  /// A word of the lane, and what it is until the next outcome is there: for whoever looks without the lock, while the
  /// lane lives and is not empty.
  struct sign {
    const std::atomic<std::uint64_t>* word;
    std::uint64_t before;
    [[nodiscard]] bool shows() const noexcept { return word->load(std::memory_order_acquire) != before; }
  };
  [[nodiscard]] sign next_sign(std::size_t after = 0) const noexcept {
    const std::uint64_t at = taken_ + after;
    return {&answers_->slots[at % lane_capacity].number, at < lane_capacity ? 0 : at + 1 - lane_capacity};
  }
  /// Copies the next outcome. `in_frame`: the worker has sent it over its channel; skip() when it has come. Throws
  /// decode_error for what no worker writes.
  enum class found : unsigned char { nothing, outcome, in_frame };
  struct outcome {
    std::byte bytes[sizeof(answer_slot::outcome)];
    std::size_t size;
  };
  [[nodiscard]] found take(outcome& into);
  void skip() noexcept;

  /// Takes back all that the worker has not begun; returns how many remain. The last ones put are the ones taken back.
  /// Throws decode_error.
  std::size_t recall();
  /// Of a worker that is dead: how many it has begun or answered.
  [[nodiscard]] std::size_t remaining() const;
  /// Answers that take() and skip() have gone past, in all.
  [[nodiscard]] std::uint64_t taken() const noexcept { return taken_; }
  /// The worker has said so: after what take() has given. Throws decode_error if that cannot be.
  void check_answers(std::uint64_t said) const;

  /// The home is rung once, when the outcome is there that next_sign(after) is about.
  void ring_after(std::size_t after) noexcept { orders_->ring_at.store(taken_ + after + 1, std::memory_order_relaxed); }
  void ring_no_more() noexcept { orders_->ring_at.store(0, std::memory_order_relaxed); }
  /// The worker tells of its next answer, once. Order it before a look at what is answered (os::heavy_barrier).
  void ask_to_tell() noexcept { orders_->tell.store(++told_ != 0 ? told_ : ++told_, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t memory() const noexcept { return answers_->memory.load(std::memory_order_relaxed); }
  /// Whether the worker is at its first task for longer than a row of short ones takes; a hint.
  [[nodiscard]] bool is_long_at_it() const noexcept;
  [[nodiscard]] std::uint64_t began_at() const noexcept { return answers_->began_at.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint32_t pace() const noexcept { return answers_->pace.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint32_t processor() const noexcept { return answers_->processor.load(std::memory_order_relaxed); }
  void tell_processor(std::uint32_t here) noexcept {
    if (orders_->pool_processor.load(std::memory_order_relaxed) != here)
      orders_->pool_processor.store(here, std::memory_order_relaxed);
  }
  /// Whether the worker seems to sleep; a hint.
  [[nodiscard]] bool sleeps() const noexcept { return (answers_->bell.word.load(std::memory_order_relaxed) & 1) != 0; }

 private:
  [[nodiscard]] std::uint64_t begun() const;

  lane_orders* orders_ = nullptr;
  lane_answers* answers_ = nullptr;
  bool light_ = false;
  void publish(order_slot& s) noexcept;

  std::uint64_t put_ = 0, taken_ = 0;  // never read from the shared memory
  std::uint32_t told_ = 0;
  std::uint32_t heads_known_ = 0;  // a bit each
};

/// Where a thread of the pool sleeps until workers have answered, one for all of them. They can write to it, and what
/// it says of sleepers is not believed: lane_orders::ring_at, which they cannot write, says whether one has to ring.
struct lane_home {
  kin::detail::bell bell;
  alignas(64) std::atomic<std::uint32_t> spinner;  ///< the worker that waits awake, where only one may; a hint
};

/// The worker's end. One thread.
class far_lane {
 public:
  /// `only_spinner`: 0, or what this worker is called where there are more workers than processors to wait awake on.
  far_lane(const lane_orders& orders, lane_answers& answers, lane_home& home, bool light,
           std::uint32_t only_spinner = 0) noexcept
      : orders_(orders), answers_(answers), home_(home), light_(light), only_spinner_(only_spinner) {}

  struct order {
    order_kind kind;
    unsigned depth;
    std::uint64_t memory_limit;
    unsigned head;                       ///< + 1, of what the request is the rest of; 0: it is whole
    std::span<const std::byte> request;  ///< good until the answer
  };
  [[nodiscard]] std::span<const std::byte> head(unsigned number) const noexcept {
    return {orders_.heads[number].bytes, orders_.heads[number].size};
  }
  /// Waits for the next task, which has begun when this returns; empty when no more will come. `tell_pool` is called
  /// before a sleep, if the pool's thread is to look. Throws what that does.
  template <class TellPool>
  std::optional<order> next(TellPool&& tell_pool);

  [[nodiscard]] static bool fits(std::size_t outcome) noexcept { return outcome <= sizeof(answer_slot::outcome); }
  void answer(std::span<const std::byte> outcome) noexcept;
  /// The outcome has been sent as a frame.
  void answered_in_frame() noexcept { publish(sent_in_frame); }
  /// Whether the task that has begun had to be waited for.
  [[nodiscard]] bool has_waited() const noexcept { return waited_; }
  /// Answers, in all.
  [[nodiscard]] std::uint64_t answers() const noexcept { return at_; }
  /// Whether the pool's thread is to be told of the last answer; true once for each time that it asks.
  [[nodiscard]] bool is_to_tell() noexcept {
    const std::uint32_t asked = orders_.tell.load(std::memory_order_relaxed);
    if (asked == 0 || asked == told_) return false;
    told_ = asked;
    return true;
  }
  void tell_began(std::uint64_t ticks) noexcept { answers_.began_at.store(ticks, std::memory_order_relaxed); }
  void tell_memory(std::uint64_t bytes) noexcept { answers_.memory.store(bytes, std::memory_order_relaxed); }
  void tell_pace(std::uint32_t ticks, std::uint32_t processor) noexcept {
    // Roughly: each change is a line that goes to the pool's processor and back.
    const std::uint32_t known = answers_.pace.load(std::memory_order_relaxed);
    if (ticks - ticks / 4 > known || ticks + ticks / 4 < known) answers_.pace.store(ticks, std::memory_order_relaxed);
    if (answers_.processor.load(std::memory_order_relaxed) != processor)
      answers_.processor.store(processor, std::memory_order_relaxed);
  }

 private:
  [[nodiscard]] const order_slot& slot() const noexcept { return orders_.slots[at_ % lane_capacity]; }
  [[nodiscard]] bool is_there() const noexcept {
    return slot().number.load(std::memory_order_acquire) == at_ + 1 &&
           orders_.recalling.load(std::memory_order_relaxed) == 0;
  }
  [[nodiscard]] bool something_to_do() const noexcept {
    return is_there() || orders_.leaving.load(std::memory_order_relaxed) != 0;
  }
  void publish(std::uint16_t size) noexcept;
  [[nodiscard]] bool begin() noexcept;
  [[nodiscard]] bool spin() noexcept;
  template <class TellPool>
  class telling_sleep;
  // It may not know of the last answers: it has not been told, and whoever has been rung for has come and gone. One who
  // was rung for and sleeps yet takes the mark away before it looks.
  [[nodiscard]] bool pool_must_look() const noexcept {
    const std::uint64_t ring_at = orders_.ring_at.load(std::memory_order_relaxed);
    return seen_to_ != at_ && orders_.taken.load(std::memory_order_relaxed) != at_ &&
           (ring_at == 0 || ring_at != rung_at_) && !mutant("worker: tells nobody before it sleeps");
  }

  const lane_orders& orders_;
  lane_answers& answers_;
  lane_home& home_;
  bool light_;
  std::uint32_t only_spinner_;
  std::uint64_t seen_to_ = 0;  // answers, when the pool was last told before a sleep
  std::uint64_t rung_at_ = 0;  // lane_orders::ring_at when the pool was last rung for
  std::uint32_t told_ = 0;
  bool waited_ = true;
  spin_habit habit_;
  unsigned near_ = 0;  // quick rounds in a row on the pool's processor
  std::uint64_t last_near_ = 0, left_at_ = 0;
  std::uint64_t at_ = 0;  // answers, in all
};

// The announcement also orders the last answer before the look at whether somebody will see it.
template <class TellPool>
class far_lane::telling_sleep : public sleep {
 public:
  telling_sleep(kin::detail::bell& b, bool light, far_lane& lane, TellPool& tell_pool) noexcept
      : sleep(b, light, spinning::useless), lane_(lane), tell_pool_(tell_pool) {}
  wait_end until_rung(const deadline& until) {
    if (lane_.pool_must_look()) {
      lane_.seen_to_ = lane_.at_;
      tell_pool_();
    }
    return sleep::until_rung(until);
  }
  static bool skips_last_look() noexcept { return mutant("worker: last look left out"); }

 private:
  far_lane& lane_;
  TellPool& tell_pool_;
};

template <class TellPool>
std::optional<far_lane::order> far_lane::next(TellPool&& tell_pool) {
  for (waited_ = false;; waited_ = true) {
    if (begin()) {
      const order_slot& s = slot();
      return order{s.kind, s.depth, s.memory_limit, s.head, {s.request, s.size}};
    }
    if (orders_.leaving.load(std::memory_order_acquire) != 0 &&
        orders_.recalling.load(std::memory_order_acquire) == 0 &&
        slot().number.load(std::memory_order_acquire) != at_ + 1)
      return std::nullopt;
    if (spin()) continue;
    telling_sleep<TellPool> sleeper(answers_.bell, light_, *this, tell_pool);
    sleep_until(sleeper, deadline::never(), [this] { return something_to_do(); });
  }
}

}  // namespace kin::detail
