// SPDX-License-Identifier: BSL-1.0
// joinable_queue: a queue whose producers can wait until every item has been dealt with.
#pragma once

#include <kin/queue/queue.hpp>

namespace kin {

/// A queue that counts what is not done yet: a put adds one, task_done() takes one away. It is a queue<T> too, and
/// may be used through one; items count whichever way they were put.
///
/// A consumer that dies between get and task_done() leaves its item unfinished: use join_for where that can happen.
template <class T>
class joinable_queue : public queue<T> {
 public:
  using queue<T>::queue;

  /// Says that one item got from this queue has been dealt with; called once for each, by whoever did it. Throws
  /// std::logic_error when called more often than items were put.
  void task_done() const { this->items().task_done(); }
  /// Waits until task_done() has been called for every item put so far and meanwhile.
  void join() const { (void)this->items().join(deadline::never()); }
  /// The same, at most `timeout`; false when items are left unfinished.
  template <class Rep, class Period>
  bool join_for(std::chrono::duration<Rep, Period> timeout) const {
    return this->items().join(deadline::after(timeout));
  }
  template <class Clock, class Duration>
  bool join_until(std::chrono::time_point<Clock, Duration> when) const {
    return this->items().join(deadline::at(when));
  }

 private:
  friend struct codec<joinable_queue<T>>;
  explicit joinable_queue(reader& from) : queue<T>(from) {}
};

template <class T>
struct codec<joinable_queue<T>> {
  using has_descriptors_as = T;  // a queue of what may have some is made of sockets
  static void encode(writer& out, const joinable_queue<T>& value) { value.items().encode(out); }
  static joinable_queue<T> decode(reader& in) { return joinable_queue<T>(in); }
  static void describe(structure& s) { s.group<T>("joinable_queue<", ">"); }
};

}  // namespace kin
