// SPDX-License-Identifier: BSL-1.0
// worker: see the header.
#include "pool/worker.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <new>
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
#include "pool/block_reference.hpp"
#include "pool/block_store.hpp"
#include "pool/lane_memory.hpp"
#include "pool/task_context.hpp"
#include "pool/worker_pool.hpp"
#include "process/bootstrap.hpp"
#include "process/processor_sharers.hpp"

namespace kin::detail {
namespace {

void send_outcome(worker_pool& link, parcel outcome) {
  try {
    if (const auto reference = block_store::refer_or_leave(outcome)) {
      link.send(outcome_in_block_frame, reference->bytes, reference->fds);
      block_store::hand_over(outcome);
    } else {
      link.send(outcome_frame, outcome.bytes, outcome.fds);
    }
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
  /// Reads the clock only if that has not just been done, at the end of the last one.
  std::uint64_t begins(bool after_a_pause) noexcept {
    if (after_a_pause) began_ = cpu::ticks();
    return began_;
  }
  /// True when it has taken more than a few microseconds.
  bool ends() noexcept {
    const std::uint64_t now = cpu::ticks(), took = now - began_;
    began_ = now;
    mean_ = (3 * mean_ + std::min<std::uint64_t>(took, 0xffffffff)) / 4;
    return took > cpu::a_moment() / 16;
  }
  [[nodiscard]] std::uint32_t mean() const noexcept { return static_cast<std::uint32_t>(mean_) + 1; }

 private:
  std::uint64_t began_ = cpu::ticks(), mean_ = 0;
};

/// What the heads in a lane name, found once.
class known_calls {
 public:
  explicit known_calls(const far_lane& lane) : lane_(lane) {}
  /// Throws decode_error.
  const call_target& operator[](unsigned number) {
    call_target& known = all_.at(number);
    if (known.descriptor == nullptr) known = find_call(lane_.head(number));
    return known;
  }

 private:
  const far_lane& lane_;
  std::array<call_target, most_heads> all_{};
};

// Decodes the arguments where they lie.
void run_order(known_calls& calls, const far_lane::order& order, writer& out) {
  try {
    if (order.head > 0) {
      incoming_call call(calls[order.head - 1], order.request);
      run_to_outcome(call, out);
    } else {
      incoming_call call(parcel{{order.request.begin(), order.request.end()}, {}});
      run_to_outcome(call, out);
    }
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const error&) {  // there is no such call
    out.clear();
    encode_exception_outcome(std::current_exception(), out);
  }
}

void run_frame(worker_pool& link, worker_pool::frame sent, std::uint64_t answers, writer& out) {
  parcel request;
  try {
    request = link.open(std::move(sent));
    if (!request.fds.empty()) link.send(received_frame, std::as_bytes(std::span(&answers, 1)));
  } catch (const os_error&) {
    return encode_exception_outcome(std::current_exception(), out);
  }
  run_request(std::move(request), out);
}

template <class Run>
void run_limited(std::uint64_t limit, Run run) {
  if (limit == 0) return run();
  const os::memory_limit while_it_runs(limit);
  run();
}

}  // namespace

void pool_worker_main(worker_setup setup) {
  if (setup.sharers != 0) set_processor_sharers(setup.sharers);
  const far_memory memory(std::move(setup.lane), std::move(setup.home));
  if (setup.light && !os::has_heavy_barrier())
    throw error(
        "kin: membarrier(2) is refused in this worker, but not in its pool's process; allow it in both or in neither");
  // More of them than processors, with the caller's thread: then all but one sleep at once when they have nothing to
  // do.
  const bool crowded = setup.pool_size >= static_cast<std::size_t>(os::processors_online());
  far_lane lane(memory.orders(), memory.answers(), memory.home(), setup.light,
                crowded ? static_cast<std::uint32_t>(os::own_pid()) : 0);
  const auto its_pool = std::make_shared<worker_pool>(link_to_parent(), setup.pool_size);
  its_pool->home()->owner = its_pool;
  worker_pool& link = *its_pool;
  const int self = os::own_pid();
  try {
    if (setup.has_initializer) {
      auto request = link.take_task();
      if (!request) return;
      parcel outcome = run_request(link.open(std::move(*request)));
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
    known_calls calls(lane);
    // Memory that is shared would count as this worker's own.
    const auto blocks = setup.tells_memory ? nullptr : std::make_shared<block_store>();
    while (const auto order = lane.next(tell_pool)) {
      link.begin_task(order->depth, lane.answers());
      writer outcome(delivery::once, blocks.get());
      if (order->kind == order_kind::in_slot) {
        lane.tell_began(pace.begins(lane.has_waited()));
        run_limited(order->memory_limit, [&] { run_order(calls, *order, outcome); });
      } else {
        auto sent = link.take_task();
        if (!sent) return;
        lane.tell_began(pace.begins(true));
        run_limited(order->memory_limit, [&] { run_frame(link, std::move(*sent), lane.answers(), outcome); });
      }
      leave_if_copy(self);
      // One that has taken some time may have done anything, also to the channel, without which this is no worker.
      if (pace.ends() && !link.has_channel()) return;
      lane.tell_pace(pace.mean(), static_cast<std::uint32_t>(os::current_processor() + 1));
      if (setup.tells_memory) lane.tell_memory(os::resident_memory());
      if (!outcome.has_descriptors() && far_lane::fits(outcome.written())) {
        lane.answer(outcome.view());
        outcome.arrived();
      } else {
        send_outcome(link, outcome.take());
        lane.answered_in_frame();
        pace.begins(true);
      }
      if (lane.is_to_tell()) tell_pool();
    }
    link.hear_the_rest();
  } catch (const closed_error&) {
    // The pool is gone, and with it whoever wanted the answer.
  } catch (const os_error&) {
    if (link.has_channel()) throw;  // else a task has closed it, and the pool sees the end of this worker
  }
}

}  // namespace kin::detail
