// SPDX-License-Identifier: BSL-1.0
// collector: station 7: takes outcomes from workers and settles futures.
#include <algorithm>
#include <cerrno>
#include <utility>

#include <kin/core/error.hpp>
#include <kin/wire/codec.hpp>
#include <kin/wire/outcome.hpp>

#include "pool/block_reference.hpp"
#include "pool/pool_core.hpp"
#include "pool/worker.hpp"
#include "process/bootstrap.hpp"
#include "process/start_plan.hpp"

namespace kin::detail {

// Everything that has arrived from a worker; then, if it is gone, its end. In this order: an outcome that was sent
// whole before a death counts.
void pool_core::collect(worker& from, std::size_t most) {
  from.last_words.read();
  (void)harvest(from);
  try {
    if (from.pump.flush()) start_clock(from);
    if (from.told_to_leave) shut_when_sent(from);
    while (auto frame = from.pump.receive(most)) take_frame(from, frame->signature, std::move(frame->message));
  } catch (const std::exception& e) {  // an error, or no memory for what it says
    cannot_understand(from, e);
  }
  (void)harvest(from);
}

void pool_core::shut_when_sent(worker& w) {
  if (!w.pump.wants_to_write()) w.pump.shut();
}

namespace {
std::exception_ptr answer_not_taken(const std::string& name, const std::exception& why) try {
  if (const auto* refused = dynamic_cast<const os_error*>(&why)) {
    const int number = refused->code().value();
    const std::string hint = number == EMFILE ? " (is RLIMIT_NOFILE reached?)" : "";
    return std::make_exception_ptr(os_error("take the worker's answer to " + name + hint, "recvmsg", number));
  }
  return std::make_exception_ptr(
      decode_error("kin: the worker's answer to " + name + " could not be taken: " + why.what()));
} catch (const std::bad_alloc&) {
  return std::current_exception();
}
}  // namespace

// It wrote over its channel or its lane, or this process is out of descriptors.
void pool_core::cannot_understand(worker& w, const std::exception& why) {
  if (!w.has.empty()) settle(w.has.front(), answer_not_taken(w.has.front().name(), why));
  kill(w, verdict::broken);
  wake();
}

void pool_core::take_frame(worker& from, std::uint64_t kind, parcel message) {
  if (kind == ready_frame && from.now == phase::starting) {
    failed_starts_ = attempts_ = 0;
    next_start_ = deadline::now();
    proven_ = true;
    from.ready = true;
    tell(worker_event::kind::ready, from.process->pid(), from.process->name());
    become_idle(from);
    return;
  }
  if (kind == outcome_frame && from.now == phase::starting) {
    from.start_failure = std::make_exception_ptr(
        start_error("the initializer failed: " + text_of(outcome_exception(std::move(message), from.process->name()))));
    return;
  }
  if (kind == refused_frame && !from.ready) {
    from.start_failure =
        std::make_exception_ptr(start_error("a worker could not begin: " + text_of_refusal(std::move(message))));
    return;
  }
  // Outcomes in its lane are older than this frame.
  (void)harvest(from);
  if (kind == look_frame) {
    reader in(message);
    from.lane.check_answers(in.take<std::uint64_t>());
    from.asked_to_tell = false;
    return;
  }
  if (kind == received_frame) {
    reader in(message);
    return give_up_descriptors(from, in.take<std::uint64_t>());
  }
  if (from.ready && take_word(from, kind, message)) return;
  // An answer to nothing: only one that has gone wild sends it.
  if ((kind != outcome_frame && kind != outcome_in_block_frame) || from.has.empty()) return;
  from.lane.skip();
  take_outcome(from, kind == outcome_frame ? std::move(message) : from.outcomes.open(std::move(message)));
  if (from.has.empty() && from.now == phase::busy) become_idle(from);
}

// What was moved into a task is the task's alone: when it closes it, it is closed. Unless it may have to begin again.
// The word may be late: then that task is answered, and the next one, begun or not, is none of its business.
void pool_core::give_up_descriptors(worker& to, std::uint64_t answers) {
  to.lane.check_answers(answers);
  if (to.has.empty() || answers != to.lane.taken()) return;
  const task& begun = to.has.front();
  if (begun.retries_left() > 0 || begun.request() == nullptr) return;
  for (unique_fd& each : begun.request()->fds) each.reset();
}

// What has come through its lane. True when the next outcome is to be had from its channel.
bool pool_core::harvest(worker& from) {
  if (from.has.empty() || from.judged == verdict::broken) return false;
  near_lane::outcome got;
  bool any = false;
  try {
    for (;;) {
      const auto found = from.lane.take(got);
      if (found == near_lane::found::outcome) {
        take_small_outcome(from, {got.bytes, got.size});
        any = true;
        continue;
      }
      if (any) {
        const std::uint64_t pace = std::max<std::uint64_t>(from.lane.pace(), 1);
        from.most_at_once =
            static_cast<std::size_t>(std::min<std::uint64_t>(2 * cpu::a_moment() / pace, lane_capacity));
      }
      if (from.has.empty() && from.now == phase::busy) become_idle(from);
      return found == near_lane::found::in_frame;
    }
  } catch (const std::exception& e) {
    cannot_understand(from, e);
    return false;
  }
}

void pool_core::look(worker& from) {
  if (!harvest(from)) return;
  const bool asked = from.asked_to_tell;
  const bool before = std::exchange(heard_words_, false);
  collect(from);
  // What was for the pool's thread may have been among it.
  const bool told = asked && !from.asked_to_tell;
  if (told) left_to_look_at_ = true;
  if (told || heard_words_) wake();
  heard_words_ = heard_words_ || before;  // this may be a look within another
}

// Once a task is settled, who shares its state may decode the value and let go of it: then it would go with the task.
std::unique_ptr<pool_core::task> pool_core::take_answered(worker& from) {
  from.blocked = false;
  ++from.tasks_done;
  lanes_full_ = false;
  return from.has.pop_front();
}

void pool_core::take_small_outcome(worker& from, std::span<const std::byte> outcome) {
  if (outcome_failed(outcome)) {
    take_outcome(from, parcel{{outcome.begin(), outcome.end()}, {}});
    return;
  }
  auto done = take_answered(from);
  const bool is_shared = done->state.use_count() > 1;
  if (done->state->settle_value(outcome)) note_settled(*done->state, false);
  if (is_shared) pool_lock::destroy_later(std::move(done));
}

void pool_core::take_outcome(worker& from, parcel outcome) {
  auto done = take_answered(from);
  const bool failed = outcome_failed(outcome), is_shared = done->state.use_count() > 1;
  if (failed && done->retries_left() > 0 && !terminated_ && outcome_retryable(outcome) && !done->state->ready())
    return put_back(std::move(done));
  if (done->state->settle(std::move(outcome), from.process->name())) note_settled(*done->state, failed);
  if (is_shared) pool_lock::destroy_later(std::move(done));
}

deadline pool_core::idle_end() const {
  return options_.idle_timeout > options_.idle_timeout.zero() ? deadline::after(options_.idle_timeout)
                                                              : deadline::never();
}

// The pool's thread has a timer to see to, or lets it go.
void pool_core::tell_of_idle(const worker& w) {
  if (!w.idle_ends.is_never() || closed_) wake();
}

// It has answered everything, or is ready for the first task.
void pool_core::become_idle(worker& w) {
  if ((options_.max_tasks_per_worker > 0 && w.tasks_done >= options_.max_tasks_per_worker) ||
      (options_.max_worker_memory > 0 && w.tasks_done > 0 && w.lane.memory() >= options_.max_worker_memory)) {
    retire(w);
    return;
  }
  w.now = phase::idle;
  workers_changed();
  w.task_ends = deadline::never();
  w.idle_ends = idle_end();
  if (!may_run_another()) {
    // One is kept for the next task that waits for another.
    if (live_workers() > options_.workers + blocked_workers() + 1) retire(w);
    return;
  }
  if (auto t = next_waiting())
    assign(w, std::move(t));
  else
    tell_of_idle(w);
  if (!waiting_.empty()) queue_waiting();
}

}  // namespace kin::detail
