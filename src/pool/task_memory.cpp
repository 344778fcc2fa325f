// SPDX-License-Identifier: BSL-1.0
// task_memory: see the header. Blocks come in sizes of a step each; what is larger is the heap's.
#include <kin/pool/task_memory.hpp>

#include <array>
#include <atomic>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

#include "os/huge_pages.hpp"

namespace kin::detail {
namespace {

constexpr std::size_t step = 64, sizes = 8, uses = 2, kinds = sizes * uses;
// About so many go between a thread and the depot at once. A thread has at most twice as many.
constexpr std::size_t a_batch = 64;

struct block {
  block* next;
  block* next_batch;  // of the first of a batch in the depot
};

// Its lock is only ever tried: a forked copy may have got it locked, and can do without.
class depot {
 public:
  bool put(block* batch) noexcept {
    const std::unique_lock hold(mutex_, std::try_to_lock);
    if (!hold) return false;
    batch->next_batch = std::exchange(batches_, batch);
    return true;
  }
  block* take() noexcept {
    const std::unique_lock hold(mutex_, std::try_to_lock);
    if (!hold || batches_ == nullptr) return nullptr;
    return std::exchange(batches_, batches_->next_batch);
  }
  /// Whether so many bytes more are taken for those of a program that has many at a time.
  bool counts_as_many(std::size_t bytes) noexcept { return made_.fetch_add(bytes, std::memory_order_relaxed) >= many; }

 private:
  static constexpr std::size_t many = std::size_t{1} << 20;
  std::mutex mutex_;
  block* batches_ = nullptr;
  std::atomic<std::size_t> made_{0};
};
depot& depot_of(std::size_t kind) noexcept {
  alignas(std::array<depot, kinds>) static std::byte room[sizeof(std::array<depot, kinds>)];
  static auto& all = *new (room) std::array<depot, kinds>;  // never destroyed: threads may end after static objects
  return all[kind];
}

struct hand {
  block *some = nullptr, *batch = nullptr;
  std::size_t count = 0;  // of `some`, or more
};
using both_hands = std::array<hand, kinds>;

// A pointer alone: what a thread has of its own is scarce in a program that loads several plugins with kin in them.
struct own_hands {
  both_hands* of = nullptr;
  bool ended = false;  // what the thread still does goes by the depot
};
// Nothing to destroy, so that it is good until the thread's last instruction.
thread_local constinit own_hands own;

struct at_thread_end {
  ~at_thread_end() {
    own.ended = true;
    both_hands* const all = std::exchange(own.of, nullptr);
    for (std::size_t k = 0; k < kinds; ++k)
      for (block* each : {(*all)[k].some, (*all)[k].batch})
        if (each != nullptr) put_for_sure(k, each);
    delete all;
  }
  // Who has the depot has it for some instructions; but for a copy, in which nobody has it, for ever.
  static void put_for_sure(std::size_t kind, block* batch) noexcept {
    for (int tries = 0; tries < 100 && !depot_of(kind).put(batch); ++tries) std::this_thread::yield();
  }
};

// Null: the thread is about to end, or there is no memory.
[[gnu::noinline]] both_hands* make_hands() noexcept {
  if (own.ended) return nullptr;
  own.of = new (std::nothrow) both_hands{};
  if (own.of == nullptr) return nullptr;
  thread_local const at_thread_end registered;
  (void)registered;
  return own.of;
}
both_hands* the_hands() noexcept { return own.of != nullptr ? own.of : make_hands(); }

constexpr std::size_t size_kind(task_block use, std::size_t bytes) {
  return static_cast<std::size_t>(use) * sizes + (bytes - 1) / step;
}

block* divide(std::byte* bytes, std::size_t each) noexcept {
  block* first = nullptr;
  for (std::size_t i = a_batch; i-- > 0;) first = new (bytes + i * each) block{first, nullptr};
  return first;
}

// Memory for a batch, all at once. Where there are many already, for as many batches as a huge page has room for: a
// page fault for each 4 KiB is most of what a program's first million tasks take.
block* make_batch(std::size_t kind) {
  constexpr std::size_t huge_page = std::size_t{2} << 20;
  const std::size_t each = (kind % sizes + 1) * step, a_batch_of_it = each * a_batch;
  if (depot_of(kind).counts_as_many(a_batch_of_it)) {
    if (void* const page = ::operator new(huge_page, std::align_val_t(huge_page), std::nothrow)) {
      os::advise_huge_pages(page, huge_page);
      auto* const bytes = static_cast<std::byte*>(page);
      for (std::size_t at = huge_page / a_batch_of_it; --at > 0;) {
        block* const more = divide(bytes + at * a_batch_of_it, each);
        if (!depot_of(kind).put(more)) break;  // somebody is at it; a forked copy, for ever
      }
      return divide(bytes, each);
    }
  }
  return divide(static_cast<std::byte*>(::operator new(a_batch_of_it, std::align_val_t(step))), each);
}

// Out of line: what is rare.
[[gnu::noinline]] void fill(hand& mine, std::size_t kind) {
  if (mine.batch != nullptr)
    mine.some = std::exchange(mine.batch, nullptr);
  else if (block* const batch = depot_of(kind).take())
    mine.some = batch;
  else
    mine.some = make_batch(kind);
  mine.count = a_batch;
}
[[gnu::noinline]] void* take_without_hands(std::size_t kind) {
  block* some = depot_of(kind).take();
  if (some == nullptr) some = make_batch(kind);
  if (some->next != nullptr) at_thread_end::put_for_sure(kind, some->next);
  return some;
}
[[gnu::noinline]] void make_room(hand& mine, std::size_t kind) noexcept {
  if (mine.batch != nullptr && !depot_of(kind).put(mine.batch)) return;  // somebody is at it: the next time
  mine.batch = std::exchange(mine.some, nullptr);
  mine.count = 0;
}

#if defined(__SANITIZE_ADDRESS__)
constexpr bool recycled = false;  // AddressSanitizer is to see what is used after its end
#else
constexpr bool recycled = true;
#endif
constexpr bool is_small(std::size_t bytes) { return recycled && bytes <= step * sizes; }

}  // namespace

void* take_task_memory(task_block use, std::size_t bytes) {
  if (!is_small(bytes)) return ::operator new(bytes);
  const std::size_t kind = size_kind(use, bytes);
  both_hands* const mine_all = the_hands();
  if (mine_all == nullptr) [[unlikely]]
    return take_without_hands(kind);
  hand& mine = (*mine_all)[kind];
  if (mine.some == nullptr) [[unlikely]]
    fill(mine, kind);
  if (mine.count > 0) --mine.count;
  block* const taken = mine.some;
  mine.some = taken->next;
  __builtin_prefetch(mine.some);  // for the next one, which reads it
  return taken;
}

void give_back_task_memory(task_block use, void* memory, std::size_t bytes) noexcept {
  if (!is_small(bytes)) {
    ::operator delete(memory);
    return;
  }
  const std::size_t kind = size_kind(use, bytes);
  both_hands* const mine_all = the_hands();
  if (mine_all == nullptr) [[unlikely]] {
    at_thread_end::put_for_sure(kind, new (memory) block{nullptr, nullptr});
    return;
  }
  hand& mine = (*mine_all)[kind];
  if (mine.count >= a_batch) [[unlikely]]
    make_room(mine, kind);
  mine.some = new (memory) block{mine.some, nullptr};
  ++mine.count;
}

}  // namespace kin::detail
