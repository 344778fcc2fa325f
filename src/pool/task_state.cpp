// SPDX-License-Identifier: BSL-1.0
// task_state and callback_runner: see the header.
#include <kin/pool/task_state.hpp>

#include <deque>
#include <system_error>
#include <thread>

#include <kin/core/error.hpp>
#include <kin/core/log.hpp>
#include <kin/wire/remote.hpp>

#include "os/event_fd.hpp"
#include "os/process_id.hpp"
#include "os/surroundings.hpp"

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
    try {
      std::thread t([self] {
        run(self);
        const std::lock_guard last(self->mutex);
        self->running = false;
        self->changed.notify_all();
      });
      running = true;
      thread = t.get_id();
      t.detach();
    } catch (const std::system_error& e) {
      throw os_error("start the thread for callbacks", "pthread_create", e.code().value());
    }
  }

  static void run(const std::shared_ptr<state>& self) {
    const os::own_thread me("kin-callbacks");
    std::unique_lock hold(self->mutex);
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

task_state::task_state(std::shared_ptr<callback_runner> callbacks) : runner_(std::move(callbacks)) {}
task_state::~task_state() = default;

bool task_state::wait(deadline until) {
  if (runner_->forked_copy()) {
    // Its lock may have been copied while another thread held it.
    const std::unique_lock hold(mutex_, std::try_to_lock);
    if (hold && settled_) return true;
    throw closed_error("kin: this task belongs to the process that submitted it; a forked copy cannot wait for it");
  }
  if (ready()) return true;
  const auto owner = owner_.lock();
  return owner ? owner->wait_for(*this, until) : sleep(until);
}

bool task_owner::wait_for(task_state& task, deadline until) {
  wait_begins();
  struct at_end {
    task_owner& owner;
    ~at_end() { owner.wait_ends(); }
  } const after{*this};
  return task.sleep(until);
}

bool task_state::sleep(deadline until) {
  std::unique_lock hold(mutex_);
  const auto settled = [&] { return settled_; };
  if (until.is_never()) {
    changed_.wait(hold, settled);
    return true;
  }
  return changed_.wait_until(hold, until.when(), settled);
}

bool task_state::ready() const {
  const std::lock_guard hold(mutex_);
  return settled_;
}

bool task_state::failed() const {
  const std::lock_guard hold(mutex_);
  return failed_;
}

int task_state::native_handle() {
  const std::lock_guard hold(mutex_);
  if (!event_) {
    os::event_fd event;
    if (settled_) event.set();
    event_ = std::move(event).release();
  }
  return event_.get();
}

void task_state::when_settled(std::function<void()> callback) {
  runner_->start();
  const std::lock_guard hold(mutex_);
  if (settled_)
    runner_->post(std::move(callback));
  else
    callbacks_.push_back(std::move(callback));
}

void task_state::on_settle(std::function<void()> hook) {
  {
    const std::lock_guard hold(mutex_);
    if (!settled_) {
      hooks_.push_back(std::move(hook));
      return;
    }
  }
  hook();
}

bool task_state::settle(parcel outcome, std::string worker) {
  const bool failed = outcome_failed(outcome);
  return finish({std::move(outcome), nullptr, std::move(worker)}, failed);
}

bool task_state::settle(std::exception_ptr failure) { return finish({{}, std::move(failure), {}}, true); }

bool task_state::finish(result r, bool failed) {
  std::vector<std::function<void()>> hooks;
  passengers carried;  // let go outside the lock
  {
    const std::lock_guard hold(mutex_);
    if (settled_) return false;
    carried.swap(carried_);
    result_ = std::move(r);
    failed_ = failed;
    settled_ = true;
    if (event_) os::event_fd::set(event_.get());
    for (auto& callback : callbacks_) runner_->post(std::move(callback));
    callbacks_.clear();
    hooks.swap(hooks_);
    changed_.notify_all();
  }
  for (auto& hook : hooks) hook();
  return true;
}

bool task_state::cancel() {
  const auto owner = owner_.lock();
  return owner && owner->cancel_task(*this);
}

bool task_state::withdraw() {
  // The pieces of a map that nobody waits for go with the last of them to be settled: under their pool's lock.
  if (ready()) return false;
  const auto owner = owner_.lock();
  return owner && owner->withdraw_task(*this);
}

bool task_state::settle_joined(joined_outcome outcome) { return finish({}, outcome == joined_outcome::failure); }

task_state::result task_state::take_result() {
  const std::lock_guard hold(mutex_);
  return std::move(result_);
}

}  // namespace kin::detail
