// SPDX-License-Identifier: BSL-1.0
// pool_core: the thread, and the ends of a pool; see the header.
#include "pool/pool_core.hpp"

#include <csignal>
#include <stdexcept>
#include <system_error>
#include <thread>

#include <kin/core/log.hpp>
#include <kin/process/init.hpp>

#include "os/memory_barrier.hpp"
#include "os/memory_use.hpp"
#include "os/poll.hpp"
#include "os/process_id.hpp"
#include "os/surroundings.hpp"
#include "pool/default_size.hpp"
#include "pool/task_context.hpp"
#include "process/processor_sharers.hpp"

namespace kin::detail {
namespace {

// 0: as it inherits them.
std::uint32_t sharers_of_workers(const pool_options& options, worker_processors have) {
  if (have == worker_processors::all) return 0;
  if (options.process.environment.contains(cpu_count_variable)) return 1;
  return shared_once_more(processor_sharers(), options.workers);
}

}  // namespace

std::shared_ptr<task_pool> make_process_pool(pool_options options, worker_processors have) {
  require_init();
  if (options.workers == 0) options.workers = default_pool_size();
  if (options.workers > pool_core::most_workers)
    throw std::out_of_range("kin: a pool of " + std::to_string(options.workers) + " workers; the most is " +
                            std::to_string(pool_core::most_workers));
  auto core = std::make_shared<pool_core>(std::move(options), have);
  core->home()->owner = core;
  return core;
}

pool_core::pool_core(pool_options options, worker_processors have)
    : options_(std::move(options)),
      owner_(os::own_pid()),
      callbacks_(std::make_shared<callback_runner>()),
      states_(std::make_shared<task_home>(task_home{callbacks_, {}})),
      blocks_(options_.max_worker_memory > 0 ? nullptr : std::make_shared<block_store>()),
      light_(os::has_heavy_barrier()),
      sharers_(sharers_of_workers(options_, have)) {
  if (options_.on_worker_event) callbacks_->start();
}

pool_core::~pool_core() = default;

// The thread holds a reference to the core and is detached: nothing ever waits for the thread itself, so a pool may be
// destroyed in one of its own callbacks, and in a forked copy where the thread does not exist.
void pool_core::run_thread() {
  try {
    os::own_thread::start([self = shared_from_this()] {
      const os::own_thread me("kin-pool", os::own_thread::counted{});
      self->serve();
    });
  } catch (const std::system_error& e) {
    throw os_error("start the thread of a pool", "pthread_create", e.code().value());
  }
}

void pool_core::serve() {
  std::vector<pollfd> entries;
  std::vector<worker*> owners;
  lock hold(mutex_);
  for (;;) {
    supervise(hold);
    if (!oom_kills_seen_) {
      // Now that the first workers are on their way: it takes a while.
      hold.unlock();
      const std::uint64_t so_far = os::oom_kills();
      hold.lock();
      oom_kills_seen_ = so_far;
    }
    // Without workers and tasks there is nothing to wait for: the next submit() starts a thread again.
    if (workers_.empty() && starting_ == 0 && waiting_.empty()) break;
    entries.assign(1, {wake_.get(), POLLIN, 0});
    owners.assign(1, nullptr);
    for (const auto& w : workers_) {
      const short events = static_cast<short>(POLLIN | (w->pump.wants_to_write() ? POLLOUT : 0));
      if (!w->pump.closed()) {
        entries.push_back({w->process->link().native_handle(), events, 0});
        owners.push_back(w.get());
      }
      // Besides the channel: a process that the task has forked may keep the channel's far end open.
      entries.push_back({w->process->pidfd(), POLLIN, 0});
      owners.push_back(w.get());
      if (w->last_words.native_handle() >= 0) {
        entries.push_back({w->last_words.native_handle(), POLLIN, 0});
        owners.push_back(w.get());
      }
    }
    const deadline timer = next_timer();
    hold.unlock();
    try {
      os::poll_until(entries, timer);
    } catch (const os_error& e) {
      log(log_record::severity::warning, e.what());  // ENOMEM: the next round may have it again
    }
    wake_.clear();
    hold.lock();
    // Only this thread removes workers, so the pointers are good.
    for (std::size_t i = 1; i < entries.size(); ++i) {
      if (entries[i].revents == 0) continue;
      collect(*owners[i]);
    }
  }
  serving_ = false;
  changed_.notify_all();
}

deadline pool_core::next_timer() const {
  deadline first = deadline::never();
  for (const auto& w : workers_) {
    first = earlier(first, w->killed_at);
    if (w->now == phase::busy) first = earlier(first, w->task_ends);
    if (may_go(*w)) first = earlier(first, w->idle_ends);
  }
  if (!(waiting_.empty() && queued_ == 0) && !next_start_.passed()) first = earlier(first, next_start_);
  return first;
}

void pool_core::require_owner() const {
  if (os::own_pid() != owner_)
    throw closed_error(
        "kin: this pool belongs to the process that made it; a forked copy of that process must make its own");
}

void pool_core::close() {
  require_owner();
  if (runs_in_task_of(*this)) refuse_in_task("close");
  take_no_more();
}

void pool_core::take_no_more() {
  const lock hold(mutex_);
  closed_ = true;
  changed_.notify_all();
  wake();
}

void pool_core::join() {
  require_owner();
  if (runs_in_task_of(*this)) refuse_in_task("join");
  {
    lock hold(mutex_);
    if (!closed_ && !terminated_) throw std::logic_error("kin: pool.join() before close() or terminate()");
    changed_.wait(hold, [&] { return !serving_ && running_here_ == 0; });
  }
  callbacks_->drain();
}

void pool_core::terminate(std::chrono::nanoseconds grace) {
  require_owner();
  if (runs_in_task_of(*this)) refuse_in_task("terminate");
  stop(grace);
}

void pool_core::finish(bool at_once) {
  require_owner();
  at_once ? stop({}) : take_no_more();
  if (!runs_in_task_of(*this)) join();  // a part of a map that the caller runs is what would be waited for
}

void pool_core::stop(std::chrono::nanoseconds grace) {
  const lock hold(mutex_);
  closed_ = terminated_ = true;
  const auto not_run = std::make_exception_ptr(cancelled_error("kin: the pool was terminated before the task ran"));
  fail_waiting(not_run);
  for (const auto& w : workers_) {
    recall(*w);  // before the look, so that nothing begins behind it
    fail_waiting(not_run);
    look(*w);
    for (std::size_t i = 0; i < w->has.size(); ++i)
      settle(w->has[i], std::make_exception_ptr(
                            cancelled_error("kin: the pool was terminated while " + w->has[i].name() + " ran")));
    if (grace <= grace.zero()) {
      kill(*w, verdict::terminated);
      continue;
    }
    if (w->judged == verdict::none) w->judged = verdict::terminated;
    w->now = phase::leaving;
    w->process->signal_group(SIGTERM);
    w->lane.leave();
    w->pump.shut();  // one that lives through it ends after its task
    w->killed_at = earlier(w->killed_at, deadline::after(grace));
  }
  changed_.notify_all();
  wake();
}

pool_stats pool_core::stats() const {
  require_owner();
  const lock hold(mutex_);
  const_cast<pool_core*>(this)->look_at_lanes();  // what has ended and nobody has asked for yet
  return count();
}

pool_stats pool_core::count() const {
  pool_stats s = counts_;
  for (const auto& w : workers_) {
    ++s.workers;
    s.idle += w->now == phase::idle;
    s.running += !w->has.empty();
  }
  s.pending = waiting_.size() + queued_;
  return s;
}

}  // namespace kin::detail
