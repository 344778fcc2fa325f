// SPDX-License-Identifier: BSL-1.0
// lane_fuzz: whatever a worker writes into the page of its lane, and whenever, its pool understands outcomes of tasks
// that it has given it, each once and in order, or throws decode_error.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <kin/core/error.hpp>

#include "pool/task_lane.hpp"

#include "steps.hpp"

namespace {

using namespace kin::detail;

struct step {
  std::uint8_t what, small;
  std::uint16_t offset;
  std::uint32_t value;
};
static_assert(sizeof(step) == 8);

struct lane {
  std::unique_ptr<lane_orders> orders = std::make_unique<lane_orders>();
  std::unique_ptr<lane_answers> answers = std::make_unique<lane_answers>();
  near_lane near{*orders, *answers, false};
  std::size_t has = 0;  // tasks, as the pool counts them
};

void scribble(lane_answers& answers, std::uint64_t next, const step& s) {
  answer_slot& slot = answers.slots[s.offset % lane_capacity];
  switch (s.small % 5) {
    case 0:
      return answers.begun.store(next + s.value % 8 - 2);
    case 1:
      return slot.number.store(next + s.value % 64 - 32);
    case 2:
      slot.size = static_cast<std::uint16_t>(s.value % 4 == 0 ? s.value >> 16 : s.value >> 2 & 127);
      return;
    case 3:  // an answer as it should be
      answers.begun.store(next + 1);
      answers.slots[next % lane_capacity].size = s.value % 4 == 0 ? sent_in_frame : 8;
      return answers.slots[next % lane_capacity].number.store(next + 1);
    default:
      reinterpret_cast<std::uint32_t*>(&answers)[s.offset % (sizeof answers / 4)] = s.value;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  lane l;
  std::uint64_t taken = 0;
  kin_fuzz::each_step<step>(data, size, [&](const step& s) {
    try {
      switch (s.what % 6) {
        case 0:
          scribble(*l.answers, taken, s);
          break;
        case 1:
          if (l.near.full()) break;
          l.near.put(order_kind::in_slot, 1, 0, std::vector<std::byte>(s.small % 109));
          ++l.has;
          break;
        case 2: {
          near_lane::outcome got;
          const auto found = l.near.take(got);
          if (found == near_lane::found::nothing) break;
          if (l.has == 0 || (found == near_lane::found::outcome && got.size > sizeof got.bytes)) __builtin_trap();
          if (found == near_lane::found::in_frame) l.near.skip();
          --l.has;
          ++taken;
          break;
        }
        case 3: {
          const std::size_t left = l.near.recall();
          if (left > l.has) __builtin_trap();
          l.has = left;
          break;
        }
        case 4:
          if (l.near.remaining() > l.has) __builtin_trap();
          break;
        default:
          l.near.check_answers(s.value % 64);
      }
    } catch (const kin::decode_error&) {
    }
    if (l.near.size() != l.has) __builtin_trap();
  });
  return 0;
}
