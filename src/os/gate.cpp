// SPDX-License-Identifier: BSL-1.0
// gate: the counters behind fault injection.
#include "os/gate.hpp"

#include <atomic>
#include <cstring>

namespace kin::os {
namespace {
std::atomic<int> armed{0};  // calls left until the fault; 0: disarmed. One relaxed load is all an unarmed program pays.
std::atomic<int> matched{0};
std::atomic<const char*> wanted{nullptr};
std::atomic<int> injected_errno{0};
}  // namespace

void inject_fault(const char* call, int nth, int errno_value) noexcept {
  wanted = call;
  injected_errno = errno_value;
  matched = 0;
  armed = nth;
}

int calls_since_injection() noexcept { return matched; }

namespace gate {
bool fault_due(const char* call) noexcept {
  if (armed.load(std::memory_order_relaxed) == 0) return false;
  const char* name = wanted;
  if (name && std::strcmp(name, call) != 0) return false;
  ++matched;
  int left = armed;
  while (left > 0 && !armed.compare_exchange_weak(left, left == 1 ? 0 : left - 1)) {
  }
  if (left != 1) return false;
  errno = injected_errno;
  return true;
}
}  // namespace gate

}  // namespace kin::os
