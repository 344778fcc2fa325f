// SPDX-License-Identifier: BSL-1.0
// line_queue: the locking, the sleeping and the descriptors around an item_store.
//
// The order within an operation is the one of the table in line_layout.hpp: prepare, ring, commit, tidy. A ring before
// the commit wakes its sleepers a little early: they queue for the lock that we hold.
#include "queue/line_queue.hpp"

#include <chrono>
#include <stdexcept>
#include <utility>

#include <kin/core/error.hpp>
#include <kin/wire/codec.hpp>

namespace kin::detail {
namespace {

// A lock that is merely busy is no reason to miss an item that is there.
constexpr std::chrono::milliseconds line_patience{50};

deadline for_lock(const deadline& until) {
  if (until.is_never() || until.when() > deadline::clock::time_point::max() - line_patience) return deadline::never();
  return deadline::at(until.when() + line_patience);
}

void ring_all(bell& b) noexcept { ring(b, all_sleepers); }

os::fd_line receive_line(reader& from) {
  unique_fd in = from.fd();
  return {std::move(in), from.fd()};
}

}  // namespace

// Holds the header's lock.
class line_queue::hold {
 public:
  explicit hold(line_queue& of, const deadline& until = deadline::never()) : of_(of) { lock(until); }
  ~hold() { unlock(); }
  hold(const hold&) = delete;
  hold& operator=(const hold&) = delete;

  explicit operator bool() const noexcept { return held_; }
  void lock(const deadline& until) {
    const os::lock_result result = of_.store_.header().lock.lock(for_lock(until));
    held_ = result != os::lock_result::timed_out;
    if (result == os::lock_result::owner_died) {
      // It may have taken a bell without waking those who sleep there. Should we die here, the next one is told, too.
      for (bell* each : {&of_.store_.header().items, &of_.store_.header().space, &of_.store_.header().done})
        wake_all(*each);
      of_.show_readable(of_.store_.read());
      of_.drop_orphans();
    }
  }
  void unlock() noexcept {
    if (std::exchange(held_, false)) of_.store_.header().lock.unlock();
  }

 private:
  line_queue& of_;
  bool held_ = false;
};

line_queue::line_queue(std::uint64_t signature, std::size_t capacity) : store_(signature, capacity, true) {}

// In the order of the members, which is that of encode().
line_queue::line_queue(std::uint64_t signature, reader& from)
    : store_(from.fd(), signature), readable_(from.fd()), line_(receive_line(from)) {
  if (store_.header().with_line == 0) throw decode_error("kin: this queue has come without its sockets");
}

bool line_queue::wait_for_ring(hold& lock, bell& on, const deadline& until) {
  if (until.passed()) return false;
  sleep asleep(on, false, spinning::useless);
  asleep.announce();  // under the lock: nothing has changed since we looked
  lock.unlock();
  (void)asleep.until_rung(until);
  lock.lock(until);
  return static_cast<bool>(lock);
}

std::vector<unique_fd> line_queue::look_for(std::uint64_t tag) {
  while (const auto first = line_.first()) {
    if (*first == tag) return line_.look();
    if (*first > tag) break;
    line_.drop();
  }
  return {};
}

void line_queue::drop_orphans() noexcept {
  try {
    const std::uint64_t tag = store_.first_tag(store_.read());
    for (auto first = line_.first(); first && (tag == 0 || *first < tag); first = line_.first()) line_.drop();
  } catch (const std::exception&) {
  }
}

void line_queue::show_readable(const ledger& now) noexcept {
  if (store_.header().polled == 0) return;
  if (now.count != 0 || now.closed != 0)
    readable_.set();
  else
    readable_.clear();
}

void line_queue::encode(writer& to) const {
  to.fd(store_.file());
  to.fd(readable_.get());
  to.fd(line_.in());
  to.fd(line_.out());
}

queue_answer line_queue::put(std::span<const std::byte> bytes, std::span<const unique_fd> fds, const deadline& until) {
  header& shared = store_.header();
  hold lock(*this, until);
  for (;;) {
    if (!lock) return queue_answer::timed_out;
    ledger draft = store_.read();
    if (draft.closed != 0) return queue_answer::closed;
    if (shared.capacity != 0 && draft.count >= shared.capacity) {
      if (!wait_for_ring(lock, shared.space, until)) return queue_answer::timed_out;
      continue;
    }
    const std::uint64_t tag = fds.empty() ? 0 : ++shared.tags;
    store_.append(draft, bytes, tag);
    if (tag != 0) line_.put(tag, fds);
    ring_all(shared.items);
    if (draft.count == 1) show_readable(draft);
    store_.commit(draft);
    return queue_answer::done;
  }
}

queue_answer line_queue::get(item_target& into, std::vector<unique_fd>& fds, const deadline& until) {
  header& shared = store_.header();
  hold lock(*this, until);
  for (;;) {
    if (!lock) return queue_answer::timed_out;
    ledger draft = store_.read();
    if (draft.count == 0) {
      if (draft.closed != 0) return queue_answer::closed;
      if (!wait_for_ring(lock, shared.items, until)) return queue_answer::timed_out;
      continue;
    }
    auto [tag, bytes] = store_.first(draft);
    into.begin(bytes.size());
    fds.clear();
    if (tag != 0) fds = look_for(tag);
    store_.remove_first(draft);
    ring_all(shared.space);
    store_.commit(draft);
    if (draft.count == 0) show_readable(draft);
    if (!fds.empty()) line_.drop();  // the first: we have just looked at it
    lock.unlock();
    into.add(bytes.data(), bytes.size());
    return queue_answer::done;
  }
}

void line_queue::task_done() {
  hold lock(*this);
  ledger draft = store_.read();
  if (draft.unfinished == 0) throw std::logic_error("kin: task_done() was called more often than items were put");
  if (--draft.unfinished == 0) ring_all(store_.header().done);
  store_.commit(draft);
}

bool line_queue::join(const deadline& until) {
  hold lock(*this, until);
  while (lock && store_.read().unfinished != 0)
    if (!wait_for_ring(lock, store_.header().done, until)) return false;
  return static_cast<bool>(lock);
}

void line_queue::close() {
  hold lock(*this);
  header& shared = store_.header();
  ledger draft = store_.read();
  draft.closed = 1;
  ring_all(shared.items);
  ring_all(shared.space);
  show_readable(draft);
  store_.commit(draft);
}

bool line_queue::closed() {
  hold lock(*this);
  return store_.read().closed != 0;
}

std::size_t line_queue::size() {
  hold lock(*this);
  return store_.read().count;
}

std::size_t line_queue::capacity() const noexcept { return store_.header().capacity; }

int line_queue::native_handle() {
  hold lock(*this);
  store_.header().polled = 1;
  show_readable(store_.read());
  return readable_.get();
}

}  // namespace kin::detail
