// SPDX-License-Identifier: BSL-1.0
// object_hold: see the header.
#include "memory/object_hold.hpp"

#include <array>
#include <cstring>
#include <new>
#include <random>
#include <utility>

#include <kin/core/error.hpp>

#include "memory/family.hpp"
#include "memory/fork_hooks.hpp"
#include "memory/passage.hpp"
#include "os/fork_hooks.hpp"
#include "os/process_id.hpp"

namespace kin::detail {
namespace {

constexpr std::size_t worth_telling = 16;

// The copy will have handles too. Nothing here may fail, or let go of a hold.
void count_for_copy(object_registry& all) noexcept {
  for (auto& [offset, one] : all.holds) {
    one.raw->shared.store(true);
    passage::begin(one.raw->header->passage);
  }
}
void take_over_in_copy(object_registry& all) noexcept {
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
  if (hold.slot != nullptr) the_registry().list.remove(hold.slot);
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
  object_registry& all = the_registry();
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

}  // namespace

object_registry& the_registry() {
  static object_registry* const r = [] {
    auto* made = new object_registry;
    os::on_fork(
        [] {
          the_registry().mutex.lock();
          count_for_copy(the_registry());
        },
        [] { the_registry().mutex.unlock(); },
        [] {
          take_over_in_copy(the_registry());
          the_registry().mutex.unlock();
        });
    return made;
  }();
  return *r;
}

void object_registry::enter(object_hold& hold) {
  hold.slot = list.add(hold_word_for(hold.offset, hold.serial));
  hold.lister = os::own_pid();
}

std::uint64_t object_registry::new_serial() {
  if (next_serial == 0 || maker != os::own_pid()) {
    std::random_device source;
    next_serial = std::uint64_t{source()} << 32 | source();
    maker = os::own_pid();
  }
  do ++next_serial;
  while ((next_serial & told_apart) == 0);
  return next_serial;
}

void object_registry::tell(std::unique_lock<std::mutex>& guard, bool at_once) noexcept {
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

void register_memory_fork_hooks() {
  family::register_fork_hooks();
  the_registry();
}

void hold_what_was_forked() noexcept {
  object_registry& all = the_registry();
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
    object_registry& all = the_registry();
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
  object_registry& all = the_registry();
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

}  // namespace kin::detail
