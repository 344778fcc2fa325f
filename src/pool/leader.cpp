// SPDX-License-Identifier: BSL-1.0
// leader: a thread that waits for a future takes outcomes from the workers itself, and gives them what waits; of
// several such threads one does, the leader, and hands on to the next when it has what it wants. So a result is in its
// caller's hand without another thread's waking. The pool's thread does the rest: deaths, timers, frames; and outcomes,
// when nobody waits: a worker tells it before it sleeps (see far_lane).
#include <algorithm>

#include "os/futex.hpp"
#include "os/futex_wake.hpp"
#include "os/memory_barrier.hpp"
#include "os/processors.hpp"
#include "pool/pool_core.hpp"

namespace kin::detail {

bool pool_core::wait_for(task_state& state, deadline until) {
  lock hold(mutex_);
  for (;;) {
    if (state.ready()) return true;
    if (led_ == nullptr) return lead(hold, state, until);
    follower me{&state, {}, false};
    followers_.push_back(&me);
    const auto heard = [&] { return me.nudged; };
    if (until.is_never())
      me.changed.wait(hold, heard);
    else
      me.changed.wait_until(hold, until.when(), heard);
    followers_.erase(std::find(followers_.begin(), followers_.end(), &me));
    if (state.ready() || !me.nudged) {
      if (me.nudged && led_ == nullptr) lead_on();  // it was meant to lead
      return state.ready();
    }
  }
}

// Whoever waits longest leads now.
void pool_core::lead_on() {
  if (followers_.empty()) return;
  followers_.front()->nudged = true;
  followers_.front()->changed.notify_one();
}

bool pool_core::lead(lock& hold, task_state& state, deadline until) {
  led_ = &state;
  struct at_end {
    pool_core& core;
    ~at_end() {
      core.led_ = nullptr;
      core.buried_.clear();
      core.lead_on();
      core.lend();
    }
  } const after{*this};
  for (;;) {
    look_at_lanes();
    if (state.ready()) return true;
    if (!until.is_never() && until.passed()) return false;
    if (!spin_for_answers(hold)) sleep_for_answers(hold, until);
  }
}

void pool_core::look_at_lanes() {
  for (const auto& w : workers_)
    if (!w->has.empty()) look(*w);
  if (!waiting_.empty()) assign_waiting();
  balance();
}

// Without the lock. True when there may be something to look at.
bool pool_core::spin_for_answers(lock& hold) {
  const auto here = static_cast<std::uint32_t>(os::current_processor() + 1);
  signs_.clear();
  buried_.clear();
  bool near = true;
  for (const auto& w : workers_) {
    if (w->has.empty() || w->judged == verdict::broken) continue;
    w->lane.tell_processor(here);
    signs_.push_back(w->lane.next_sign());
    near = near && w->lane.processor() == here;
  }
  if (signs_.empty()) return false;
  const std::uint32_t news = news_.load(std::memory_order_relaxed);
  const bool give_way = std::exchange(woke_one_, false);
  // More threads than processors: whoever spins keeps another one from its work.
  static const auto processors = static_cast<std::size_t>(os::processors_online());
  const bool crowded = signs_.size() >= processors;
  hold.unlock();
  // The kernel often puts a woken worker on its waker's processor.
  if (give_way) os::let_others_run();
  const auto any = [&] {
    return news_.load(std::memory_order_relaxed) != news ||
           std::any_of(signs_.begin(), signs_.end(), [](const near_lane::sign& s) { return s.shows(); });
  };
  const bool seen = near || crowded ? any() : habit_.until(any);
  hold.lock();
  return seen;
}

bool pool_core::sleep_for_answers(lock& hold, deadline until) {
  const std::uint32_t seen = home_.home().rings.load();
  const auto for_lanes = [&](bool sleeps) {
    leader_sleeps_ = sleeps;
    for (const auto& w : workers_) w->lane.set_pool_sleeps(sleeps);
  };
  for_lanes(true);
  if (light_)
    os::heavy_barrier();
  else
    cpu::full_fence();
  const bool answered = std::any_of(workers_.begin(), workers_.end(), [](const auto& w) {
    return !w->has.empty() && w->judged != verdict::broken && w->lane.next_sign().shows();
  });
  if (!answered && !led_->ready()) {
    hold.unlock();
    try {
      os::futex_wait(home_.home().rings, seen, until);
    } catch (...) {
      hold.lock();
      for_lanes(false);
      throw;
    }
    hold.lock();
  }
  for_lanes(false);
  return answered;
}

// After something that the leader waits for has happened elsewhere.
void pool_core::rouse_leader() {
  news_.store(news_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (!leader_sleeps_) return;
  home_.home().rings.fetch_add(1);
  os::futex_wake(home_.home().rings, os::everybody);
}

}  // namespace kin::detail
