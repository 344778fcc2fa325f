// SPDX-License-Identifier: BSL-1.0
// ring_queue: the locks, the sleeping and the waking around an item_ring.
//
// Nobody is woken by a store alone: a put, a get or a close publishes, gives its lock up, and then looks whether
// somebody sleeps. Killed before that, its death rouses all who sleep. Whoever was woken and does not take what it was
// woken for passes the wake on.
#include "queue/ring_queue.hpp"

#include <mutex>
#include <stdexcept>

#include <kin/core/error.hpp>
#include <kin/os/duplicate.hpp>
#include <kin/wire/codec.hpp>

#include "os/event_fd.hpp"
#include "os/fork_hooks.hpp"
#include "os/process_id.hpp"
#include "queue/turn.hpp"

namespace kin::detail {
namespace {

ring_header& header_of(const object_ref& ref) { return *static_cast<ring_header*>(ref.get()); }

// One for all queues of the process: held for a moment, seldom. A forked copy finds it free.
std::mutex& flag_mutex() {
  static std::mutex* const mutex = [] {
    static std::mutex made;
    os::on_fork([] { made.lock(); }, [] { made.unlock(); }, [] { made.unlock(); });
    return &made;
  }();
  return *mutex;
}

}  // namespace

ring_queue::ring_queue(std::uint64_t signature, std::size_t capacity)
    : ref_(object_ref::make(object_kind::queue, sizeof(ring_header))), header_(header_of(ref_)), items_(ref_, header_) {
  header_.signature = signature;
  header_.capacity = capacity;
  items_.start();
  header_.more_bells.store(ring_header::bells);
}

ring_queue::ring_queue(std::uint64_t signature, reader& from)
    : ref_(object_ref::decode(from, object_kind::queue, sizeof(ring_header))),
      header_(header_of(ref_)),
      items_(ref_, header_) {
  if (header_.signature != signature) throw type_mismatch("kin: this is a queue of items of another type");
}

ring_queue::~ring_queue() {
  if (flag_taken_in_ == os::own_pid()) family::leave_flag(ref_.offset());
}

// What nearly every put and get of a stream is: with the bias, nothing in the way and nobody to wake. No more stores
// than must be: a processor holds a few dozen that wait for their lines, and only lines of those come at the same time.
// So nothing here is called that comes back.
bool ring_queue::put_at_once(std::span<const std::byte> bytes) noexcept {
  if (items_.behind_consumers()) return false;
  turn_lock::seat* const mine = header_.put_lock.sit(family::this_thread);
  if (!mine) return false;
  const bool done = header_.put_lock.is_biased_to(mine) && !is_closed() && !is_polled() && items_.has_known_room() &&
                    items_.append_here(bytes);
  turn_lock::get_up(*mine);
  if (done && is_quiet(header_.bell) && is_quiet(bell_of(ring_header::put_turn))) return true;
  return ring_after_put(done);
}

bool ring_queue::get_at_once(std::span<std::byte> into) noexcept {
  if (items_.behind_producers()) return false;
  turn_lock::seat* const mine = header_.get_lock.sit(family::this_thread);
  if (!mine) return false;
  const bool done = header_.get_lock.is_biased_to(mine) && !is_polled() && items_.take_here(into);
  turn_lock::get_up(*mine);
  if (done && is_quiet(bell_of(ring_header::space)) && is_quiet(bell_of(ring_header::get_turn))) return true;
  return ring_after_get(done);
}

bool ring_queue::ring_after_put(bool done) noexcept {
  ring_seat_left(bell_of(ring_header::put_turn));
  if (done && !mutant("item not rung")) ring(header_.bell, 1);
  return done;
}

bool ring_queue::ring_after_get(bool done) noexcept {
  ring_seat_left(bell_of(ring_header::get_turn));
  if (done && !mutant("room not rung")) ring(bell_of(ring_header::space), 1);
  return done;
}

queue_answer ring_queue::put(std::span<const std::byte> bytes, std::span<const unique_fd> fds, const deadline& until) {
  if (!fds.empty()) throw encode_error("kin: put: this item has a descriptor, and its type has none");
  items_.keep_behind_consumers();
  const claim me = family::self();
  try {
    for (;;) {
      turn mine(header_.put_lock, bell_of(ring_header::put_turn), me);
      if (!mine.take(until)) {
        ring(bell_of(ring_header::space), 1);
        return queue_answer::timed_out;
      }
      if (is_closed()) return queue_answer::closed;
      if (!items_.full()) {
        if (is_polled()) [[unlikely]]
          change_readable(me, [&] { items_.append(bytes); });
        else
          items_.append(bytes);
        mine.release();
        if (!mutant("item not rung")) ring(header_.bell, 1);
        return queue_answer::done;
      }
      mine.release();
      if (until.passed() || !wait_for(bell_of(ring_header::space), family::light_publication(), until, for_room(),
                                      [&] { return items_.has_room() || is_closed(); }))
        return queue_answer::timed_out;
    }
  } catch (...) {
    ring(bell_of(ring_header::space), 1);
    throw;
  }
}

queue_answer ring_queue::get(item_target& into, std::vector<unique_fd>& /*fds*/, const deadline& until) {
  items_.keep_behind_producers();
  const claim me = family::self();
  try {
    for (;;) {
      turn mine(header_.get_lock, bell_of(ring_header::get_turn), me);
      if (!mine.take(until)) {
        ring(header_.bell, 1);
        return queue_answer::timed_out;
      }
      const bool polled = is_polled();
      if (polled) (void)readable();  // may throw: before anything is taken
      const bool taken = items_.take(into);
      mine.release();
      if (polled && items_.empty()) [[unlikely]]
        show_readable();
      if (taken) {
        if (!mutant("room not rung")) ring(bell_of(ring_header::space), 1);
        return queue_answer::done;
      }
      // In that order: no put comes after it was closed. And whoever polls has seen an item a moment before it is
      // there: show_readable() has waited for it.
      const bool closed = is_closed();
      if (!items_.empty()) continue;
      if (closed) return queue_answer::closed;
      if (until.passed() || !wait_for(header_.bell, family::light_publication(), until, spinning::allowed,
                                      [&] { return !items_.empty() || is_closed(); }))
        return queue_answer::timed_out;
    }
  } catch (...) {
    ring(header_.bell, 1);
    throw;
  }
}

// A producer that comes back to a full queue for every single item that is taken slows down who takes them.
spinning ring_queue::for_room() const noexcept {
  constexpr std::uint64_t many = 64;
  return header_.capacity < many ? spinning::allowed : spinning::seldom;
}

void ring_queue::task_done() {
  (void)family::self();
  std::uint64_t done = header_.done.load();
  do {
    if (done >= items_.put_count())
      throw std::logic_error("kin: task_done() was called more often than items were put");
  } while (!header_.done.compare_exchange_weak(done, done + 1));
  if (done + 1 == items_.put_count() && !mutant("all done not rung"))
    ring(bell_of(ring_header::all_done), all_sleepers);
}

bool ring_queue::join(const deadline& until) {
  (void)family::self();
  const auto look = [&] { return header_.done.load() >= items_.put_count(); };
  if (look()) return true;
  return !until.passed() &&
         wait_for(bell_of(ring_header::all_done), family::light_publication(), until, spinning::allowed, look);
}

void ring_queue::close() {
  const claim me = family::self();
  turn mine(header_.put_lock, bell_of(ring_header::put_turn), me);
  mine.take(deadline::never());
  if (is_polled())
    change_readable(me, [&] { header_.closed.store(1, std::memory_order_release); });
  else
    header_.closed.store(1, std::memory_order_release);
  mine.release();
  ring_everybody();
}

void ring_queue::ring_everybody() noexcept {
  if (mutant("close not rung")) return;
  ring(header_.bell, all_sleepers);
  ring(bell_of(ring_header::space), all_sleepers);
}

std::size_t ring_queue::size() {
  if (is_polled()) show_readable();
  for (;;) {
    const std::uint64_t got = items_.got_count();
    const std::uint64_t put = items_.put_count();
    if (items_.got_count() == got) return put - got;
  }
}

int ring_queue::native_handle() {
  const claim me = family::self();
  const int fd = readable();
  if (!is_polled()) {
    // Every put and get that goes by the old word has ended when both locks have been held.
    turn producers(header_.put_lock, bell_of(ring_header::put_turn), me);
    producers.take(deadline::never());
    header_.polled.store(1);
    producers.release();
    turn consumers(header_.get_lock, bell_of(ring_header::get_turn), me);
    consumers.take(deadline::never());
    consumers.release();
  }
  show_readable();
  return fd;
}

int ring_queue::readable() {
  const std::lock_guard hold(flag_mutex());
  if (flag_taken_in_ == os::own_pid()) return flag_.get();
  unique_fd fresh = family::take_flag(ref_.offset());
  // A forked copy has its parent's descriptor, which somebody may be polling already, but is not yet a user of it.
  if (flag_)
    os::replace(flag_.get(), fresh.get());
  else
    flag_ = std::move(fresh);
  flag_taken_in_ = os::own_pid();
  return flag_.get();
}

// Readable is true from before the commit of a put on, so that no item ever waits unseen; under the flag's lock, so
// that nobody who finds the queue empty clears it in between.
template <class Change>
void ring_queue::change_readable(claim me, Change change) {
  const int flag = readable();  // may throw; nothing has happened yet
  turn mine(header_.poll_lock, bell_of(ring_header::poll_turn), me);
  mine.take(deadline::never());
  if (!mutant("readable after the commit")) os::event_fd::set(flag);
  try {
    change();
    if (mutant("readable after the commit")) os::event_fd::set(flag);
  } catch (...) {
    show(flag);
    throw;
  }
}

void ring_queue::show_readable() {
  const int flag = readable();
  turn mine(header_.poll_lock, bell_of(ring_header::poll_turn), family::self());
  mine.take(deadline::never());
  show(flag);
}

void ring_queue::show(int flag) noexcept {
  if (items_.empty() && !is_closed())
    os::event_fd::clear(flag);
  else
    os::event_fd::set(flag);
}

}  // namespace kin::detail
