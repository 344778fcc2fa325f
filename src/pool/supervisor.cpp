// SPDX-License-Identifier: BSL-1.0
// supervisor: replaces and ends workers, and fails what a dead one had in hand.
#include <algorithm>
#include <csignal>
#include <limits>
#include <utility>

#include <kin/core/error.hpp>
#include <kin/core/log.hpp>
#include <kin/process/worker_lost.hpp>
#include <kin/wire/outcome.hpp>

#include "os/memory_use.hpp"
#include "os/pidfd.hpp"
#include "pool/pool_core.hpp"
#include "pool/worker.hpp"

namespace kin::detail {
namespace {

// A worker that was told to end does so by itself, exit handlers included, or is killed after so long.
constexpr std::chrono::seconds leave_time{10};
// So many workers may die before they have begun a task until it is given up.
constexpr std::size_t most_returns = 100;

}  // namespace

std::string pool_core::text_of(const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const error& x) {
    return x.what();
  } catch (...) {
    return describe_exception(e);
  }
}

std::size_t pool_core::live_workers() const {
  return static_cast<std::size_t>(
      std::count_if(workers_.begin(), workers_.end(), [](const auto& w) { return w->now != phase::leaving; }));
}

void pool_core::tell(worker_event::kind what, int pid, const std::string& text) {
  log(log_record::severity::debug, "kin: worker " + std::to_string(pid) + ": " + text);
  if (options_.on_worker_event)
    callbacks_->post([f = options_.on_worker_event, event = worker_event{what, pid, text}] { f(event); });
}

// One round of everything that is due. Called by the pool's thread, with the lock.
void pool_core::supervise(lock& hold) {
  check_timers();
  for (auto it = workers_.begin(); it != workers_.end();) {
    worker& w = **it;
    if (w.pump.closed() && w.now != phase::leaving) {
      // It has closed its end, or died a moment ago: either way no more can come from it.
      w.now = phase::leaving;
      if (w.judged == verdict::none) w.process->signal_group(SIGKILL);
    }
    if (has_ended(w)) {
      collect(w, std::numeric_limits<std::size_t>::max());
      lost(w);
      const auto given = std::move(w.given);
      const std::uint64_t answered = w.lane.taken();
      if (led_ != nullptr) buried_.push_back(std::move(w.memory));
      // Only now: what was taken from it may have gone on to others, and to itself.
      it = workers_.erase(it);
      in_a_row_ = {};
      home_.home().spinner.store(0, std::memory_order_relaxed);  // should it have been this one
      withdraw_given(given, answered);
    } else {
      ++it;
    }
  }
  assign_waiting();
  balance();
  const bool left = std::exchange(left_to_look_at_, false);
  if (ask_to_tell() || left) look_at_lanes();
  while (wants_worker() && next_start_.passed()) {
    if (live_workers() + starting_ >= most_workers) {
      if (live_workers() == blocked_workers())
        fail_waiting(std::make_exception_ptr(start_error("kin: a pool of " + std::to_string(most_workers) +
                                                         " workers, each waiting for another task of it")));
      break;
    }
    start_worker(hold);
  }
  // Nobody will submit any more: idle workers may go as soon as nothing waits, nor lies behind another worker's task.
  if (closed_ && !terminated_ && waiting_.empty() && queued_ == 0)
    for (const auto& w : workers_) {
      if (w->now == phase::starting) retire(*w);
      retire_idle(*w);
    }
}

// Takes its status. Before that, while its number is nobody else's, what its task has started goes along.
bool pool_core::has_ended(worker& w) const {
  try {
    if (!os::wait_for_end(w.process->pidfd(), deadline::now())) return false;
    if (!w.has.empty() || w.judged != verdict::none || !w.ready) w.process->signal_group(SIGKILL);
    return w.process->join(deadline::never());
  } catch (const os_error& e) {
    log(log_record::severity::warning, e.what());  // no memory: the next round may have it again
    wake();
    return false;
  }
}

void pool_core::fail_waiting(const std::exception_ptr& why) {
  while (auto t = next_waiting()) settle(*t, why);
}

// The process has ended and its status is taken. What it had in hand is failed or tried again.
void pool_core::lost(worker& w) {
  const exit_status status = w.process->status().value_or(exit_status{});
  const bool orderly = w.now == phase::leaving && w.judged == verdict::none && w.has.empty() && !w.start_failure &&
                       (w.ready || w.told_to_leave) && (status.success() || !status.known);
  if (orderly) {
    tell(worker_event::kind::retired, w.process->pid(), status.describe());
    return;
  }
  std::string details = w.judged == verdict::none ? w.process->crash_report() : std::string();
  if (const std::uint64_t kills = os::oom_kills();
      status.signal == SIGKILL && kills > oom_kills_seen_.value_or(kills)) {
    oom_kills_seen_ = kills;
    if (w.judged == verdict::none)
      details = "the kernel's out-of-memory killer ran meanwhile: probably killed by the OOM killer";
  }
  w.last_words.read();
  if (const std::string text = w.last_words.text(); !text.empty())
    details += (details.empty() ? "" : "\n") + std::string("last lines of its stderr:\n") + text;
  ++counts_.workers_lost;
  tell(worker_event::kind::lost, w.process->pid(), status.describe());
  if (!w.ready && (w.judged == verdict::none || w.judged == verdict::broken)) {
    start_failed(w.start_failure
                     ? w.start_failure
                     : std::make_exception_ptr(start_error(
                           "a worker ended before it was ready: " + status.describe() +
                           (status.code == 127 ? " (a shared library is missing or was replaced; see its stderr)"
                            : status.code == 0 ? " (did it reach kin::init()?)"
                                               : ""))));
    return;
  }
  take_from_dead(w, status, details);
}

// It may have begun the first of its tasks. The others go back, and so does the first, if it had not.
void pool_core::take_from_dead(worker& w, const exit_status& status, const std::string& details) {
  std::size_t begun = 0;
  std::exception_ptr wild;
  try {
    begun = w.lane.remaining();
    if (begun > 1) throw decode_error("kin: a worker has written over the memory that it shares with its pool");
  } catch (const error&) {
    // Nobody knows what it has begun, so nothing of it is begun again.
    wild = std::current_exception();
  }
  std::vector<std::unique_ptr<task>> back;
  for (std::size_t i = 0; !w.has.empty(); ++i) {
    auto t = w.has.pop_front();
    if (t->state->ready()) continue;  // cancelled, terminated, or its answer was broken
    if (wild) {
      settle(*t, wild);
    } else if (i < begun || (i == 0 && w.judged == verdict::none && ++t->returns > most_returns) ||
               (i == 0 && w.judged == verdict::timed_out)) {
      fail_or_repeat(w, std::move(t), status, details);
    } else {
      back.push_back(std::move(t));
    }
  }
  give_back(std::move(back));
}

void pool_core::fail_or_repeat(worker& w, std::unique_ptr<task> t, const exit_status& status,
                               const std::string& details) {
  if (t->retries_left() > 0 && !terminated_) {
    put_back(std::move(t));
  } else if (w.judged == verdict::timed_out) {
    settle(*t, std::make_exception_ptr(
                   task_timeout("kin: " + t->name() + " did not end within its timeout; its worker was killed")));
  } else {
    settle(*t, std::make_exception_ptr(
                   worker_lost(t->name(), w.process->pid(), status, details, clock_.since(w.lane.began_at()))));
  }
}

// Unless something of its tasks is under way. Its last answer may have overtaken what it submitted.
void pool_core::retire_idle(worker& w) {
  if (!may_go(w)) return;
  collect(w, std::numeric_limits<std::size_t>::max());
  if (may_go(w)) return retire(w);
  wake();  // for what has come: this round may be past that
}

// Lets a worker end by itself: it sees the end of its channel, behind all that was on its way, runs its exit handlers
// and goes.
void pool_core::retire(worker& w) {
  w.now = phase::leaving;
  in_a_row_ = {};
  w.told_to_leave = true;
  w.lane.leave();
  shut_when_sent(w);
  w.killed_at = deadline::after(leave_time);
  wake();  // for the timer
}

// With its process group, so that what the task has started goes along.
void pool_core::kill(worker& w, verdict why) {
  if (w.judged == verdict::none) w.judged = why;
  w.now = phase::leaving;
  in_a_row_ = {};
  w.process->signal_group(SIGKILL);
}

void pool_core::check_timers() {
  for (const auto& w : workers_) {
    if (w->killed_at.passed()) {
      w->killed_at = deadline::never();
      kill(*w, verdict::none);
    }
    if (w->now == phase::busy && w->task_ends.passed()) kill(*w, verdict::timed_out);
    if (w->idle_ends.passed()) retire_idle(*w);
  }
}

}  // namespace kin::detail
