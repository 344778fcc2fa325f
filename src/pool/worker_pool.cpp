// SPDX-License-Identifier: BSL-1.0
// worker_pool: see the header.
#include "pool/worker_pool.hpp"

#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <kin/core/error.hpp>
#include <kin/wire/codec.hpp>
#include <kin/wire/outcome.hpp>

#include "os/process_id.hpp"
#include "os/surroundings.hpp"
#include "pool/block_reference.hpp"
#include "pool/task_context.hpp"
#include "pool/waiting_tasks.hpp"
#include "process/bootstrap.hpp"

namespace kin::detail {
namespace {

std::exception_ptr pool_is_gone() {
  return std::make_exception_ptr(closed_error("kin: the pool that this task runs in has ended"));
}

}  // namespace

worker_pool::worker_pool(channel& link, std::size_t size)
    : link_(link),
      size_(size),
      owner_(os::own_pid()),
      channel_file_(os::file_behind(link.native_handle())),
      callbacks_(std::make_shared<callback_runner>()),
      states_(std::make_shared<task_home>(task_home{callbacks_, {}})) {}

void worker_pool::require_owner() const {
  if (os::own_pid() != owner_)
    throw closed_error(
        "kin: this process is a copy of a pool's worker that a task has forked; the pool is not its own");
}

// ---- the channel

void worker_pool::send(std::uint64_t kind, std::span<const std::byte> bytes, std::span<const unique_fd> fds) {
  const std::lock_guard hold(sending_);
  link_.send(kind, bytes, fds);
}

void worker_pool::require_reader() {
  const std::lock_guard hold(mutex_);
  if (has_reader_) return;
  if (main_reads_)
    throw std::logic_error(
        "kin: kin::current_pool() is for tasks: no task runs in this worker now, only a thread that "
        "one has left behind");
  try {
    std::thread([self = shared_from_this()] {
      const os::own_thread me("kin-pool");
      self->read();
    }).detach();
  } catch (const std::system_error& e) {
    throw os_error("start the thread that hears of a task's own tasks", "pthread_create", e.code().value());
  }
  has_reader_ = true;
}

void worker_pool::read() {
  std::exception_ptr damage;
  try {
    for (;;) {
      const std::uint64_t kind = link_.next().signature;
      parcel message = link_.take();
      if (kind == settled_frame) {
        take_settled(std::move(message));
      } else {
        const std::lock_guard hold(mutex_);
        if (kind == answer_frame)
          take_answer(std::move(message));
        else
          inbox_.push_back({kind, std::move(message)});
        changed_.notify_all();
      }
    }
  } catch (const closed_error&) {
    // The pool wants no more of this worker, or is gone.
  } catch (...) {
    damage = std::current_exception();
  }
  std::unordered_map<std::uint64_t, std::shared_ptr<task_state>> orphans;
  {
    const std::lock_guard hold(mutex_);
    ended_ = true;
    damage_ = damage;
    orphans.swap(submitted_);
    changed_.notify_all();
  }
  for (const auto& [number, state] : orphans) state->settle(pool_is_gone());
  const std::lock_guard hold(mutex_);
  has_told_all_ = true;
  changed_.notify_all();
}

void worker_pool::take_answer(parcel message) {
  reader in(message);
  const auto number = in.take<std::uint64_t>();
  const auto found = questions_.find(number);
  if (found == questions_.end()) return;
  message.bytes.erase(message.bytes.begin(), message.bytes.begin() + sizeof number);
  found->second = std::move(message);
}

void worker_pool::take_settled(parcel message) {
  std::uint64_t number = 0;
  {
    std::vector<unique_fd> none;
    reader in(message.bytes, none);
    number = in.take<std::uint64_t>();
  }
  message.bytes.erase(message.bytes.begin(), message.bytes.begin() + sizeof number);
  std::shared_ptr<task_state> state;
  {
    const std::lock_guard hold(mutex_);
    const auto found = submitted_.find(number);
    if (found == submitted_.end()) return;
    state = std::move(found->second);
    submitted_.erase(found);
  }
  state->settle(std::move(message), {});
}

void worker_pool::hear_the_rest() {
  {
    std::unique_lock hold(mutex_);
    changed_.wait(hold, [&] { return has_told_all_ || !has_reader_; });
  }
  callbacks_->drain();
}

std::optional<worker_pool::frame> worker_pool::next_frame() {
  std::unique_lock hold(mutex_);
  if (!has_reader_) {
    main_reads_ = true;
    hold.unlock();
    std::optional<frame> next;
    try {
      const std::uint64_t kind = link_.next().signature;
      next = frame{kind, link_.take()};
    } catch (const closed_error&) {
      // The pool wants no more.
    }
    hold.lock();
    main_reads_ = false;
    return next;
  }
  changed_.wait(hold, [&] { return ended_ || !inbox_.empty(); });
  if (inbox_.empty()) {
    if (damage_) std::rethrow_exception(damage_);
    return std::nullopt;
  }
  frame next = std::move(inbox_.front());
  inbox_.pop_front();
  return next;
}

std::optional<worker_pool::frame> worker_pool::take_task() {
  while (auto next = next_frame())
    if (next->kind == call_frame || next->kind == call_in_block_frame) return next;
  return std::nullopt;
}

parcel worker_pool::open(frame request) {
  return request.kind == call_in_block_frame ? requests_.open(std::move(request.message)) : std::move(request.message);
}

// ---- tasks of tasks

void worker_pool::submit(task_work work, task_label name, std::shared_ptr<task_state> state,
                         const task_options& options) {
  require_owner();
  require_reader();
  if (is_too_late(options)) {
    state->settle(too_late(name, options));
    return;
  }
  if (passengers carried = take_carried(work); !carried.empty()) state->keep_until_settled(std::move(carried));
  parcel request = take_request(work);
  std::uint64_t number = 0;
  {
    const std::lock_guard hold(mutex_);
    if (ended_) std::rethrow_exception(pool_is_gone());
    number = ++numbered_;
    submitted_.emplace(number, std::move(state));
  }
  try {
    writer out;
    out(number, before_.load(std::memory_order_relaxed), depth_.load(std::memory_order_relaxed),
        options.timeout.count(), std::uint64_t{options.retries}, options.memory_limit, options.name, options.priority,
        name.text());
    out.raw(request.view().data(), request.view().size());
    const parcel message = out.take();
    send(submit_frame, message.bytes, request.fds);
  } catch (...) {
    const std::lock_guard hold(mutex_);
    submitted_.erase(number);
    throw;
  }
}

std::optional<std::uint64_t> worker_pool::number_of(const task_state& state) const {
  const std::lock_guard hold(mutex_);
  for (const auto& [number, its] : submitted_)
    if (its.get() == &state) return number;
  return std::nullopt;
}

parcel worker_pool::ask(std::uint64_t kind, std::uint64_t what) const {
  auto& self = const_cast<worker_pool&>(*this);
  self.require_reader();
  std::unique_lock hold(mutex_);
  const std::uint64_t number = ++numbered_;
  const auto place = questions_.emplace(number, std::nullopt).first;
  hold.unlock();
  try {
    writer out;
    out(number, what);
    self.send(kind, out.take().bytes);
  } catch (...) {
    hold.lock();
    questions_.erase(place);
    throw;
  }
  hold.lock();
  changed_.wait(hold, [&] { return ended_ || place->second; });
  auto answer = std::move(place->second);
  questions_.erase(place);
  if (!answer) std::rethrow_exception(pool_is_gone());
  return std::move(*answer);
}

bool worker_pool::cancel_task(task_state& state) {
  require_owner();
  const auto number = number_of(state);
  if (!number) return false;
  parcel answer = ask(cancel_frame, *number);
  reader in(answer);
  if (!in.take<bool>()) return false;
  state.wait(deadline::never());  // its outcome is under way
  return true;
}

bool worker_pool::withdraw_task(task_state& state) {
  if (os::own_pid() != owner_) return false;
  const auto number = number_of(state);
  if (!number) return false;
  writer out;
  out(*number);
  try {
    send(withdraw_frame, out.take().bytes);
  } catch (const error&) {
    return false;  // the pool is gone, and the task with it
  }
  return true;
}

void worker_pool::close() { refuse_in_task("close"); }
void worker_pool::join() { refuse_in_task("join"); }
void worker_pool::terminate(std::chrono::nanoseconds) { refuse_in_task("terminate"); }

pool_stats worker_pool::stats() const {
  require_owner();
  parcel answer = ask(stats_frame, 0);
  reader in(answer);
  pool_stats s;
  in(s.workers, s.idle, s.pending, s.running, s.submitted, s.completed, s.failed, s.retried, s.workers_started,
     s.workers_lost);
  return s;
}

namespace {
// Of the calling thread: its waits, one inside the other, and the task that ran when the outermost began.
thread_local constinit unsigned waits_of_thread = 0;
thread_local constinit std::uint64_t waits_since = 0;
}  // namespace

// The pool hears of the first thread that waits while a task runs. Those that earlier tasks have left behind do not
// count: the pool takes a worker that has answered for one that does not wait.
void worker_pool::wait_begins() noexcept {
  if (waits_of_thread++ > 0 || os::own_pid() != owner_) return;
  const std::lock_guard hold(mutex_);
  waits_since = before_.load(std::memory_order_relaxed);
  if (std::exchange(waiting_in_, waits_since) != waits_since) waiting_threads_ = 0;
  if (waiting_threads_++ > 0) return;
  try {
    send(blocked_frame, {});
  } catch (...) {
    // The pool is gone: what is waited for ends with that.
  }
}

void worker_pool::wait_ends() noexcept {
  if (--waits_of_thread > 0 || os::own_pid() != owner_) return;
  const std::lock_guard hold(mutex_);
  if (waits_since != waiting_in_ || waits_since != before_.load(std::memory_order_relaxed)) return;
  if (--waiting_threads_ > 0) return;
  try {
    send(unblocked_frame, {});
  } catch (...) {
    // As above.
  }
}

}  // namespace kin::detail
