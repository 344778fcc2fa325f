// SPDX-License-Identifier: BSL-1.0
// pool_lock: see the header.
#include "pool/pool_lock.hpp"

#include "pool/pooled_task.hpp"

namespace kin::detail {

thread_local constinit pool_lock* pool_lock::innermost = nullptr;

void pool_lock::destroy_later(hooks&& those) noexcept {
  if (innermost != nullptr) innermost->hooks_.splice(innermost->hooks_.end(), those);
}

void pool_lock::destroy_later(std::unique_ptr<pooled_task> one) noexcept {
  if (innermost == nullptr || !one) return;
  one->after = innermost->tasks_;
  innermost->tasks_ = one.release();
}

// What is destroyed may use the pool, and leave more.
void pool_lock::destroy_remains() noexcept {
  const hooks gone = std::exchange(hooks_, {});
  for (pooled_task* next = std::exchange(tasks_, nullptr); next != nullptr;) {
    const std::unique_ptr<pooled_task> one(next);
    next = one->after;
  }
}

}  // namespace kin::detail
