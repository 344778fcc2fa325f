// SPDX-License-Identifier: BSL-1.0
// item_queue: the locking, the sleeping and the descriptors around an item_store.
//
// The order within an operation is the one of the table in layout.hpp: prepare, ring, commit, tidy. A ring before the
// commit wakes its sleepers a little early: they queue for the lock that we hold.
#include <kin/queue/item_queue.hpp>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <utility>

#include <kin/core/error.hpp>
#include <kin/wire/codec.hpp>

#include "os/event_fd.hpp"
#include "os/fd_line.hpp"
#include "os/futex.hpp"
#include "queue/item_store.hpp"

namespace kin::detail {
namespace {

// A lock that is merely busy is no reason to miss an item that is there.
constexpr std::chrono::milliseconds patience{50};

deadline for_lock(deadline until) {
  if (until.is_never() || until.when() > deadline::clock::time_point::max() - patience) return deadline::never();
  return deadline::at(until.when() + patience);
}

void ring(bell& b) noexcept {
  if (b.sleepers == 0) return;
  b.rings.fetch_add(1, std::memory_order_relaxed);
  os::futex_wake_all(b.rings);
  b.sleepers = 0;
}

std::optional<os::fd_line> make_line(item_queue::descriptors in_items) {
  if (in_items == item_queue::descriptors::none) return std::nullopt;
  return std::optional<os::fd_line>(std::in_place);
}

std::optional<os::fd_line> receive_line(reader& from) {
  if (!from.take<bool>()) return std::nullopt;
  unique_fd in = from.fd();
  return std::optional<os::fd_line>(std::in_place, std::move(in), from.fd());
}

}  // namespace

void throw_closed_queue(const char* operation) {
  throw closed_error(std::string("kin: ") + operation + ": the queue is closed");
}

struct item_queue::inside {
  class hold;

  inside(std::uint64_t signature, std::size_t capacity, descriptors in_items)
      : store(signature, capacity, in_items == descriptors::some), line(make_line(in_items)) {}
  inside(std::uint64_t signature, reader& from)
      : store(from.fd(), signature), readable(from.fd()), line(receive_line(from)) {}

  // Gives the lock up until the bell rings, and takes it again; look again then. False at the deadline, with or without
  // the lock.
  bool sleep(hold& lock, bell& on, deadline until);
  // The descriptors of the item with this tag, which stay in the line, where they are now the first.
  std::vector<unique_fd> look_for(std::uint64_t tag);
  // Drops what belongs to no item. Best effort: what it misses is dropped when it is met.
  void drop_orphans() noexcept;

  void show_readable(const ledger& now) noexcept {
    if (store.header().polled == 0) return;
    if (now.count != 0 || now.closed != 0)
      readable.set();
    else
      readable.clear();
  }

  item_store store;
  os::event_fd readable;
  std::optional<os::fd_line> line;
};

// Holds the header's lock.
class item_queue::inside::hold {
 public:
  explicit hold(inside& of, deadline until = deadline::never()) : of_(of) { lock(until); }
  ~hold() { unlock(); }
  hold(const hold&) = delete;
  hold& operator=(const hold&) = delete;

  explicit operator bool() const noexcept { return held_; }
  void lock(deadline until) {
    const os::lock_result result = of_.store.header().lock.lock(for_lock(until));
    held_ = result != os::lock_result::timed_out;
    if (result == os::lock_result::owner_died) {
      of_.show_readable(of_.store.read());
      of_.drop_orphans();
    }
  }
  void unlock() noexcept {
    if (std::exchange(held_, false)) of_.store.header().lock.unlock();
  }

 private:
  inside& of_;
  bool held_ = false;
};

bool item_queue::inside::sleep(hold& lock, bell& on, deadline until) {
  if (until.passed()) return false;
  const std::uint32_t seen = on.rings.load(std::memory_order_relaxed);
  ++on.sleepers;
  lock.unlock();
  os::futex_wait(on.rings, seen, until);
  lock.lock(until);
  if (!lock) return false;
  if (on.rings.load(std::memory_order_relaxed) == seen && on.sleepers > 0) --on.sleepers;
  return true;
}

std::vector<unique_fd> item_queue::inside::look_for(std::uint64_t tag) {
  while (const auto first = line->first()) {
    if (*first == tag) return line->look();
    if (*first > tag) break;
    line->drop();
  }
  return {};
}

void item_queue::inside::drop_orphans() noexcept {
  if (!line) return;
  try {
    const std::uint64_t tag = store.first_tag(store.read());
    for (auto first = line->first(); first && (tag == 0 || *first < tag); first = line->first()) line->drop();
  } catch (const std::exception&) {
  }
}

item_queue::item_queue(std::uint64_t signature, std::size_t capacity, descriptors in_items)
    : inside_(std::make_unique<inside>(signature, capacity, in_items)) {}

item_queue::item_queue(std::uint64_t signature, reader& from) : inside_(std::make_unique<inside>(signature, from)) {
  if ((inside_->store.header().with_line != 0) != inside_->line.has_value())
    throw decode_error("kin: this queue has come without its sockets");
}

item_queue::~item_queue() = default;

void item_queue::encode(writer& to) const {
  to.fd(inside_->store.file());
  to.fd(inside_->readable.get());
  to.put(inside_->line.has_value());
  if (!inside_->line) return;
  to.fd(inside_->line->in());
  to.fd(inside_->line->out());
}

queue_answer item_queue::put(const parcel& item, deadline until) {
  inside& in = *inside_;
  header& shared = in.store.header();
  if (!item.fds.empty() && !in.line) throw encode_error("kin: put: this item has a descriptor, and its type has none");
  inside::hold lock(in, until);
  for (;;) {
    if (!lock) return queue_answer::timed_out;
    ledger draft = in.store.read();
    if (draft.closed != 0) return queue_answer::closed;
    if (shared.capacity != 0 && draft.count >= shared.capacity) {
      if (!in.sleep(lock, shared.space, until)) return queue_answer::timed_out;
      continue;
    }
    const std::uint64_t tag = item.fds.empty() ? 0 : ++shared.tags;
    in.store.append(draft, item.bytes, tag);
    if (tag != 0) in.line->put(tag, item.fds);
    ring(shared.items);
    if (draft.count == 1) in.show_readable(draft);
    in.store.commit(draft);
    return queue_answer::done;
  }
}

queue_answer item_queue::get(parcel& item, deadline until) {
  inside& in = *inside_;
  header& shared = in.store.header();
  inside::hold lock(in, until);
  for (;;) {
    if (!lock) return queue_answer::timed_out;
    ledger draft = in.store.read();
    if (draft.count == 0) {
      if (draft.closed != 0) return queue_answer::closed;
      if (!in.sleep(lock, shared.items, until)) return queue_answer::timed_out;
      continue;
    }
    auto [tag, bytes] = in.store.first(draft);
    item.fds.clear();
    if (tag != 0 && in.line) item.fds = in.look_for(tag);
    in.store.remove_first(draft);
    ring(shared.space);
    in.store.commit(draft);
    if (draft.count == 0) in.show_readable(draft);
    if (!item.fds.empty()) in.line->drop();  // the first: we have just looked at it
    lock.unlock();
    item.bytes = std::move(bytes);
    return queue_answer::done;
  }
}

void item_queue::task_done() {
  inside::hold lock(*inside_);
  ledger draft = inside_->store.read();
  if (draft.unfinished == 0) throw std::logic_error("kin: task_done() was called more often than items were put");
  if (--draft.unfinished == 0) ring(inside_->store.header().done);
  inside_->store.commit(draft);
}

bool item_queue::join(deadline until) {
  inside::hold lock(*inside_, until);
  while (lock && inside_->store.read().unfinished != 0)
    if (!inside_->sleep(lock, inside_->store.header().done, until)) return false;
  return static_cast<bool>(lock);
}

void item_queue::close() {
  inside::hold lock(*inside_);
  header& shared = inside_->store.header();
  ledger draft = inside_->store.read();
  draft.closed = 1;
  ring(shared.items);
  ring(shared.space);
  inside_->show_readable(draft);
  inside_->store.commit(draft);
}

bool item_queue::closed() {
  inside::hold lock(*inside_);
  return inside_->store.read().closed != 0;
}

std::size_t item_queue::size() {
  inside::hold lock(*inside_);
  return inside_->store.read().count;
}

std::size_t item_queue::capacity() const noexcept { return inside_->store.header().capacity; }

int item_queue::native_handle() {
  inside::hold lock(*inside_);
  inside_->store.header().polled = 1;
  inside_->show_readable(inside_->store.read());
  return inside_->readable.get();
}

}  // namespace kin::detail
