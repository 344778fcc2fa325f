// SPDX-License-Identifier: BSL-1.0
// leader: a thread that waits for a future takes outcomes from the workers itself, and gives them what waits; of
// several such threads one does, the leader, and hands on to the next when it has what it wants. So a result is in its
// caller's hand without another thread's waking. The pool's thread does the rest: deaths, timers, frames; and outcomes,
// when nobody waits: a worker tells it before it sleeps (see far_lane).
#include <algorithm>
#include <chrono>
#include <utility>

#include "os/memory_barrier.hpp"
#include "os/process_id.hpp"
#include "os/processors.hpp"
#include "pool/pool_core.hpp"

namespace kin::detail {
namespace {

// Where lanes are at least so long, their tasks take a microsecond or so each.
constexpr std::size_t short_ones = 16;
// About what a wake-up takes.
constexpr std::chrono::microseconds wake_up_time{50};

}  // namespace

bool pool_core::wait_for(task_state& state, deadline until) {
  lock hold(mutex_);
  for (;;) {
    if (hold.has_remains()) {  // their destructors may wait for the pool in this thread, which must not lead then
      hold.unlock();
      hold.lock();
    }
    if (state.ready()) return true;
    if (led_ == nullptr) {
      if (const auto in_time = lead(hold, state, until)) return *in_time;
      continue;
    }
    follower me{&state, {}, false};
    followers_.push_back(&me);
    if (followers_.size() == 1) rouse_leader();  // for this one's task, too
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

// Whoever waits longest leads now; if nobody does, see ask_to_tell().
void pool_core::lead_on() {
  if (followers_.empty()) {
    if (ask_to_tell()) {
      left_to_look_at_ = true;
      wake();
    }
    return;
  }
  followers_.front()->nudged = true;
  followers_.front()->changed.notify_one();
}

// Nothing: to be called again, when what was left by others' tasks has been destroyed.
std::optional<bool> pool_core::lead(lock& hold, task_state& state, deadline until) {
  led_ = &state;
  struct at_end {
    pool_core& core;
    ~at_end() {
      core.led_ = nullptr;
      core.buried_.clear();
      core.lead_on();
    }
  } const after{*this};
  std::uint64_t ended = ~std::uint64_t{0};
  for (;;) {
    look_at_lanes();
    if (state.ready()) return true;
    if (!until.is_never() && until.passed()) return false;
    if (hold.has_remains()) return std::nullopt;
    if (spin_for_answers(hold)) continue;
    // Not twice without any outcome between: the tasks are not as short as they were.
    if (more_short_ones_wait() && std::exchange(ended, counts_.completed + counts_.failed) != ended)
      sleep_patiently(hold, until);
    else
      sleep_for_answers(hold, until);
  }
}

bool pool_core::more_short_ones_wait() const noexcept {
  return !waiting_.empty() &&
         std::any_of(workers_.begin(), workers_.end(), [](const auto& w) { return w->has.size() >= short_ones; });
}

void pool_core::look_at_lanes() {
  for (const auto& w : workers_)
    if (!w->has.empty()) look(*w);
  if (!waiting_.empty()) assign_waiting();
  balance();
}

// Which outcome of a worker's the leader waits for: not for each, so that it does not run in step with the workers. Its
// own, or one that somebody is to be told of; the last, for then the worker has nothing to do; half of them, if more
// wait to take their place. What else is done by then is taken along, and before it sleeps. A patient one is not even
// woken for its own.
std::size_t pool_core::worth_waking_for(const worker& w) const {
  if (!followers_.empty()) return 0;
  const std::size_t last = w.has.size() - 1, most = waiting_.empty() ? last : last / 2;
  if (patient_) return most;
  for (std::size_t i = 0; i < most; ++i)
    if (w.has[i].state.get() == led_ || w.has[i].state->watched_by_owner) return i;
  return most;
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
    signs_.push_back(w->lane.next_sign(worth_waking_for(*w)));
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
  const bool seen = near || crowded ? any() : habit_.spin(while_awake, any);
  hold.lock();
  return seen;
}

// One sleep on the bell of the pool's home. The barrier comes when it is said what to ring for.
class pool_core::leader_sleep : public sleep {
 public:
  leader_sleep(pool_core& core, lock& hold) noexcept
      : sleep(core.home_.home().bell, false, spinning::useless), core_(core), hold_(hold) {}
  leader_sleep(const leader_sleep&) = delete;
  leader_sleep& operator=(const leader_sleep&) = delete;
  ~leader_sleep() {
    core_.leader_sleeps_ = false;
    for (const auto& w : core_.workers_) w->lane.ring_no_more();
    lane_fence(core_.light_);  // before it looks: see far_lane::pool_must_look()
  }
  void announce() {
    sleep::announce();
    core_.signs_.clear();
    core_.leader_sleeps_ = true;
    for (const auto& w : core_.workers_) {
      if (w->has.empty() || w->judged == verdict::broken) continue;
      const std::size_t which = core_.worth_waking_for(*w);
      w->lane.ring_after(which);
      core_.signs_.push_back(w->lane.next_sign(which));
    }
    // The answers, published without a fence. Who is patient may miss some, and looks again soon.
    if (!core_.patient_) core_.order_before_looking();
  }
  wait_end until_rung(const deadline& until) {
    hold_.unlock();
    struct relock {
      lock& hold;
      ~relock() { hold.lock(); }
    } const again{hold_};
    return sleep::until_rung(until);
  }

 private:
  pool_core& core_;
  lock& hold_;
};

void pool_core::sleep_for_answers(lock& hold, deadline until) {
  leader_sleep sleeper(*this, hold);
  (void)sleep_once(sleeper, until, [this] {
    return led_->ready() || std::any_of(signs_.begin(), signs_.end(), [](const auto& s) { return s.shows(); });
  });
}

// Who gets one future after the other would be woken for each, and run in step with a worker, at the price of a wake-up
// or two a task. While more tasks wait than the lanes have room for, it sleeps until a lane is half done, or for a
// moment, before it asks to be woken for its own.
void pool_core::sleep_patiently(lock& hold, deadline until) {
  patient_ = true;
  sleep_for_answers(hold, earlier(until, deadline::after(wake_up_time)));
  patient_ = false;
}

void pool_core::order_before_looking() const noexcept {
  if (light_)
    os::heavy_barrier();
  else
    cpu::full_fence();
}

// After something that the leader waits for has happened elsewhere.
void pool_core::rouse_leader() {
  news_.store(news_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (!leader_sleeps_) return;
  wake_all(home_.home().bell);
}

// While nobody leads, workers tell the pool's thread of an outcome if somebody waits for it in another way than by
// wait_for(): the next one of each lane, then it looks at all that has come and asks again. So a long task does not
// hide what was done before it. What nobody waits for is told of when a worker has nothing more to do. True when
// something has come before a lane was asked: it is to be looked at.
bool pool_core::ask_to_tell() noexcept {
  if (watched_ == 0 || led_ != nullptr) return false;
  bool any = false;
  for (const auto& w : workers_) {
    if (w->judged == verdict::broken) continue;
    any = any || w->asked_in_passing;
    w->asked_in_passing = false;
    if (w->asked_to_tell) continue;
    for (std::size_t i = 0; i < w->has.size() && !w->asked_to_tell; ++i)
      w->asked_to_tell = w->has[i].state->watched_by_owner;
    if (!w->asked_to_tell) continue;
    w->lane.ask_to_tell();
    any = true;
  }
  if (!any) return false;
  order_before_looking();
  return std::any_of(workers_.begin(), workers_.end(),
                     [](const auto& w) { return !w->has.empty() && w->lane.next_sign().shows(); });
}

void pool_core::watch(task_state& state) {
  if (os::own_pid() != owner_) return;
  const lock hold(mutex_);
  if (state.ready() || std::exchange(state.watched_by_owner, true)) return;
  ++watched_;
  if (led_ != nullptr)
    rouse_leader();  // it waits for less than this
  else if (ask_to_tell())
    look_at_lanes();
}

void pool_core::refresh() {
  if (os::own_pid() != owner_) return;
  const lock hold(mutex_, std::try_to_lock);
  if (hold) look_at_lanes();  // also if somebody leads, who may sleep until more has come
}

}  // namespace kin::detail
