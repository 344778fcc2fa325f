// SPDX-License-Identifier: BSL-1.0
// task_lane: see the header.
#include "pool/task_lane.hpp"

#include <algorithm>

#include "os/memory_barrier.hpp"
#include "os/processors.hpp"

namespace kin::detail {
namespace {

constexpr unsigned lines_ahead = 1;
constexpr unsigned quick_rounds = 32, pause_between_moves = 400;

[[noreturn]] void throw_wild() {
  throw decode_error("kin: a worker has written over the memory that it shares with its pool");
}

}  // namespace

// ---- the pool's end

void near_lane::put(order_kind kind, unsigned depth, std::uint64_t memory_limit,
                    std::span<const std::byte> request) noexcept {
  order_slot& s = orders_->slots[put_ % lane_capacity];
  s.memory_limit = memory_limit;
  s.kind = kind;
  s.depth = static_cast<std::uint8_t>(depth);
  s.size = static_cast<std::uint16_t>(request.size());
  s.head = 0;
  if (!request.empty()) std::memcpy(s.request, request.data(), request.size());
  publish(s);
}

void near_lane::put(unsigned number, std::span<const std::byte> head, unsigned depth, std::uint64_t memory_limit,
                    std::span<const std::byte> rest) noexcept {
  if ((heads_known_ >> number & 1) == 0) {
    lane_head& h = orders_->heads[number];
    h.size = static_cast<std::uint16_t>(head.size());
    std::memcpy(h.bytes, head.data(), head.size());
    heads_known_ |= std::uint32_t{1} << number;
  }
  order_slot& s = orders_->slots[put_ % lane_capacity];
  s.memory_limit = memory_limit;
  s.kind = order_kind::in_slot;
  s.depth = static_cast<std::uint8_t>(depth);
  s.head = static_cast<std::uint8_t>(number + 1);
  s.size = static_cast<std::uint16_t>(rest.size());
  if (!rest.empty()) std::memcpy(s.request, rest.data(), rest.size());
  publish(s);
}

void near_lane::publish(order_slot& s) noexcept {
  // Release: with what was written before. Pairs with far_lane::is_there().
  s.number.store(++put_, std::memory_order_release);
  // The worker has read those of a lap ago: the next ones come while this one works on what is before them.
  cpu::prefetch_to_write(&orders_->slots[(put_ + lines_ahead) % lane_capacity]);
  lane_fence(light_);
  if (!mutant("pool: bell not rung")) kin::detail::ring(answers_->bell, all_sleepers);
}

void near_lane::leave() noexcept {
  orders_->leaving.store(1);
  lane_fence(light_);
  kin::detail::ring(answers_->bell, all_sleepers);
}

bool near_lane::is_long_at_it() const noexcept {
  return answers_->begun.load(std::memory_order_acquire) > taken_ && cpu::ticks() - began_at() > 2 * cpu::a_moment();
}

near_lane::found near_lane::take(outcome& into) {
  if (taken_ == put_) return found::nothing;
  const answer_slot& s = answers_->slots[taken_ % lane_capacity];
  std::uint64_t number = s.number.load(std::memory_order_acquire);
  if (number != taken_ + 1) {
    // It begins the next one when it has answered: acquire, so that the answer is seen then.
    const std::uint64_t begun = size() > 1 ? answers_->begun.load(std::memory_order_acquire) : taken_;
    number = s.number.load(std::memory_order_acquire);
    if (number != taken_ + 1) {
      if (number != next_sign().before || begun < taken_ || begun > taken_ + 1) throw_wild();
      return found::nothing;
    }
  }
  const std::size_t size = s.size;  // read once: it may change
  if (size == sent_in_frame) return found::in_frame;
  if (size > sizeof s.outcome) throw_wild();
  std::memcpy(into.bytes, s.outcome, size);
  into.size = size;
  skip();
  return found::outcome;
}

void near_lane::skip() noexcept { orders_->taken.store(++taken_, std::memory_order_relaxed); }

std::uint64_t near_lane::begun() const {
  const std::uint64_t begun = answers_->begun.load(std::memory_order_acquire);
  // One that begins a task while that is taken back has counted it already.
  if (begun < taken_ || begun > put_ + 1) throw_wild();
  return std::min(begun, put_);
}

std::size_t near_lane::recall() {
  if (size() == 0) return 0;
  orders_->recalling.store(1);
  // Either the worker's look at `recalling` comes after this, or its `begun` is seen below.
  if (light_)
    os::heavy_barrier();
  else
    cpu::full_fence();
  std::uint64_t kept = 0;
  try {
    kept = begun();
  } catch (...) {
    orders_->recalling.store(0);
    throw;
  }
  for (; put_ > kept; --put_) orders_->slots[(put_ - 1) % lane_capacity].number.store(0, std::memory_order_relaxed);
  orders_->recalling.store(0, std::memory_order_release);
  lane_fence(light_);
  kin::detail::ring(answers_->bell, all_sleepers);
  return size();
}

void near_lane::check_answers(std::uint64_t said) const {
  if (said > taken_) throw_wild();
}

std::size_t near_lane::remaining() const { return static_cast<std::size_t>(begun() - taken_); }

// ---- the worker's end

// Says that the next task has begun, if it is there and stays there.
bool far_lane::begin() noexcept {
  if (!is_there()) {
    if (answers_.begun.load(std::memory_order_relaxed) != at_) answers_.begun.store(at_, std::memory_order_relaxed);
    return false;
  }
  if (!mutant("worker: begins unannounced")) answers_.begun.store(at_ + 1, std::memory_order_release);
  lane_fence(light_);
  // If the pool takes tasks back, it has either seen `begun`, or its intent is seen here. Acquire: it may be over, and
  // then the number tells.
  return (orders_.recalling.load(std::memory_order_acquire) == 0 &&
          slot().number.load(std::memory_order_acquire) == at_ + 1) ||
         mutant("worker: begins although tasks are taken back");
}

// On the pool's own processor spinning only keeps it from running: there it gets the turn once. The kernel puts a woken
// process on its waker's processor, and leaves it there for long; if the pool is as quick as that many times in a row,
// the two are better apart.
bool far_lane::spin() noexcept {
  if (orders_.pool_processor.load(std::memory_order_relaxed) !=
      static_cast<std::uint32_t>(os::current_processor() + 1)) {
    near_ = 0;
    std::uint32_t nobody = 0;
    if (only_spinner_ == 0) return habit_.spin(while_awake, [this] { return something_to_do(); });
    if (home_.spinner.load(std::memory_order_relaxed) != 0 ||
        !home_.spinner.compare_exchange_strong(nobody, only_spinner_, std::memory_order_relaxed))
      return something_to_do();
    const bool seen = habit_.spin(while_awake, [this] { return something_to_do(); });
    home_.spinner.store(0, std::memory_order_relaxed);
    return seen;
  }
  if (something_to_do()) return true;
  const std::uint64_t now = cpu::ticks();
  near_ = now - last_near_ < 2 * cpu::a_moment() ? near_ + 1 : 0;
  last_near_ = now;
  if (near_ >= quick_rounds && now - left_at_ > pause_between_moves * cpu::a_moment()) {
    near_ = 0;
    left_at_ = now;
    os::leave_processor();
  } else {
    os::let_others_run();
  }
  return something_to_do();
}

void far_lane::answer(std::span<const std::byte> outcome) noexcept {
  if (mutant("worker: answers before it has written")) {
    answer_slot& s = answers_.slots[at_ % lane_capacity];
    s.number.store(at_ + 1);
  }
  if (!outcome.empty()) std::memcpy(answers_.slots[at_ % lane_capacity].outcome, outcome.data(), outcome.size());
  publish(static_cast<std::uint16_t>(outcome.size()));
}

void far_lane::publish(std::uint16_t size) noexcept {
  answer_slot& s = answers_.slots[at_ % lane_capacity];
  s.size = size;
  // Release: with what was written above. Pairs with near_lane::take().
  s.number.store(++at_, std::memory_order_release);
  lane_fence(light_);
  // Once for each: who sleeps looks again at all lanes, and then says anew how far it is to be left asleep.
  const std::uint64_t ring_at = orders_.ring_at.load(std::memory_order_seq_cst);
  if (ring_at == 0 || at_ < ring_at || ring_at == rung_at_ || mutant("worker: bell not rung")) return;
  rung_at_ = ring_at;
  wake(home_.bell, 1);
}

}  // namespace kin::detail
