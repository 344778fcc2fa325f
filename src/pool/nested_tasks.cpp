// SPDX-License-Identifier: BSL-1.0
// nested_tasks: what workers submit to their own pool while they run a task, and what they ask about it. The near end
// is worker_pool, in the worker. Everything here is called with the pool's lock, and believes nothing that a worker
// says.
#include <kin/core/error.hpp>
#include <kin/wire/codec.hpp>
#include <kin/wire/outcome.hpp>

#include "pool/pool_core.hpp"
#include "pool/task_context.hpp"
#include "pool/worker.hpp"

namespace kin::detail {
namespace {

// So many tasks of one worker may be under way: a worker that has gone wild must not take all memory.
constexpr std::size_t most_submitted = std::size_t{1} << 20;

/// The outcome as it came, for the worker that waits for it.
class nested_state final : public task_state {
 public:
  using task_state::task_state;
  parcel outcome() {
    if (!has_result()) return small_outcome();
    result its = take_result();
    its.outcome.arrived();
    return its.failure ? encode_exception_outcome(std::move(its.failure)) : std::move(its.outcome);
  }
};

std::shared_ptr<parcel> numbered(std::uint64_t number, parcel message) {
  writer out;
  out(number);
  out.raw(message.view().data(), message.view().size());
  parcel whole = out.take();
  whole.fds = std::move(message.fds);
  return std::make_shared<parcel>(std::move(whole));
}

}  // namespace

bool pool_core::take_word(worker& from, std::uint64_t kind, parcel& message) {
  heard_words_ = true;  // another worker may have to run
  if (kind == submit_frame) {
    take_submission(from, std::move(message));
  } else if (kind == blocked_frame || kind == unblocked_frame) {
    from.blocked = kind == blocked_frame && !from.has.empty();
    workers_changed();
    if (from.blocked) recall(from);  // what is behind its task must not wait for that
  } else if (kind == withdraw_frame) {
    reader in(message);
    if (const auto found = from.given.find(in.take<std::uint64_t>()); found != from.given.end())
      withdraw_waiting(*found->second.state);
  } else if (kind == cancel_frame || kind == stats_frame) {
    answer(from, kind, std::move(message));
  } else {
    return false;
  }
  return true;
}

void pool_core::take_submission(worker& from, parcel message) {
  auto t = task::make();
  std::vector<unique_fd> none;
  reader in(message.bytes, none);
  const auto number = in.take<std::uint64_t>(), by = in.take<std::uint64_t>();
  const auto depth = in.take<unsigned>();
  const auto timeout = in.take<std::chrono::nanoseconds::rep>();
  const auto retries = in.take<std::uint64_t>();
  task_options options;
  std::string name;
  in(options.memory_limit, options.name, options.priority, name);
  if (timeout < 0 || depth > deepest_task || from.given.size() >= most_submitted || from.given.contains(number))
    throw decode_error("kin: a worker submitted a task that cannot be");
  options.timeout = std::chrono::nanoseconds(timeout);
  options.retries = retries;
  if (options.name.empty()) options.name = std::move(name);
  t->set_options(options);
  t->number = ++tasks_numbered_;
  // Its task may have been answered by now; then nobody waits.
  t->depth = by < from.lane.taken() ? 1 : depth + 1;
  if (t->depth > deepest_task) t->depth = depth_of_running(from) + 1;
  message.bytes.erase(message.bytes.begin(), message.bytes.end() - static_cast<std::ptrdiff_t>(in.left()));
  t->set_request(std::move(message));

  auto state = std::make_shared<nested_state>(states_);
  state->watched_by_owner = true;
  ++watched_;
  from.given.emplace(number, child_task{state, by});
  // Settled with the lock, like every task of this pool, and by then the worker may be gone.
  state->on_settle_quietly([this, number, worker = from.number, s = state.get()] {
    for (const auto& w : workers_) {
      if (w->number != worker) continue;
      w->given.erase(number);
      if (w->now == phase::leaving) return;
      w->pump.send(settled_frame, numbered(number, s->outcome()));
      if (may_go(*w)) {
        w->idle_ends = idle_end();
        tell_of_idle(*w);
      }
      if (w->pump.wants_to_write()) wake();
    }
  });
  t->state = state;
  ++counts_.submitted;
  if (queued_ > 0 && waiting_tasks::rank_of(*t) > queued_rank_) recall_all();
  if (terminated_)
    settle(*t, std::make_exception_ptr(cancelled_error("kin: the pool was terminated before the task ran")));
  else if (t->depth > deepest_task)
    settle(*t, too_deep());
  else
    waiting_.push_back(std::move(t));
}

// Idle, and with nothing of its tasks under way: it has callbacks for that, perhaps, and holds what was given along.
bool pool_core::may_go(const worker& w) { return w.now == phase::idle && w.given.empty(); }

void pool_core::answer(worker& to, std::uint64_t kind, parcel question) {
  reader in(question);
  const auto number = in.take<std::uint64_t>();
  const auto what = in.take<std::uint64_t>();
  writer out;
  if (kind == stats_frame) {
    const pool_stats s = count();
    out(s.workers, s.idle, s.pending, s.running, s.submitted, s.completed, s.failed, s.retried, s.workers_started,
        s.workers_lost);
  } else {
    const auto found = to.given.find(what);
    const auto state = found == to.given.end() ? nullptr : found->second.state;
    out(state && cancel_known(*state));
  }
  to.pump.send(answer_frame, numbered(number, out.take()));
  if (to.pump.wants_to_write()) wake();
}

// Whoever wanted their results is gone: the tasks of a worker's that ended with it. Those of others go on, though
// nobody of that worker hears of them any more.
void pool_core::withdraw_given(const std::map<std::uint64_t, child_task>& given, std::uint64_t answered) {
  for (const auto& [number, child] : given)
    if (child.by >= answered) withdraw_waiting(*child.state);
}

// How many tasks that are running have submitted each other down to the one that this worker runs. A task may have
// gone on, and ended, without waiting for what it has submitted.
unsigned pool_core::depth_of_running(const worker& w) const {
  const auto parent_of = [this](const worker& of) -> const worker* {
    if (of.has.empty()) return nullptr;
    for (const auto& each : workers_)
      for (const auto& [number, child] : each->given)
        if (child.state == of.has.front().state && child.by == each->lane.taken() && !each->has.empty())
          return each.get();
    return nullptr;
  };
  unsigned depth = 0;
  for (const worker* at = parent_of(w); at != nullptr && depth < deepest_task; at = parent_of(*at)) ++depth;
  return depth;
}

bool pool_core::withdraw_waiting(task_state& state) {
  const auto waiting = take_unbegun(state);
  if (!waiting) return false;
  settle(*waiting, std::make_exception_ptr(cancelled_error("kin: nobody wants the task's result any more")));
  return true;
}

// Workers that wait for tasks of this pool run nothing: others may run in their place.
std::size_t pool_core::blocked_workers() const {
  std::size_t n = 0;
  for (const auto& w : workers_) n += w->blocked && w->now != phase::leaving;
  return n;
}

// Once workers go on that had waited, there may be more than may run.
bool pool_core::may_run_another() const {
  if (workers_.size() <= options_.workers) return true;
  std::size_t running = 0;
  for (const auto& w : workers_) running += w->now == phase::busy && !w->blocked;
  return running < options_.workers;
}

}  // namespace kin::detail
