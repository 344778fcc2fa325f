// SPDX-License-Identifier: BSL-1.0
// queue_void: a queue of nothing, for signals; that is a counting_semaphore.
// expect: a queue is of plain values
#include <kin/queue.hpp>

void call() {
  const kin::queue<void> signals;
  (void)signals.size();
}
