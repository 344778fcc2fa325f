// SPDX-License-Identifier: BSL-1.0
// worker_starts: when a pool needs one more worker, how it is started, and what becomes of those that wait when none
// comes.
#include <algorithm>
#include <utility>

#include <kin/core/error.hpp>
#include <kin/os/duplicate.hpp>
#include <kin/wire/call.hpp>

#include "os/text_pipe.hpp"
#include "pool/pool_core.hpp"
#include "pool/worker.hpp"
#include "process/bootstrap.hpp"

namespace kin::detail {
namespace {

// Starts that fail in a row before what waits is failed, also where workers have started before: then it is more likely
// that somebody kills them. The pauses between attempts double, up to one with which all attempts take less than a
// second.
constexpr std::size_t most_failed_starts = 3, most_failed_restarts = 12;
constexpr std::chrono::milliseconds first_pause{10}, longest_pause{80};

}  // namespace

bool pool_core::wants_worker() {
  // What lies behind another worker's task waits, too: whoever comes gets it.
  const std::size_t wait = waiting_.size() + queued_;
  if (wait == 0 || terminated_ || live_workers() + starting_ >= options_.workers + blocked_workers()) return false;
  std::size_t coming = starting_;
  // One that is never ready counts until its end is known, which says how long to wait before the next.
  for (const auto& w : workers_) coming += !w->ready || w->now == phase::idle;
  if (failed_starts_ > 0 && coming > 0) return false;  // one attempt at a time
  return wait > coming;
}

void pool_core::start_worker(lock& hold) {
  process_options options = options_.process;
  options.start = options_.start;
  if (options.name.empty()) options.name = "PoolWorker-" + std::to_string(workers_numbered_ + 1);
  ++workers_numbered_;
  ++starting_;
  stderr_tail last_words;
  std::shared_ptr<child> started;
  near_memory lane;
  std::exception_ptr failure;
  hold.unlock();
  try {
    unique_fd writer;
    if (options_.capture_stderr) {
      auto [reader, theirs] = os::make_text_pipe();
      last_words = stderr_tail(std::move(reader));
      writer = std::move(theirs);
      options.err = redirect::to(writer.get());
    }
    auto [memory, file] = near_memory::make();
    lane = std::move(memory);
    const worker_setup setup{static_cast<bool>(options_.initializer),
                             options_.max_worker_memory > 0,
                             options_.workers,
                             light_,
                             sharers_,
                             std::move(file),
                             os::duplicate(home_.file())};
    started = start_child(options, child_role::service, encode_call(&pool_worker_main, setup));
    if (setup.has_initializer) {
      const parcel call = options_.initializer.encode();
      started->link().send(call_frame, call.bytes, call.fds);
    }
  } catch (const closed_error&) {
    // It died at once; its end is seen like any other's.
  } catch (...) {
    failure = std::current_exception();
    if (started) started->end({});
    started.reset();
  }
  hold.lock();
  --starting_;
  if (!started) {
    start_failed(failure);
    return;
  }
  workers_.push_back(std::make_unique<worker>(started, std::move(last_words), std::move(lane), light_, queued_));
  workers_.back()->number = ++workers_joined_;
  ++counts_.workers_started;
  tell(worker_event::kind::started, started->pid(), started->name());
  if (terminated_) kill(*workers_.back(), verdict::terminated);
  wake();
}

// For what waits: one that waits itself is none.
bool pool_core::any_worker_ready() const {
  return std::any_of(workers_.begin(), workers_.end(),
                     [](const auto& w) { return w->ready && w->now != phase::leaving && !w->blocked; });
}

void pool_core::start_failed(const std::exception_ptr& why) {
  ++failed_starts_;
  ++attempts_;
  tell(worker_event::kind::start_failed, -1, text_of(why));
  next_start_ = deadline::after(std::min(first_pause * (1 << std::min<std::size_t>(failed_starts_, 8)), longest_pause));
  wake();
  const std::size_t most = proven_ ? most_failed_restarts : most_failed_starts;
  if (attempts_ < most || any_worker_ready()) return;
  attempts_ = 0;  // the pauses remain: what comes next is no reason to be quicker
  fail_waiting(std::make_exception_ptr(
      start_error("kin: worker processes do not start (" + std::to_string(most) + " attempts): " + text_of(why))));
}

}  // namespace kin::detail
