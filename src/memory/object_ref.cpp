// SPDX-License-Identifier: BSL-1.0
// object_ref: see the header. A process-wide list of the objects that have handles here: it lets two decoded handles
// share one count, and marks what a fork copies as escaped.
#include <kin/memory/object_ref.hpp>

#include <cstring>
#include <mutex>
#include <new>
#include <random>
#include <unordered_map>
#include <vector>

#include <kin/core/error.hpp>
#include <kin/wire/codec.hpp>

#include "memory/family.hpp"
#include "memory/fork_hooks.hpp"
#include "memory/object_header.hpp"
#include "os/fork_hooks.hpp"
#include "os/process_id.hpp"

namespace kin::detail {

struct object_hold {
  std::uint64_t offset;
  object_header* header;
  std::size_t size;
  std::uint64_t serial;
  int maker = -1;  // the process that may give the memory back
  bool has_spans = false;
  std::shared_ptr<void> beside;
  void (*leave)(object_header&, std::size_t) noexcept = nullptr;
  object_hold(std::uint64_t o, object_header* h, std::size_t n, std::uint64_t s)
      : offset(o), header(h), size(n), serial(s) {}
  object_hold(const object_hold&) = delete;
  object_hold& operator=(const object_hold&) = delete;
  ~object_hold();
};

namespace {

// ~object_hold takes the mutex, so nobody lets go of a hold with it. A hold is forgotten, with the mutex, before its
// memory goes back: with the mutex the headers here are those of objects.
struct registry {
  struct known {
    std::weak_ptr<object_hold> hold;
    object_header* header = nullptr;
  };
  std::mutex mutex;
  std::unordered_map<std::uint64_t, known> holds;
  std::uint64_t next_serial = 0;
  int maker = -1;  // of next_serial: a forked copy begins elsewhere
};

registry& the() {
  static registry* const r = [] {
    auto* made = new registry;
    os::on_fork(
        [] {
          the().mutex.lock();
          // The copy will have handles too.
          for (auto& [offset, one] : the().holds)
            if (one.header) one.header->escaped.store(1);
        },
        [] { the().mutex.unlock(); }, [] { the().mutex.unlock(); });
    return made;
  }();
  return *r;
}

}  // namespace

void register_memory_fork_hooks() {
  family::register_fork_hooks();
  the();
}

void leave_shared_objects() noexcept try {
  std::vector<std::shared_ptr<object_hold>> held;  // given up outside the lock, which the last one takes
  {
    registry& all = the();
    const std::lock_guard guard(all.mutex);
    held.reserve(all.holds.size());
    for (const auto& [offset, one] : all.holds)
      if (auto h = one.hold.lock(); h && h->leave) held.push_back(std::move(h));
  }
  for (const auto& h : held) h->leave(*h->header, h->size);
} catch (const std::bad_alloc&) {
  // No memory left: then its end is as good as a death.
}

object_hold::~object_hold() {
  if (leave) leave(*header, size);
  {
    registry& all = the();
    const std::lock_guard guard(all.mutex);
    const auto found = all.holds.find(offset);
    if (found != all.holds.end() && found->second.hold.expired()) all.holds.erase(found);
  }
  beside.reset();
  if (maker != os::own_pid() || header->escaped.load() != 0) return;
  if (has_spans) family::keep_span({offset, serial}, 0);
  header->kind.store(0);
  header->serial.store(0);
  std::memset(reinterpret_cast<std::byte*>(header) + sizeof(object_header), 0, size - sizeof(object_header));
  header->granules.store(0);
  family::release(offset, size);
}

object_ref::object_ref(std::shared_ptr<object_hold> hold) noexcept : header_(hold->header), hold_(std::move(hold)) {}

object_ref object_ref::make(object_kind kind, std::size_t size) {
  size = (size + granule - 1) / granule * granule;
  const family::piece piece = family::allocate(size);
  auto* header = reinterpret_cast<object_header*>(piece.data);
  std::shared_ptr<object_hold> hold;
  try {
    hold = std::make_shared<object_hold>(piece.offset, header, size, 0);
  } catch (...) {
    family::release(piece.offset, size);
    throw;
  }
  hold->maker = os::own_pid();
  registry& all = the();
  const std::lock_guard guard(all.mutex);
  // A number that no other object of the family has had, as far as 64 bits of chance can say.
  if (all.next_serial == 0 || all.maker != os::own_pid()) {
    std::random_device source;
    all.next_serial = std::uint64_t{source()} << 32 | source();
    all.maker = os::own_pid();
  }
  all.holds[piece.offset] = {hold, header};
  hold->serial = ++all.next_serial;
  header->serial.store(hold->serial);
  header->escaped.store(0);
  header->bell.word.store(0);
  header->bell.slept_on.store(0);
  header->bell.in_vain.store(0);
  header->more_bells.store(0);
  header->granules.store(static_cast<std::uint32_t>(size / granule));
  header->kind.store(static_cast<std::uint32_t>(kind), std::memory_order_release);
  return object_ref(std::move(hold));
}

void object_ref::encode(writer& to) const {
  header_->escaped.store(1);
  to(family::table->identity, hold_->offset, hold_->serial, static_cast<std::uint64_t>(hold_->size));
}

object_ref object_ref::decode(reader& from, object_kind kind, std::size_t least_size) {
  std::uint64_t identity = 0, offset = 0, serial = 0, size = 0;
  from(identity, offset, serial, size);
  (void)family::self();
  if (identity != family::table->identity)
    throw decode_error(
        "kin: a handle to shared memory of other processes: mutexes, events, values and their kin can be handed only "
        "to "
        "processes that were started, directly or not, by the same first process");
  if (size < least_size || size > std::size_t{1} << 20) throw decode_error("kin: not a handle to a shared object");
  auto* header = reinterpret_cast<object_header*>(family::at(offset, size));
  if (!header || header->kind.load(std::memory_order_acquire) != static_cast<std::uint32_t>(kind) ||
      header->serial.load() != serial || header->granules.load() != size / granule)
    throw decode_error("kin: a handle to a shared object that does not exist (any more)");
  registry& all = the();
  for (std::shared_ptr<object_hold> fresh;; fresh = std::make_shared<object_hold>(offset, header, size, serial)) {
    std::shared_ptr<object_hold> held;
    const std::lock_guard guard(all.mutex);
    if (const auto found = all.holds.find(offset); found != all.holds.end()) held = found->second.hold.lock();
    if (held && held->serial == serial) return object_ref(std::move(held));
    if (!fresh) continue;
    all.holds[offset] = {fresh, header};
    return object_ref(std::move(fresh));
  }
}

std::uint64_t object_ref::offset() const noexcept { return hold_->offset; }
std::size_t object_ref::size() const noexcept { return hold_->size; }

namespace {
object_ref::span known_here(family::mapped_span s) {
  auto memory = std::make_shared<os::mapping>(std::move(s.memory));
  return {s.number, memory->data(), memory->size(), memory};
}
}  // namespace

object_ref::span object_ref::make_span(std::size_t size, std::uint64_t kept, const std::string& name) const {
  hold_->has_spans = true;
  return known_here(family::make_span({hold_->offset, hold_->serial}, size, kept, name));
}
object_ref::span object_ref::open_named_span(const std::string& name) const {
  hold_->has_spans = true;
  return known_here(family::open_named_span({hold_->offset, hold_->serial}, name));
}
object_ref::span object_ref::open_span(std::uint64_t number) const {
  return known_here(family::open_span({hold_->offset, hold_->serial}, number));
}
void object_ref::keep_span(std::uint64_t kept) const noexcept {
  family::keep_span({hold_->offset, hold_->serial}, kept);
}

std::shared_ptr<void> object_ref::keep_beside(std::shared_ptr<void> offered) const {
  const std::lock_guard guard(the().mutex);
  if (!hold_->beside) hold_->beside = std::move(offered);
  return hold_->beside;
}

void object_ref::on_last_handle(void (*leave)(object_header&, std::size_t) noexcept) const { hold_->leave = leave; }

}  // namespace kin::detail
