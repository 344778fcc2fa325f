// SPDX-License-Identifier: BSL-1.0
// thread_core: see the header.
#include "pool/thread_core.hpp"

#include <cxxabi.h>

#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#include <kin/core/error.hpp>
#include <kin/core/log.hpp>
#include <kin/process/process_view.hpp>
#include <kin/wire/outcome.hpp>

#include "os/process_id.hpp"
#include "pool/task_context.hpp"

namespace kin::detail {
namespace {

constexpr std::size_t most_threads = 4096;
constexpr std::size_t most_failed_starts = 3;

void refuse(bool given, const char* option, const char* why) {
  if (given) throw std::invalid_argument("kin: a thread_pool cannot keep `" + std::string(option) + "`: " + why);
}

void check_options(const pool_options& o) {
  if (o.workers > most_threads)
    throw std::out_of_range("kin: a pool of " + std::to_string(o.workers) + " threads; the most is " +
                            std::to_string(most_threads));
  refuse(o.max_worker_memory > 0, "max_worker_memory", "all threads share one memory. Use a kin::pool");
  refuse(o.capture_stderr, "capture_stderr", "all threads share one stderr. Use a kin::pool");
  refuse(o.start != start::spawn, "start", "its workers are threads, not processes. Use a kin::pool");
  const process_options& p = o.process;
  refuse(!p.environment.empty() || !p.working_directory.empty() || !p.affinity.empty() || p.daemon || !p.name.empty(),
         "process", "its workers are threads, not processes. Use a kin::pool");
}

void check_task(const task_options& o, const task_work& work) {
  refuse(
      o.timeout > o.timeout.zero(), "timeout",
      "a thread cannot be stopped from outside. Use a kin::pool, or future::get_for(), which gives up waiting alone");
  refuse(o.memory_limit > 0, "memory_limit", "all threads share one memory. Use a kin::pool");
  if (const auto* job = std::get_if<std::unique_ptr<local_job>>(&work))
    refuse(o.retries > 0 && !(*job)->repeatable(), "retries",
           "the callable or an argument of this task can only be moved, so that nothing is left of it for another "
           "attempt");
}

// The pool that the calling thread works for. Not the innermost task's: a task of ours may run chunks of another pool.
thread_local const thread_core* works_for = nullptr;
thread_local std::size_t waits = 0;  // of the calling thread, for tasks of the pool that it works for

}  // namespace

std::shared_ptr<task_pool> make_thread_pool(pool_options options) {
  check_options(options);
  if (options.workers == 0) options.workers = cpu_count();
  return std::make_shared<thread_core>(std::move(options));
}

thread_core::thread_core(pool_options options)
    : options_(std::move(options)), owner_(os::own_pid()), callbacks_(std::make_shared<callback_runner>()) {
  if (options_.on_worker_event) callbacks_->start();
}

// ---- for callers

void thread_core::submit(task_work work, task_label name, std::shared_ptr<task_state> state,
                         const task_options& options) {
  require_owner();
  check_task(options, work);
  // The task that submits this one, if it is of this pool: then it must not wait for room, and goes on after close().
  const auto* context = task_context::current();
  const bool nested = in_own_task();
  if (nested) require_shallow(context->depth());
  lock hold(mutex_);
  if (options_.max_pending > 0 && !nested)
    changed_.wait(hold, [&] { return closed_ || waiting_.size() < options_.max_pending; });
  if (terminated_ || (closed_ && !nested)) throw closed_error("kin: the pool is closed and takes no more tasks");
  state->set_owner(weak_from_this());
  auto t = std::make_unique<pooled_task>();
  t->number = ++tasks_numbered_;
  t->work = std::move(work);
  t->label = std::move(name);
  t->state = std::move(state);
  t->options = options;
  t->retries_left = options.retries;
  t->depth = nested ? context->depth() + 1 : 0;
  auto* const task = t.get();
  waiting_.push_back(std::move(t));
  try {
    if (idle_ == 0 && threads_ < options_.workers + blocked_) start_thread();
  } catch (...) {
    // The others will come to it; without any other, nobody will.
    if (threads_ == 0) {
      (void)waiting_.take(*task->state);
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
  ++running_here_;
  const unsigned depth = t->depth;
  hold.unlock();
  {
    const task_context context(shared_from_this(), depth);
    while (run_once(*t)) {
    }
  }
  t.reset();
  hold.lock();
  --running_here_;
  changed_.notify_all();
  return true;
}

void thread_core::close() {
  require_owner();
  if (in_own_task()) refuse_in_task("close");
  const lock hold(mutex_);
  closed_ = true;
  work_.notify_all();
  changed_.notify_all();
}

void thread_core::join() {
  require_owner();
  if (in_own_task()) refuse_in_task("join");
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
  if (in_own_task()) refuse_in_task("terminate");
  const lock hold(mutex_);
  closed_ = terminated_ = true;
  fail_waiting(std::make_exception_ptr(cancelled_error("kin: the pool was terminated before the task ran")));
  for (const auto& state : in_hand_)
    settle(*state, std::make_exception_ptr(cancelled_error("kin: the pool was terminated while the task ran")));
  work_.notify_all();
  changed_.notify_all();
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

void thread_core::wait_begins() noexcept {
  if (!own_thread() || waits++ > 0) return;
  const lock hold(mutex_);
  ++blocked_;
  if (!waiting_.empty()) need_thread();
}

void thread_core::wait_ends() noexcept {
  if (!own_thread() || --waits > 0) return;
  const lock hold(mutex_);
  --blocked_;
}

bool thread_core::own_thread() const noexcept { return works_for == this; }

bool thread_core::in_own_task() const noexcept {
  const auto* context = task_context::current();
  return context && context->core() == this;
}

void thread_core::require_owner() const {
  if (os::own_pid() != owner_)
    throw closed_error(
        "kin: this pool belongs to the process that made it; a forked copy of that process must make its own");
}

// ---- threads

// Counted from its start to the last thing it does, also when a task ends it by pthread_exit.
struct thread_core::thread_record {
  explicit thread_record(thread_core& c) : core(c), number(0) { works_for = &core; }
  thread_record(const thread_record&) = delete;
  thread_record& operator=(const thread_record&) = delete;
  ~thread_record() {
    works_for = nullptr;
    const lock hold(core.mutex_);
    --core.threads_;
    core.ready_ -= ready ? 1 : 0;
    core.tell(worker_event::kind::retired, "thread " + std::to_string(number));
    if (!core.waiting_.empty() && core.failed_starts_ < most_failed_starts) core.need_thread();
    core.changed_.notify_all();
  }
  thread_core& core;
  std::uint64_t number;
  std::size_t tasks_done = 0;
  bool ready = false;  // its initializer has run
};

void thread_core::start_thread() {
  if (threads_ >= most_threads)
    throw start_error("kin: a pool of " + std::to_string(most_threads) + " threads, each waiting for another task");
  try {
    std::thread([self = shared_from_this()]() mutable {
      thread_record record(*self);
      self->serve(record);
    }).detach();
  } catch (const std::system_error& e) {
    throw os_error("start a thread of a pool", "pthread_create", e.code().value());
  }
  ++threads_;
}

// A waiting task is to be run soon; where no thread can be had, by the next one that is free.
void thread_core::need_thread() noexcept {
  try {
    if (idle_ == 0 && threads_ < options_.workers + blocked_) start_thread();
  } catch (const std::exception& e) {
    if (threads_ <= blocked_) fail_waiting(std::current_exception());
    log(log_record::severity::warning, e.what());
  }
  work_.notify_one();
}

void thread_core::tell(worker_event::kind what, const std::string& text) {
  log(log_record::severity::debug, "kin: pool's " + text);
  if (options_.on_worker_event)
    callbacks_->post([f = options_.on_worker_event, event = worker_event{what, -1, text}] { f(event); });
}

bool thread_core::initialise(lock& hold) {
  if (!options_.initializer) return true;
  hold.unlock();
  std::exception_ptr failure;
  try {
    failure = outcome_exception(run_request(options_.initializer.encode()), "a thread");
  } catch (...) {
    failure = std::current_exception();
  }
  hold.lock();
  if (!failure) {
    failed_starts_ = 0;
    return true;
  }
  const std::string text = describe_exception(failure);
  tell(worker_event::kind::start_failed, text);
  if (++failed_starts_ >= most_failed_starts && ready_ == 0) {
    failed_starts_ = 0;
    fail_waiting(std::make_exception_ptr(start_error("kin: the pool's threads do not start (" +
                                                     std::to_string(most_failed_starts) +
                                                     " attempts): the initializer failed: " + text)));
  }
  return false;
}

void thread_core::serve(thread_record& self) {
  lock hold(mutex_);
  self.number = ++threads_numbered_;
  ++counts_.workers_started;
  tell(worker_event::kind::started, "thread " + std::to_string(self.number));
  if (!initialise(hold)) return;
  self.ready = true;
  ++ready_;
  tell(worker_event::kind::ready, "thread " + std::to_string(self.number));
  const std::size_t most = options_.max_tasks_per_worker;
  while ((most == 0 || self.tasks_done < most) && wait_for_task(hold)) {
    ++self.tasks_done;
    run(hold, waiting_.pop());
  }
}

// False when this thread is to end.
bool thread_core::wait_for_task(lock& hold) {
  const auto has_work = [&] { return !waiting_.empty() && may_run(); };
  const auto ends = [&] { return closed_ && waiting_.empty(); };
  if (has_work()) return true;
  ++idle_;
  const auto done = [&] { return has_work() || ends(); };
  // More threads than the size of the pool are left when those that waited go on: one as a spare for the next wait.
  const bool spare = threads_ > options_.workers + blocked_ + 1;
  bool woken = true;
  if (spare)
    woken = done();
  else if (options_.idle_timeout > options_.idle_timeout.zero())
    woken = work_.wait_for(hold, options_.idle_timeout, done);
  else
    work_.wait(hold, done);
  --idle_;
  return woken && has_work();
}

void thread_core::run(lock& hold, std::unique_ptr<pooled_task> t) {
  ++running_;
  in_hand_.push_back(t->state);
  if (options_.max_pending > 0) changed_.notify_all();
  hold.unlock();
  struct at_end {  // also when the task ends its thread
    ~at_end() {
      state = nullptr;  // with whatever the value holds, which may be the last of it
      hold.lock();
      --core.running_;
    }
    thread_core& core;
    lock& hold;
    std::shared_ptr<task_state> state;
  } const last{*this, hold, t->state};
  const bool again = [&] {
    const task_context context(shared_from_this(), t->depth);
    return run_once(*t);
  }();
  hold.lock();
  std::erase(in_hand_, t->state);
  if (again && !t->state->ready()) {
    waiting_.push_front(std::move(t));
    need_thread();
  }
  hold.unlock();
  t.reset();
}

bool thread_core::run_once(pooled_task& t) {
  std::exception_ptr failure;
  parcel outcome;
  auto* const job = std::get_if<std::unique_ptr<local_job>>(&t.work);
  const bool may_repeat = t.retries_left > 0;
  bool retryable = false;
  try {
    if (job) {
      (*job)->run(may_repeat ? attempt::repeatable : attempt::last);
    } else {
      parcel request = may_repeat ? parcel{std::get<parcel>(t.work).bytes, {}} : std::move(std::get<parcel>(t.work));
      outcome = run_request(std::move(request));
      retryable = outcome_retryable(outcome);
    }
  } catch (abi::__forced_unwind&) {
    const lock hold(mutex_);
    std::erase(in_hand_, t.state);
    settle(*t.state, std::make_exception_ptr(error("kin: the task " + t.name() + " ended its thread")));
    throw;
  } catch (...) {
    failure = std::current_exception();
    retryable = is_retryable(failure);
  }
  const lock hold(mutex_);
  if (retryable && may_repeat && !terminated_ && !t.state->ready()) {
    --t.retries_left;
    ++counts_.retried;
    return true;
  }
  if (failure) {
    settle(*t.state, std::move(failure));
  } else if (job) {
    if ((*job)->settle()) note_settled(false);
  } else if (const bool failed = outcome_failed(outcome); t.state->settle(std::move(outcome), {})) {
    note_settled(failed);
  }
  return false;
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
  while (auto t = waiting_.pop()) settle(*t->state, why);
}

}  // namespace kin::detail
