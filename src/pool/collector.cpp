// SPDX-License-Identifier: BSL-1.0
// collector: station 7: takes outcomes from workers and settles futures.
#include <cstring>

#include <kin/core/error.hpp>
#include <kin/wire/outcome.hpp>

#include "pool/pool_core.hpp"
#include "pool/worker.hpp"
#include "process/bootstrap.hpp"

namespace kin::detail {

// Everything that has arrived from a worker; then, if it is gone, its end. In this order: an outcome that was sent
// whole before a death counts.
void pool_core::collect(worker& from, std::size_t most) {
  from.last_words.read();
  try {
    if (from.pump.flush()) start_clock(from);
    while (auto frame = from.pump.receive(most)) {
      if (frame->signature == ready_frame && from.now == phase::starting) {
        failed_starts_ = 0;
        next_start_ = deadline::now();
        proven_ = true;
        from.ready = true;
        tell(worker_event::kind::ready, from.process->pid(), from.process->name());
        become_idle(from);
      } else if (frame->signature == outcome_frame && from.now == phase::starting) {
        if (frame->message.bytes.size() >= sizeof(std::uint64_t))
          frame->message.bytes.resize(frame->message.bytes.size() - sizeof(std::uint64_t));
        from.start_failure = outcome_exception(std::move(frame->message), from.process->name());
      } else if (from.ready && take_word(from, frame->signature, frame->message)) {
        // a word of its task to this pool
      } else if (frame->signature == outcome_frame) {
        take_outcome(from, std::move(frame->message));
      }
    }
  } catch (const error& e) {
    // It wrote over its channel, or this process is out of descriptors: this worker cannot be understood any more.
    if (from.current)
      settle(*from.current, std::make_exception_ptr(decode_error("kin: the worker's answer to " + from.current->name() +
                                                                 " could not be taken: " + e.what())));
    kill(from, verdict::broken);
  }
}

void pool_core::take_outcome(worker& from, parcel outcome) {
  if (!from.current) return;  // an answer to nothing: only a worker that has gone wild sends one
  std::uint64_t memory = 0;
  if (outcome.bytes.size() < sizeof memory) throw decode_error("kin: an answer without its end");
  std::memcpy(&memory, outcome.bytes.data() + outcome.bytes.size() - sizeof memory, sizeof memory);
  outcome.bytes.resize(outcome.bytes.size() - sizeof memory);

  auto done = std::move(from.current);
  from.blocked = false;
  ++from.tasks_done;
  const bool failed = outcome_failed(outcome);
  if (failed && done->retries_left > 0 && !terminated_ && outcome_retryable(outcome) && !done->state->ready()) {
    put_back(std::move(done));
  } else if (done->state->settle(std::move(outcome), from.process->name())) {
    note_settled(failed);
  }
  if (from.now == phase::leaving) return;
  const bool worn = (options_.max_tasks_per_worker > 0 && from.tasks_done >= options_.max_tasks_per_worker) ||
                    (options_.max_worker_memory > 0 && memory >= options_.max_worker_memory);
  if (worn)
    retire(from);
  else
    become_idle(from);
}

void pool_core::become_idle(worker& w) {
  w.now = phase::idle;
  w.task_ends = deadline::never();
  w.idle_ends =
      options_.idle_timeout > options_.idle_timeout.zero() ? deadline::after(options_.idle_timeout) : deadline::never();
  if (!may_run_another()) {
    // One is kept for the next task that waits for another.
    if (live_workers() > options_.workers + blocked_workers() + 1) retire(w);
    return;
  }
  if (auto t = next_waiting()) assign(w, std::move(t));
}

}  // namespace kin::detail
