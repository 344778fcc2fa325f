// SPDX-License-Identifier: BSL-1.0
// pool_thread: a thread of a thread_pool: the initializer, then waiting tasks until it is worn or nobody needs it; and
// how one is started. Callers' side: thread_core.cpp.
#include <cxxabi.h>

#include <system_error>
#include <thread>

#include <kin/core/error.hpp>
#include <kin/core/log.hpp>
#include <kin/wire/outcome.hpp>
#include <kin/wire/remote.hpp>

#include "pool/task_context.hpp"
#include "pool/thread_core.hpp"

namespace kin::detail {
namespace {

constexpr std::size_t most_failed_thread_starts = 3;

// The pool that the calling thread works for. Not the innermost task's: a task of ours may run chunks of another pool.
thread_local const thread_core* works_for = nullptr;
thread_local std::size_t waits = 0;  // of the calling thread, for tasks of the pool that it works for

}  // namespace

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
    // When nobody is left it is tried anew: those that fail then tell the tasks.
    if (core.failed_starts_ >= most_failed_thread_starts && core.threads_ <= core.blocked_) core.failed_starts_ = 0;
    if (!core.waiting_.empty() && core.failed_starts_ < most_failed_thread_starts) core.need_thread();
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
    if (wants_thread()) start_thread();
  } catch (const std::exception& e) {
    if (threads_ <= blocked_) fail_waiting(std::current_exception());
    log(log_record::severity::warning, e.what());
  }
  work_.notify_one();
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
  if (++failed_starts_ >= most_failed_thread_starts && ready_ <= blocked_) {
    failed_starts_ = 0;
    fail_waiting(std::make_exception_ptr(start_error("kin: the pool's threads do not start (" +
                                                     std::to_string(most_failed_thread_starts) +
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
    auto next = waiting_.pop();
    if (closed_ && waiting_.empty()) work_.notify_all();  // who waited for its turn has nothing to wait for any more
    run(hold, std::move(next));
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
  else if (const auto until = options_.idle_timeout > options_.idle_timeout.zero()
                                  ? deadline::after(options_.idle_timeout)
                                  : deadline::never();
           !until.is_never())
    woken = work_.wait_until(hold, until.when(), done);
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
    const task_context context(shared_from_this(), sharers_, t->parent());
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

// GCC hands over a null reference where pthread_exit is caught.
__attribute__((no_sanitize("null"))) bool thread_core::run_once(pooled_task& t) {
  std::exception_ptr failure;
  parcel outcome;
  const bool may_repeat = t.retries_left() > 0;
  bool retryable = false;
  try {
    if (t.job) {
      t.job->run(may_repeat ? attempt::repeatable : attempt::last);
    } else {
      parcel request = may_repeat ? parcel{t.request()->bytes, {}} : std::move(*t.request());
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
    t.count_a_retry();
    ++counts_.retried;
    return true;
  }
  if (failure) {
    settle(*t.state, std::move(failure));
  } else if (t.job) {
    if (t.job->settle()) note_settled(false);
  } else if (const bool failed = outcome_failed(outcome); t.state->settle(std::move(outcome), {})) {
    note_settled(failed);
  }
  return false;
}

// ---- tasks that wait for tasks

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

}  // namespace kin::detail
