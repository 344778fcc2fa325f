// SPDX-License-Identifier: BSL-1.0
// runtime: see the header.
#include "process/runtime.hpp"

#include <new>

#include <kin/core/error.hpp>
#include <kin/process/init.hpp>

#include "memory/fork_hooks.hpp"
#include "os/fork_hooks.hpp"
#include "os/memory_barrier.hpp"
#include "wire/exception_kinds.hpp"
#include "wire/module.hpp"

namespace kin::detail {
namespace {
constexpr int deepest_nesting = 16;
}

runtime& runtime::get() {
  static runtime* const the = new runtime;  // never destroyed; reachable, so no leak
  return *the;
}

// The lock that is taken under others is kept over a fork by the first hooks.
runtime::runtime() {
  prepare_places_for_fork();
  prepare_exceptions_for_fork();
  os::keep_whole_over_fork();
  register_memory_fork_hooks();
  os::on_fork(&before_fork, &after_fork_in_parent, &after_fork_in_child);
}

void runtime::initialise(int depth) {
  const std::lock_guard hold(mutex_);
  if (initialised_) return;
  at_init_ = os::surroundings::now();
  (void)os::has_heavy_barrier();  // now, while this process has one thread
  depth_ = depth;
  initialised_ = true;
}

void runtime::start_itself() {
  const std::lock_guard hold(mutex_);
  worker_.reset();
}

void runtime::start_by(worker_program other) {
  const std::lock_guard hold(mutex_);
  worker_ = std::move(other);
}

bool runtime::starts_itself() {
  const std::lock_guard hold(mutex_);
  return initialised_ && !worker_;
}

std::optional<worker_program> runtime::worker() {
  const std::lock_guard hold(mutex_);
  return worker_;
}

void runtime::note_surroundings() {
  const std::lock_guard hold(mutex_);
  at_init_ = os::surroundings::now();
}

std::string runtime::program_name() const {
  const std::string& path = at_init_.arguments.front();
  return path.substr(path.rfind('/') + 1);
}

void runtime::require_initialised() const {
  if (!initialised_)
    throw start_error(
        "kin: kin::init() has not run. A child is this same program started again; without kin::init() as the first "
        "statement of main() it would run main() again, and start children of its own without end. Write "
        "kin::init(); there. (Where somebody else owns main(), link kin::main instead; in a plugin of a program that "
        "knows "
        "nothing of kin call kin::set_executable(). If init() has run, a plugin may hold a second copy of kin: link "
        "all "
        "modules to the shared library.)");
  if (os::runs_with_raised_privileges())
    throw start_error(
        "kin: this program runs set-user-id, set-group-id or with file capabilities; a child started by exec would "
        "have "
        "the privileges again that this process may have dropped, so kin refuses to start any");
  if (depth_ >= deepest_nesting)
    throw start_error("kin: processes are nested " + std::to_string(deepest_nesting) +
                      " deep; refusing to go on (does main() start a process before kin::init()?)");
}

runtime::child_name runtime::next_child_name(const std::string& wanted) {
  const std::lock_guard hold(mutex_);
  std::string identity = identity_;
  if (!identity.empty()) identity += ':';
  identity += std::to_string(++children_started_);
  return {wanted.empty() ? "Process-" + identity : wanted, identity};
}

void runtime::add_child(const std::shared_ptr<child>& c) {
  const std::lock_guard hold(mutex_);
  std::erase_if(children_, [](const std::weak_ptr<child>& w) { return w.expired(); });
  children_.push_back(c);
}

std::vector<std::shared_ptr<child>> runtime::children() {
  const std::lock_guard hold(mutex_);
  std::vector<std::shared_ptr<child>> alive;
  for (const auto& w : children_)
    if (auto c = w.lock()) alive.push_back(std::move(c));
  return alive;
}

void runtime::become(std::string name, std::string identity, bool daemon, std::optional<parent_identity> parent) {
  const std::lock_guard hold(mutex_);
  name_ = std::move(name);
  identity_ = std::move(identity);
  daemon_ = daemon;
  parent_ = std::move(parent);
  children_started_ = 0;
}

void runtime::on_fork(void (*forget)()) {
  const std::lock_guard hold(mutex_);
  forget_.push_back(forget);
}

void runtime::before_fork() {
  get().starting_.lock();
  get().mutex_.lock();
}
void runtime::after_fork_in_parent() {
  get().mutex_.unlock();
  get().starting_.unlock();
}

// Kin's threads do not exist here, and the children are the parent's. Keeping copies of their lifelines open would let
// them outlive it.
void runtime::after_fork_in_child() {
  runtime& self = get();
  os::own_thread::forget_all();
  for (const auto& w : self.children_)
    if (const auto c = w.lock()) c->abandon();
  // Not cleared: to free what they are made of costs a copy four page faults.
  self.parents_children_ = std::move(self.children_);
  for (auto* forget : self.forget_) forget();
  self.mutex_.unlock();
  // Its owner was a thread id of the parent's, so it is made anew. That ThreadSanitizer does not see, and takes for an
  // unlocking what does nothing else.
  self.starting_.unlock();
  new (&self.starting_) std::recursive_mutex;
}

void require_init() { runtime::get().require_initialised(); }

}  // namespace kin::detail
