// SPDX-License-Identifier: BSL-1.0
// thread_core: what callers do with a pool of threads; see the header. What its threads do: pool_thread.cpp.
#include "pool/thread_core.hpp"

#include <stdexcept>
#include <string>
#include <utility>

#include <kin/core/error.hpp>
#include <kin/core/log.hpp>
#include <kin/wire/outcome.hpp>

#include "os/process_id.hpp"
#include "pool/default_size.hpp"
#include "pool/task_context.hpp"

namespace kin::detail {
namespace {

void refuse(bool given, const char* option, const char* why) {
  if (given) throw std::invalid_argument("kin: a thread_pool cannot keep `" + std::string(option) + "`: " + why);
}

void check_options(const pool_options& o) {
  if (o.workers > thread_core::most_threads)
    throw std::out_of_range("kin: a pool of " + std::to_string(o.workers) + " threads; the most is " +
                            std::to_string(thread_core::most_threads));
  refuse(o.max_worker_memory > 0, "max_worker_memory", "all threads share one memory. Use a kin::pool");
  refuse(o.capture_stderr, "capture_stderr", "all threads share one stderr. Use a kin::pool");
  refuse(o.start != start::spawn, "start", "its workers are threads, not processes. Use a kin::pool");
  const process_options& p = o.process;
  const limits& l = p.limits;
  const bool limited = l.memory || l.cpu || l.open_files || l.file_size || l.core_size;
  const bool redirected =
      p.out.which() != redirect::kind::inherit || p.err.which() != redirect::kind::inherit || p.start != start::spawn;
  refuse(!p.environment.empty() || !p.working_directory.empty() || !p.affinity.empty() || p.daemon || !p.name.empty() ||
             limited || redirected,
         "process", "its workers are threads, not processes. Use a kin::pool");
}

void check_task(const task_options& o, const task_work& work) {
  refuse(
      o.timeout != o.timeout.zero(), "timeout",
      "a thread cannot be stopped from outside. Use a kin::pool, or future::get_for(), which gives up waiting alone");
  refuse(o.memory_limit > 0, "memory_limit", "all threads share one memory. Use a kin::pool");
  if (const auto* job = std::get_if<std::unique_ptr<local_job>>(&work))
    refuse(o.retries > 0 && !(*job)->repeatable(), "retries",
           "the callable or an argument of this task can only be moved, so that nothing is left of it for another "
           "attempt");
}

// Tasks that the calling thread runs for itself, the innermost first, until what they held is gone.
class inline_run {
 public:
  explicit inline_run(const thread_core& of) noexcept : of_(of), outer_(std::exchange(innermost, this)) {}
  inline_run(const inline_run&) = delete;
  inline_run& operator=(const inline_run&) = delete;
  ~inline_run() { innermost = outer_; }
  static bool is_of(const thread_core& core) noexcept {
    const inline_run* each = innermost;
    while (each != nullptr && &each->of_ != &core) each = each->outer_;
    return each != nullptr;
  }

 private:
  static thread_local constinit const inline_run* innermost;
  const thread_core& of_;
  const inline_run* outer_;
};
thread_local constinit const inline_run* inline_run::innermost = nullptr;

}  // namespace

std::shared_ptr<task_pool> make_thread_pool(pool_options options) {
  check_options(options);
  if (options.workers == 0) options.workers = default_pool_size();
  auto core = std::make_shared<thread_core>(std::move(options));
  core->home()->owner = core;
  return core;
}

thread_core::thread_core(pool_options options)
    : options_(std::move(options)),
      owner_(os::own_pid()),
      sharers_(shared_once_more(processor_sharers(), options_.workers)),
      callbacks_(std::make_shared<callback_runner>()),
      states_(std::make_shared<task_home>(task_home{callbacks_, {}})) {
  if (options_.on_worker_event) callbacks_->start();
}

// ---- for callers

void thread_core::submit(task_work work, task_label name, std::shared_ptr<task_state> state,
                         const task_options& options) {
  require_owner();
  check_task(options, work);
  // The task that submits this one, if it is of this pool: then it must not wait for room, and goes on after close().
  auto* const inside = task_context::of(*this);
  const bool nested = inside != nullptr;
  const auto parent = nested ? inside->as_parent() : nullptr;
  lock hold(mutex_);
  const unsigned depth = nested ? live_ancestors(parent) : 0;
  if (depth > deepest_task) std::rethrow_exception(too_deep());
  if (options_.max_pending > 0 && !nested)
    changed_.wait(hold, [&] { return closed_ || waiting_.size() < options_.max_pending; });
  if (terminated_ || (closed_ && !nested)) throw closed_error("kin: the pool is closed and takes no more tasks");
  auto t = pooled_task::make();
  t->number = ++tasks_numbered_;
  if (auto* const job = std::get_if<std::unique_ptr<local_job>>(&work))
    t->job = std::move(*job);
  else
    t->set_request(take_request(work));
  t->label = name;
  t->state = std::move(state);
  t->set_options(options);
  t->depth = depth;
  if (nested) t->set_parent(parent);
  auto* const task = t.get();
  waiting_.push_back(std::move(t));
  try {
    if (wants_thread()) start_thread();
  } catch (...) {
    // The others will come to it; without any other, nobody will.
    if (threads_ == 0) {
      pool_lock::destroy_later(waiting_.take(*task->state));
      throw;
    }
  }
  ++counts_.submitted;
  work_.notify_one();
}

bool thread_core::cancel_task(task_state& state) {
  require_owner();
  std::unique_ptr<pooled_task> t;  // what it holds goes after the lock
  const lock hold(mutex_);
  t = waiting_.take(state);
  if (!t) return false;  // it runs, and a thread cannot be stopped; or it has ended
  changed_.notify_all();
  return settle(state, std::make_exception_ptr(cancelled_error("kin: the task was cancelled")));
}

bool thread_core::withdraw_task(task_state& state) {
  if (os::own_pid() != owner_) return false;
  std::unique_ptr<pooled_task> t;
  const lock hold(mutex_);
  t = waiting_.take(state);
  if (!t) return false;
  return settle(state, std::make_exception_ptr(cancelled_error("kin: nobody wants the task's result any more")));
}

bool thread_core::run_here(task_state& state) {
  require_owner();
  lock hold(mutex_);
  auto t = waiting_.take(state);
  if (!t) return false;
  if (options_.max_pending > 0) changed_.notify_all();
  ++running_here_;
  hold.unlock();
  {
    const inline_run mine(*this);
    {
      const task_context context(shared_from_this(), sharers_, t->parent());
      while (run_once(*t)) {
      }
    }
    t.reset();
  }
  hold.lock();
  --running_here_;
  changed_.notify_all();
  return true;
}

void thread_core::close() {
  require_owner();
  if (runs_in_task_of(*this)) refuse_in_task("close");
  end(false);
}

void thread_core::end(bool at_once) {
  const lock hold(mutex_);
  closed_ = true;
  if (at_once) {
    terminated_ = true;
    fail_waiting(std::make_exception_ptr(cancelled_error("kin: the pool was terminated before the task ran")));
    for (const auto& state : in_hand_)
      settle(*state, std::make_exception_ptr(cancelled_error("kin: the pool was terminated while the task ran")));
  }
  work_.notify_all();
  changed_.notify_all();
}

// Whatever a task, its closure or its result holds may be the last handle: the thread that is at it cannot wait for
// itself. It ends like the others when nothing is left to do, and what they share goes with the last of them.
void thread_core::finish(bool at_once) {
  require_owner();
  end(at_once);
  if (!own_thread() && !runs_in_task_of(*this) && !inline_run::is_of(*this)) join();
}

void thread_core::join() {
  require_owner();
  if (runs_in_task_of(*this)) refuse_in_task("join");
  {
    lock hold(mutex_);
    if (!closed_ && !terminated_) throw std::logic_error("kin: pool.join() before close() or terminate()");
    changed_.wait(hold, [&] { return threads_ == 0 && running_here_ == 0; });
  }
  callbacks_->drain();
}

// Threads cannot be stopped: what runs goes on, for nobody.
void thread_core::terminate(std::chrono::nanoseconds) {
  require_owner();
  if (runs_in_task_of(*this)) refuse_in_task("terminate");
  end(true);
}

pool_stats thread_core::stats() const {
  require_owner();
  const lock hold(mutex_);
  pool_stats s = counts_;
  s.workers = threads_;
  s.idle = idle_;
  s.running = running_;
  s.pending = waiting_.size();
  return s;
}

void thread_core::require_owner() const {
  if (os::own_pid() != owner_)
    throw closed_error(
        "kin: this pool belongs to the process that made it; a forked copy of that process must make its own");
}

// ---- under the lock, for both sides

void thread_core::tell(worker_event::kind what, const std::string& text) {
  log(log_record::severity::debug, "kin: pool's " + text);
  if (options_.on_worker_event)
    callbacks_->post([f = options_.on_worker_event, event = worker_event{what, -1, text}] { f(event); });
}

bool thread_core::settle(task_state& state, std::exception_ptr failure) {
  if (!state.settle(std::move(failure))) return false;
  note_settled(true);
  return true;
}

void thread_core::note_settled(bool failed) {
  ++(failed ? counts_.failed : counts_.completed);
  changed_.notify_all();
}

void thread_core::fail_waiting(const std::exception_ptr& why) {
  while (auto t = waiting_.pop()) {
    settle(*t->state, why);
    pool_lock::destroy_later(std::move(t));
  }
}

}  // namespace kin::detail
