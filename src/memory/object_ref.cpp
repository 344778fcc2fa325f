// SPDX-License-Identifier: BSL-1.0
// object_ref: see the header. A process-wide registry of the objects that have handles here: two decoded handles share
// one hold, which is one entry in this process's list (memory/hold_list.hpp). The order in which lists and headers are
// written is what docs/decisions/0012 argues about.
#include <kin/memory/object_ref.hpp>

#include <array>
#include <atomic>
#include <cstring>
#include <mutex>
#include <new>
#include <random>
#include <unordered_map>
#include <utility>
#include <vector>

#include <kin/core/error.hpp>
#include <kin/wire/codec.hpp>

#include "memory/cpu.hpp"
#include "memory/family.hpp"
#include "memory/fork_hooks.hpp"
#include "memory/hold_list.hpp"
#include "memory/object_header.hpp"
#include "memory/passage.hpp"
#include "os/fork_hooks.hpp"
#include "os/process_id.hpp"

namespace kin::detail {

struct object_hold {
  const std::uint64_t offset;
  object_header* const header;
  const std::size_t size;
  std::uint64_t serial;
  int maker = -1;                   // the process that the memory comes back to
  std::atomic<bool> shared{false};  // handed on, or with parts that are the root's to free
  std::atomic<bool> large{false};
  std::shared_ptr<void> beside;
  void (*leave)(object_header&, std::size_t) noexcept = nullptr;

  // With the registry's lock.
  hold_list::slot slot = nullptr;
  int lister = -1;       // the process whose slot it is
  bool counted = false;  // among the holders in the header
  bool forked = false;   // counted as a message under way instead, and in no list yet

  object_hold(std::uint64_t o, object_header* h, std::size_t n, std::uint64_t s)
      : offset(o), header(h), size(n), serial(s) {}
  object_hold(const object_hold&) = delete;
  object_hold& operator=(const object_hold&) = delete;
  ~object_hold();
  void note_parts() noexcept {
    shared.store(true);
    large.store(true);
  }
};

namespace {

// ~object_hold takes the mutex, so nobody lets go of a hold with it. A hold is forgotten, with the mutex, before its
// memory goes back: with the mutex the holds here are whole, also those whose last handle has just gone.
struct registry {
  struct known {
    std::weak_ptr<object_hold> hold;
    object_hold* raw = nullptr;
  };
  std::mutex mutex;
  std::unordered_map<std::uint64_t, known> holds;
  hold_list list;
  std::vector<hold_list::slot> untold;  // given up; the root is told of several at once
  std::atomic<bool> has_forked{false};
  std::uint64_t next_serial = 0;
  int maker = -1;  // of next_serial: a forked copy begins elsewhere

  void enter(object_hold& hold) {
    hold.slot = list.add(hold_word_for(hold.offset, hold.serial));
    hold.lister = os::own_pid();
  }
  void tell(std::unique_lock<std::mutex>& guard, bool at_once) noexcept;
};

constexpr std::size_t worth_telling = 16;
// A handle's size, on the wire: bytes | delivery << 32 | whether the object has parts.
constexpr int how_shift = 32;
constexpr std::uint64_t is_large = std::uint64_t{1} << 62;

// The copy will have handles too. Nothing here may fail, or let go of a hold.
void count_for_copy(registry& all) noexcept {
  for (auto& [offset, one] : all.holds) {
    one.raw->shared.store(true);
    passage::begin(one.raw->header->passage);
  }
}
void take_over_in_copy(registry& all) noexcept {
  all.list.forget();
  all.untold.clear();
  for (auto at = all.holds.begin(); at != all.holds.end();) {
    object_hold& hold = *at->second.raw;
    if (at->second.hold.expired()) {
      // A thread that is not in this copy was letting go of it.
      passage::end(hold.header->passage, 0);
      at = all.holds.erase(at);
      continue;
    }
    hold.slot = nullptr;
    hold.counted = false;
    hold.forked = true;
    all.has_forked.store(true);
    ++at;
  }
}

registry& the() {
  static registry* const r = [] {
    auto* made = new registry;
    os::on_fork(
        [] {
          the().mutex.lock();
          count_for_copy(the());
        },
        [] { the().mutex.unlock(); },
        [] {
          take_over_in_copy(the());
          the().mutex.unlock();
        });
    return made;
  }();
  return *r;
}

void registry::tell(std::unique_lock<std::mutex>& guard, bool at_once) noexcept {
  while (at_once ? !untold.empty() : untold.size() >= worth_telling) {
    std::array<hold_list::slot, family::most_told> slots;
    std::array<hold_word, family::most_told> words;
    std::size_t n = 0;
    while (n < slots.size() && !untold.empty()) {
      slots[n] = untold.back();
      untold.pop_back();
      words[n] = slots[n]->load(std::memory_order_relaxed) & ~given_up;
      ++n;
    }
    guard.unlock();
    const bool told = family::tell_given_up({words.data(), n}, at_once);
    guard.lock();
    if (told) {
      for (std::size_t i = 0; i < n; ++i) list.remove(slots[i]);
      continue;
    }
    try {
      untold.insert(untold.end(), slots.begin(), slots.begin() + static_cast<std::ptrdiff_t>(n));
    } catch (const std::bad_alloc&) {
      // The root finds them when this process ends.
    }
    return;  // its socket is full; with the next ones, or at this process's end
  }
}

void erase(object_header& header, std::size_t size) noexcept {
  header.kind.store(0);
  header.serial.store(0);
  header.passage.store(0);
  header.more_bells.store(0);
  header.granules.store(0);
  std::memset(reinterpret_cast<std::byte*>(&header) + sizeof header, 0, size - sizeof header);
}

// No other process has ever had it, or will: all that a killed maker leaves is found from its list.
void take_back(object_hold& hold, std::unique_lock<std::mutex>& guard) noexcept {
  guard.unlock();
  erase(*hold.header, hold.size);
  guard.lock();
  if (hold.slot != nullptr) the().list.remove(hold.slot);
  guard.unlock();
  family::release(hold.offset, hold.size);
}

// In a copy that has not joined the family.
void let_go_uncounted(object_hold& hold, std::unique_lock<std::mutex>& guard) noexcept {
  if (!passage::seems_unused(passage::end(hold.header->passage, 0))) return;
  guard.unlock();
  const hold_word word = hold_word_for(hold.offset, hold.serial);
  (void)family::tell_given_up({&word, 1}, true);
}

void let_go(object_hold& hold, std::unique_lock<std::mutex>& guard) noexcept {
  registry& all = the();
  if (!hold.counted) {  // a handle to nothing
    all.list.remove(hold.slot);
    return;
  }
  if (hold.maker == os::own_pid()) family::leave_to_root(hold.offset);
  hold_list::give_up(hold.slot);
  if (!passage::seems_unused(hold.header->passage.fetch_sub(passage::holder) - passage::holder)) {
    all.list.remove(hold.slot);  // whoever else has it, or gets it, will say so
    return;
  }
  try {
    all.untold.push_back(hold.slot);
  } catch (const std::bad_alloc&) {
    return;  // the root finds it when this process ends
  }
  all.tell(guard, hold.large.load() || hold.size > family_table::unit_size / 4);
}

// An object's handle in a message, until that has been sent or dropped.
class sent_handle final : public passenger {
 public:
  explicit sent_handle(const object_ref& object) : object_(object) {}
  sent_handle(const sent_handle&) = delete;
  sent_handle& operator=(const sent_handle&) = delete;
  ~sent_handle() override {
    if (under_way_) passage::end(object_.get()->passage, 0);
  }
  /// False: it cannot be counted.
  bool leave() noexcept { return under_way_ = passage::begin(object_.get()->passage); }
  void arrive() noexcept override { under_way_ = false; }

 private:
  const object_ref object_;
  bool under_way_ = false;
};

}  // namespace

void register_memory_fork_hooks() {
  family::register_fork_hooks();
  the();
}

void hold_what_was_forked() noexcept {
  registry& all = the();
  if (!all.has_forked.load(std::memory_order_relaxed)) return;
  try {
    (void)family::self();  // may come back here
    const std::lock_guard guard(all.mutex);
    if (!all.has_forked.load(std::memory_order_relaxed)) return;
    for (auto& [offset, one] : all.holds) {
      object_hold& hold = *one.raw;
      if (!hold.forked || one.hold.expired()) continue;
      all.enter(hold);
      hold.forked = false;
      hold.counted = true;
      passage::end(hold.header->passage, passage::holder);
    }
    all.has_forked.store(false, std::memory_order_relaxed);
  } catch (const std::exception&) {
    // No memory: they stay counted.
  }
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
  registry& all = the();
  std::unique_lock guard(all.mutex);
  const auto found = all.holds.find(offset);
  if (found != all.holds.end() && found->second.raw == this) all.holds.erase(found);
  if (beside) {
    guard.unlock();
    beside.reset();  // mappings, before this process stops to count
    guard.lock();
  }
  if (maker == os::own_pid() && !shared.load())
    take_back(*this, guard);
  else if (forked)
    let_go_uncounted(*this, guard);
  else if (slot != nullptr && lister == os::own_pid())
    let_go(*this, guard);
}

object_ref::object_ref(std::shared_ptr<object_hold> hold) noexcept : header_(hold->header), hold_(std::move(hold)) {}

object_ref object_ref::make(object_kind kind, std::size_t size) {
  size = (size + granule - 1) / granule * granule;
  const family::piece piece = family::allocate(size);
  auto* header = reinterpret_cast<object_header*>(piece.data);
  std::shared_ptr<object_hold> hold;
  try {
    hold = std::make_shared<object_hold>(piece.offset, header, size, 0);
    registry& all = the();
    const std::lock_guard guard(all.mutex);
    // A number that no other object of the family has had, as far as 64 bits of chance can say.
    if (all.next_serial == 0 || all.maker != os::own_pid()) {
      std::random_device source;
      all.next_serial = std::uint64_t{source()} << 32 | source();
      all.maker = os::own_pid();
    }
    do hold->serial = ++all.next_serial;
    while ((hold->serial & told_apart) == 0);
    all.enter(*hold);
    all.holds.insert_or_assign(piece.offset, registry::known{hold, hold.get()});
    hold->counted = true;
    hold->maker = os::own_pid();
    header->serial.store(hold->serial);
    header->passage.store(passage::holder);
    header->bell.word.store(0);
    header->bell.slept_on.store(0);
    header->bell.in_vain.store(0);
    header->more_bells.store(0);
    header->granules.store(static_cast<std::uint16_t>(size / granule));
    header->kind.store(static_cast<std::uint32_t>(kind), std::memory_order_release);
  } catch (...) {
    family::release(piece.offset, size);
    throw;
  }
  return object_ref(std::move(hold));
}

void object_ref::encode(writer& to) const {
  delivery how = to.handles();
  hold_->shared.store(true);
  if (how == delivery::kept) {
    header_->passage.fetch_or(passage::kept);
  } else {
    auto sent = std::make_unique<sent_handle>(*this);
    if (how == delivery::once && !sent->leave()) how = delivery::kept;
    to.carry(std::move(sent));
  }
  to(family::table->identity, hold_->offset, hold_->serial,
     std::uint64_t{hold_->size} | static_cast<std::uint64_t>(how) << how_shift | (hold_->large.load() ? is_large : 0));
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
  const bool large = (size & is_large) != 0;
  const std::uint64_t how_sent = (size & ~is_large) >> how_shift;
  size &= (std::uint64_t{1} << how_shift) - 1;
  if (size < least_size || size > std::size_t{1} << 20 || how_sent > static_cast<std::uint64_t>(delivery::lent))
    throw decode_error("kin: not a handle to a shared object");
  const auto how = static_cast<delivery>(how_sent);
  auto* header = reinterpret_cast<object_header*>(family::at(offset, size));
  const auto exists = [&] {
    return header && header->kind.load(std::memory_order_acquire) == static_cast<std::uint32_t>(kind) &&
           header->serial.load() == serial && header->granules.load() == size / granule;
  };
  const auto check = [&] {
    if (!exists()) throw decode_error("kin: a handle to a shared object that does not exist (any more)");
  };
  check();
  registry& all = the();
  for (std::shared_ptr<object_hold> fresh;; fresh = std::make_shared<object_hold>(offset, header, size, serial)) {
    std::shared_ptr<object_hold> held;
    const std::lock_guard guard(all.mutex);
    const auto found = all.holds.find(offset);
    if (found != all.holds.end()) held = found->second.hold.lock();
    if (held && held->serial == serial) {
      if (how == delivery::once) passage::end(header->passage, 0);
      return object_ref(std::move(held));
    }
    if (!fresh) continue;
    registry::known& known = all.holds[offset];
    if (known.raw == nullptr) known = {fresh, fresh.get()};
    all.enter(*fresh);
    // Pairs with the root's between the end of an object and its last look at the lists.
    cpu::full_fence();
    check();
    known = {fresh, fresh.get()};
    fresh->shared.store(true);
    fresh->large.store(large);
    fresh->counted = true;
    if (how == delivery::once)
      passage::end(header->passage, passage::holder);
    else
      header->passage.fetch_add(passage::holder + passage::transfer);
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
  hold_->note_parts();
  return known_here(family::make_span({hold_->offset, hold_->serial}, size, kept, name));
}
object_ref::span object_ref::open_named_span(const std::string& name) const {
  hold_->note_parts();
  return known_here(family::open_named_span({hold_->offset, hold_->serial}, name));
}
object_ref::span object_ref::open_span(std::uint64_t number) const {
  hold_->note_parts();
  return known_here(family::open_span({hold_->offset, hold_->serial}, number));
}
void object_ref::keep_span(std::uint64_t kept) const noexcept {
  family::keep_span({hold_->offset, hold_->serial}, kept);
}

object_ref::part object_ref::make_part(std::size_t size) const {
  hold_->note_parts();
  const family::piece made = family::allocate_part({hold_->offset, hold_->serial}, size);
  return {made.offset, made.data};
}

std::shared_ptr<void> object_ref::keep_beside(std::shared_ptr<void> offered) const {
  const std::lock_guard guard(the().mutex);
  if (!hold_->beside) hold_->beside = std::move(offered);
  return hold_->beside;
}

void object_ref::on_last_handle(void (*leave)(object_header&, std::size_t) noexcept) const { hold_->leave = leave; }

}  // namespace kin::detail
