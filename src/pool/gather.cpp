// SPDX-License-Identifier: BSL-1.0
// gather: see the header.
#include <kin/pool/gather.hpp>

#include <atomic>

#include <kin/core/log.hpp>
#include <kin/wire/remote.hpp>

namespace kin::detail {

struct arrivals::state {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::size_t> ended;
  std::vector<std::weak_ptr<task_owner>> owners;  // each once
};

namespace {
void add_once(std::vector<std::weak_ptr<task_owner>>& owners, const std::shared_ptr<task_owner>& owner) {
  if (!owner) return;
  for (const auto& known : owners)
    if (!known.owner_before(owner) && !owner.owner_before(known)) return;
  owners.push_back(owner);
}
}  // namespace

arrivals::arrivals() : state_(std::make_shared<state>()) {}

void arrivals::expect(std::size_t number, task_state& task) const {
  if (!task.ready()) task.require_no_copy("wait for it");
  add_once(state_->owners, task.owner());
  task.on_settle([s = state_, number] {
    const std::lock_guard hold(s->mutex);
    s->ended.push_back(number);
    s->changed.notify_one();
  });
}

std::size_t arrivals::next() const {
  std::deque<waiting_for> meanwhile;
  std::unique_lock hold(state_->mutex);
  if (state_->ended.empty()) {
    hold.unlock();
    for (const auto& owner : state_->owners) meanwhile.emplace_back(owner.lock());
    hold.lock();
  }
  state_->changed.wait(hold, [&] { return !state_->ended.empty(); });
  const std::size_t number = state_->ended.front();
  state_->ended.pop_front();
  hold.unlock();  // before `meanwhile` tells its owners
  return number;
}

void tell_progress(const progress& tell, std::size_t done, std::size_t all) noexcept {
  try {
    tell(done, all);
  } catch (...) {
    log(log_record::severity::warning,
        "kin: a progress threw, which affects nothing else: " + describe_exception(std::current_exception()));
  }
}

void follow_progress(const progress& tell, const std::shared_ptr<task_state>& task, std::size_t items,
                     const std::shared_ptr<std::size_t>& done, std::size_t all) {
  task->when_settled([=] { tell_progress(tell, *done += items, all); });
}

tasks_owner::tasks_owner(std::vector<std::weak_ptr<task_state>> tasks) : tasks_(std::move(tasks)) {
  for (const auto& each : tasks_)
    if (const auto task = each.lock()) add_once(owners_, task->owner());
}
void tasks_owner::wait_begins() noexcept {
  for (const auto& each : owners_)
    if (const auto owner = each.lock()) owner->wait_begins();
}
void tasks_owner::wait_ends() noexcept {
  for (const auto& each : owners_)
    if (const auto owner = each.lock()) owner->wait_ends();
}
void tasks_owner::refresh() {
  for (const auto& each : owners_)
    if (const auto owner = each.lock()) owner->refresh();
}
// One after the other, so that each one's owner can help it along.
bool tasks_owner::wait_for(task_state& whole, deadline until) {
  for (const auto& each : tasks_)
    if (const auto task = each.lock(); task && !task->wait(until)) return false;
  return whole.sleep(until);
}
tasks_owner::~tasks_owner() = default;

bool tasks_owner::cancel_task(task_state& whole) {
  if (whole.ready()) return false;
  bool any = false;
  for (const auto& each : tasks_)
    if (const auto task = each.lock()) any |= task->cancel();
  return any;
}

bool tasks_owner::withdraw_task(task_state&) {
  bool all = true;
  for (const auto& each : tasks_)
    if (const auto task = each.lock()) all &= task->withdraw();
  return all;
}

void follow(const std::shared_ptr<task_state>& whole, const std::vector<std::shared_ptr<task_state>>& parts) {
  struct counter {
    explicit counter(std::size_t n) : left(n) {}
    std::atomic<std::size_t> left;
    std::atomic<bool> failed{false};
  };
  if (parts.empty()) {
    whole->settle_joined(joined_outcome::value);
    return;
  }
  const auto count = std::make_shared<counter>(parts.size());
  for (const auto& part : parts)
    part->on_settle([whole, count, p = part.get()] {  // called by the part, which lives
      if (p->failed()) count->failed = true;
      if (--count->left == 0) whole->settle_joined(count->failed ? joined_outcome::failure : joined_outcome::value);
    });
}

}  // namespace kin::detail
