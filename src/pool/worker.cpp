// SPDX-License-Identifier: BSL-1.0
// worker: see the header.
#include "pool/worker.hpp"

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include <kin/core/error.hpp>
#include <kin/wire/call.hpp>
#include <kin/wire/incoming_call.hpp>
#include <kin/wire/outcome.hpp>

#include "memory/cpu.hpp"
#include "os/memory_barrier.hpp"
#include "os/memory_limit.hpp"
#include "os/memory_use.hpp"
#include "os/own_image.hpp"
#include "os/process_id.hpp"
#include "os/processors.hpp"
#include "pool/lane_memory.hpp"
#include "pool/task_context.hpp"
#include "pool/worker_pool.hpp"
#include "process/bootstrap.hpp"
#include "process/processor_sharers.hpp"

namespace kin::detail {
namespace {

void send_outcome(worker_pool& link, parcel outcome) {
  try {
    link.send(outcome_frame, outcome.bytes, outcome.fds);
    outcome.arrived();
  } catch (const os_error& e) {
    if (link_to_parent().closed()) throw;
    // Its descriptors could not be sent, and nothing has been: that is this task's failure, not this worker's.
    outcome = encode_exception_outcome(
        std::make_exception_ptr(encode_error("kin: the result could not be sent: " + std::string(e.what()))));
    link.send(outcome_frame, outcome.bytes);
  }
}

// A task may fork and let the copy return: the channel and what comes from it are not the copy's.
void leave_if_copy(int worker) {
  if (os::own_pid() != worker) os::leave_forked_image(0);
}

/// How long tasks take, lately.
class task_pace {
 public:
  void begins() noexcept { began_ = cpu::ticks(); }
  /// True when it has taken more than a few microseconds.
  bool ends() noexcept {
    const std::uint64_t took = cpu::ticks() - began_;
    mean_ = (3 * mean_ + std::min<std::uint64_t>(took, 0xffffffff)) / 4;
    return took > cpu::a_moment() / 16;
  }
  [[nodiscard]] std::uint32_t mean() const noexcept { return static_cast<std::uint32_t>(mean_) + 1; }

 private:
  std::uint64_t began_ = 0, mean_ = 0;
};

parcel run_limited(parcel request, std::uint64_t limit) {
  if (limit == 0) return run_request(std::move(request));
  const os::memory_limit while_it_runs(limit);
  return run_request(std::move(request));
}

}  // namespace

void pool_worker_main(worker_setup setup) {
  if (setup.sharers != 0) set_processor_sharers(setup.sharers);
  const far_memory memory(std::move(setup.lane), std::move(setup.home));
  if (setup.light && !os::has_heavy_barrier())
    throw error(
        "kin: membarrier(2) is refused in this worker, but not in its pool's process; allow it in both or in neither");
  far_lane lane(memory.orders(), memory.answers(), memory.home(), setup.light);
  const auto its_pool = std::make_shared<worker_pool>(link_to_parent(), setup.pool_size);
  worker_pool& link = *its_pool;
  const int self = os::own_pid();
  try {
    if (setup.has_initializer) {
      auto request = link.take_task();
      if (!request) return;
      parcel outcome = run_request(std::move(*request));
      leave_if_copy(self);
      if (outcome_failed(outcome)) {
        send_outcome(link, std::move(outcome));
        return;
      }
    }
    set_process_pool(its_pool);
    link.send(ready_frame, {});
    task_pace pace;
    const auto tell_pool = [&] {
      const std::uint64_t answers = lane.answers();
      link.send(look_frame, std::as_bytes(std::span(&answers, 1)));
    };
    while (const auto order = lane.next(tell_pool)) {
      parcel request;
      if (order->kind == order_kind::in_slot) {
        request.bytes.assign(order->request.begin(), order->request.end());
      } else {
        auto sent = link.take_task();
        if (!sent) return;
        request = std::move(*sent);
      }
      link.begin_task(order->depth);
      pace.begins();
      parcel outcome = run_limited(std::move(request), order->memory_limit);
      leave_if_copy(self);
      // One that has taken some time may have done anything, also to the channel, without which this is no worker.
      if (pace.ends() && !link.has_channel()) return;
      lane.tell_pace(pace.mean(), static_cast<std::uint32_t>(os::current_processor() + 1));
      if (setup.tells_memory) lane.tell_memory(os::resident_memory());
      if (outcome.fds.empty() && far_lane::fits(outcome.bytes.size())) {
        lane.answer(outcome.bytes);
        outcome.arrived();
      } else {
        send_outcome(link, std::move(outcome));
        lane.answered_in_frame();
      }
    }
  } catch (const closed_error&) {
    // The pool is gone, and with it whoever wanted the answer.
  }
}

}  // namespace kin::detail
