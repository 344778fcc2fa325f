// SPDX-License-Identifier: BSL-1.0
// task_state and callback_runner: see the header.
#include <kin/pool/task_state.hpp>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <list>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include <kin/core/error.hpp>
#include <kin/core/log.hpp>
#include <kin/wire/codec.hpp>
#include <kin/wire/remote.hpp>

#include "os/event_fd.hpp"
#include "os/process_id.hpp"
#include "os/surroundings.hpp"
#include "pool/pool_lock.hpp"

namespace kin::detail {

// ---- callbacks

struct callback_runner::state {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> waiting;
  std::size_t unfinished = 0;  // posted and not yet run
  bool ending = false;
  bool running = false;
  std::thread::id thread;
  const int owner = os::own_pid();

  void start(const std::shared_ptr<state>& self) {
    if (running) return;
    thread = {};
    try {
      os::own_thread::start([self] {
        run(self);
        const std::lock_guard last(self->mutex);
        self->running = false;
        self->changed.notify_all();
      });
      running = true;
    } catch (const std::system_error& e) {
      throw os_error("start the thread for callbacks", "pthread_create", e.code().value());
    }
  }

  static void run(const std::shared_ptr<state>& self) {
    const os::own_thread me("kin-callbacks", os::own_thread::counted{});
    std::unique_lock hold(self->mutex);
    self->thread = std::this_thread::get_id();
    for (;;) {
      self->changed.wait(hold, [&] { return self->ending || !self->waiting.empty(); });
      if (self->waiting.empty()) break;
      auto callback = std::move(self->waiting.front());
      self->waiting.pop_front();
      hold.unlock();
      try {
        callback();
      } catch (...) {
        log(log_record::severity::warning,
            "kin: a callback threw, which affects nothing else: " + describe_exception(std::current_exception()));
      }
      callback = nullptr;  // what it holds may be the last reference to anything: not under the lock
      hold.lock();
      --self->unfinished;
      self->changed.notify_all();
    }
  }
};

callback_runner::callback_runner() : state_(std::make_shared<state>()) {}

callback_runner::~callback_runner() {
  if (forked_copy()) return;
  std::unique_lock hold(state_->mutex);
  state_->ending = true;
  state_->changed.notify_all();
  // The thread is joined by waiting for its last act, because it may be the one that destroys us.
  if (state_->running && state_->thread != std::this_thread::get_id())
    state_->changed.wait(hold, [&] { return !state_->running; });
}

bool callback_runner::is_this_thread() const {
  const std::lock_guard hold(state_->mutex);
  return state_->running && state_->thread == std::this_thread::get_id();
}

bool callback_runner::forked_copy() const noexcept { return os::own_pid() != state_->owner; }

void callback_runner::start() {
  const std::lock_guard hold(state_->mutex);
  state_->start(state_);
}

void callback_runner::post(std::function<void()> callback) {
  const std::lock_guard hold(state_->mutex);
  state_->start(state_);
  state_->waiting.push_back(std::move(callback));
  ++state_->unfinished;
  state_->changed.notify_all();
}

void callback_runner::drain() {
  if (forked_copy()) return;
  std::unique_lock hold(state_->mutex);
  if (state_->running && state_->thread == std::this_thread::get_id()) return;
  state_->changed.wait(hold, [&] { return state_->unfinished == 0; });
}

// ---- the state

task_owner::~task_owner() = default;

waiting_for::waiting_for(std::shared_ptr<task_owner> owner) noexcept : owner_(std::move(owner)) {
  if (owner_) owner_->wait_begins();
}
waiting_for::~waiting_for() {
  if (owner_) owner_->wait_ends();
}

struct task_state::watchers {
  std::mutex mutex;
  std::condition_variable changed;
  unique_fd event;
  std::vector<std::function<void()>> callbacks;
  std::list<std::function<void()>> hooks;
};

task_state::~task_state() { delete watchers_.load(std::memory_order_relaxed); }

std::shared_ptr<waited_on> task_state::waited_on_owner() const {
  if (ready() || home_->runner->forked_copy()) return nullptr;
  return owner();
}

void task_state::require_no_copy(const char* to) const {
  if (home_->runner->forked_copy())
    throw closed_error(std::string("kin: this task belongs to the process that submitted it; a forked copy cannot ") +
                       to);
}

bool task_state::wait(deadline until) {
  if (ready()) return true;
  require_no_copy("wait for it");
  const auto its = owner();
  return its ? its->wait_for(*this, until) : sleep(until);
}

bool task_owner::wait_for(task_state& task, deadline until) {
  wait_begins();
  struct at_end {
    task_owner& owner;
    ~at_end() { owner.wait_ends(); }
  } const after{*this};
  return task.sleep(until);
}

task_state::watchers& task_state::watching() {
  watchers* known = watchers_.load(std::memory_order_acquire);
  if (known != nullptr) return *known;
  auto fresh = std::make_unique<watchers>();
  // acq_rel: what the winner made is seen by whoever finds it.
  if (watchers_.compare_exchange_strong(known, fresh.get(), std::memory_order_acq_rel)) known = fresh.release();
  return *known;
}

// Whoever settles sees `watched`, and then waits for the lock under which `add` runs; or it is seen here to have
// settled, and false is the answer.
template <class Add>
bool task_state::unless_settled(Add add) {
  watchers& all = watching();
  const std::lock_guard hold(all.mutex);
  if ((word_.fetch_or(watched) & settled) != 0) return false;
  add(all);
  return true;
}

void task_state::tell_owner() {
  if (const auto its = owner()) its->watch(*this);
}

bool task_state::look() const {
  if (ready()) return true;
  if (const auto its = owner()) its->refresh();
  return ready();
}

bool task_state::sleep(deadline until) {
  if (ready()) return true;
  watchers& all = watching();
  std::unique_lock hold(all.mutex);
  if ((word_.fetch_or(watched) & settled) != 0) return true;
  const auto is_settled = [this] { return ready(); };
  if (until.is_never()) {
    all.changed.wait(hold, is_settled);
    return true;
  }
  return all.changed.wait_until(hold, until.when(), is_settled);
}

int task_state::native_handle() {
  if (!ready()) require_no_copy("poll it");
  watchers& all = watching();
  int handle = -1;
  bool is_new = false;
  {
    const std::lock_guard hold(all.mutex);
    if (!all.event) {
      os::event_fd event;
      if ((word_.fetch_or(watched) & settled) != 0)
        event.set();
      else
        is_new = true;
      all.event = std::move(event).release();
    }
    handle = all.event.get();
  }
  if (is_new) tell_owner();
  return handle;
}

void task_state::when_settled(std::function<void()> callback) {
  require_no_copy("be told of it");
  home_->runner->start();
  if (unless_settled([&](watchers& all) { all.callbacks.push_back(std::move(callback)); }))
    tell_owner();
  else
    home_->runner->post(std::move(callback));
}

void task_state::on_settle_quietly(std::function<void()> hook) {
  if (ready() || !unless_settled([&](watchers& all) { all.hooks.push_back(std::move(hook)); })) hook();
}

void task_state::on_settle(std::function<void()> hook) {
  if (!ready() && unless_settled([&](watchers& all) { all.hooks.push_back(std::move(hook)); }))
    tell_owner();
  else
    hook();
}

bool task_state::settle(parcel outcome, std::string worker) {
  if (ready()) return false;
  const bool failed = outcome_failed(outcome);
  if (!failed && outcome.fds.empty() && outcome.view().size() <= 1 + most_small) return settle_value(outcome.view());
  return finish(std::make_unique<result>(result{std::move(outcome), nullptr, std::move(worker)}), failed);
}

bool task_state::settle(std::exception_ptr failure) {
  if (ready()) return false;
  return finish(std::make_unique<result>(result{{}, std::move(failure), {}}), true);
}

bool task_state::settle_value(std::span<const std::byte> outcome) {
  if (ready()) return false;
  if (outcome.size() > 1 + most_small)
    return finish(std::make_unique<result>(result{{{outcome.begin(), outcome.end()}, {}}, nullptr, {}}), false);
  small_size_ = static_cast<std::uint8_t>(outcome.size() - 1);
  std::memcpy(small_.data(), outcome.data() + 1, small_size_);
  return publish(false);
}

bool task_state::finish(std::unique_ptr<result> large, bool failed) {
  large_ = std::move(large);
  return publish(failed);
}

// Always true.
bool task_state::publish(bool failed) {
  const auto carried = std::exchange(carried_, nullptr);  // let go when all is done, outside the lock
  // release: with the result. Pairs with ready().
  const std::uint32_t before = word_.fetch_or(settled | (failed ? with_failure : 0));
  if ((before & watched) == 0) return true;
  pool_lock::hooks hooks;
  {
    watchers& all = *watchers_.load(std::memory_order_acquire);
    const std::lock_guard hold(all.mutex);
    if (all.event) os::event_fd::set(all.event.get());
    for (auto& callback : all.callbacks) home_->runner->post(std::move(callback));
    all.callbacks.clear();
    hooks.swap(all.hooks);
    all.changed.notify_all();
  }
  for (auto& hook : hooks) hook();
  // They may be the last that hold the values of other tasks.
  pool_lock::destroy_later(std::move(hooks));
  return true;
}

bool task_state::cancel() {
  const auto its = owner();
  return its && its->cancel_task(*this);
}

bool task_state::withdraw() {
  // The pieces of a map that nobody waits for go with the last of them to be settled: under their pool's lock.
  if (ready()) return false;
  const auto its = owner();
  return its && its->withdraw_task(*this);
}

bool task_state::settle_joined(joined_outcome outcome) {
  if (ready()) return false;
  return publish(outcome == joined_outcome::failure);
}

parcel task_state::small_outcome() const {
  writer out;
  out.put(outcome_kind::value);
  out.raw(small_.data(), small_size_);
  return out.take();
}

task_state::result task_state::take_result() {
  if (large_ == nullptr) return {};
  // A block is used again once the process that it was sent to has read it, whoever else has a copy of this.
  if (large_->outcome.block && home_->runner->forked_copy())
    throw closed_error("kin: this task's large result belongs to the process that submitted it, not to a forked copy");
  return std::move(*large_);
}

}  // namespace kin::detail
