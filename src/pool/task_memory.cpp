// SPDX-License-Identifier: BSL-1.0
// task_memory: see the header. Blocks come in sizes of a step each; what is larger is the heap's.
#include <kin/pool/task_memory.hpp>

#include <array>
#include <mutex>
#include <new>
#include <utility>

namespace kin::detail {
namespace {

constexpr std::size_t step = 64, sizes = 8;
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

 private:
  std::mutex mutex_;
  block* batches_ = nullptr;
};
depot& depot_of(std::size_t size) noexcept {
  alignas(std::array<depot, sizes>) static std::byte room[sizeof(std::array<depot, sizes>)];
  static auto& all = *new (room) std::array<depot, sizes>;  // never destroyed: threads may end after static objects
  return all[size];
}

struct hand {
  block *some = nullptr, *batch = nullptr;
  std::size_t count = 0;  // of `some`, or more
};
// Nothing to destroy, so that it is good until the thread's last instruction.
thread_local constinit std::array<hand, sizes> hands{};

struct at_thread_end {
  ~at_thread_end() {
    for (std::size_t s = 0; s < sizes; ++s)
      for (block* each : {std::exchange(hands[s].some, nullptr), std::exchange(hands[s].batch, nullptr)})
        if (each != nullptr) (void)depot_of(s).put(each);
  }
};

// Memory for a batch, all at once.
block* make_batch(std::size_t size) {
  const std::size_t each = (size + 1) * step;
  auto* const bytes = static_cast<std::byte*>(::operator new(each* a_batch, std::align_val_t(step)));
  block* first = nullptr;
  for (std::size_t i = a_batch; i-- > 0;) first = new (bytes + i * each) block{first, nullptr};
  return first;
}

// Out of line: what is rare.
[[gnu::noinline]] void fill(hand& mine, std::size_t size) {
  thread_local const at_thread_end registered;
  (void)registered;
  if (mine.batch != nullptr)
    mine.some = std::exchange(mine.batch, nullptr);
  else if (block* const batch = depot_of(size).take())
    mine.some = batch;
  else
    mine.some = make_batch(size);
  mine.count = a_batch;
}
[[gnu::noinline]] void make_room(hand& mine, std::size_t size) noexcept {
  if (mine.batch != nullptr && !depot_of(size).put(mine.batch)) return;  // somebody is at it: the next time
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

void* take_task_memory(std::size_t bytes) {
  if (!is_small(bytes)) return ::operator new(bytes);
  const std::size_t size = (bytes - 1) / step;
  hand& mine = hands[size];
  if (mine.some == nullptr) [[unlikely]]
    fill(mine, size);
  if (mine.count > 0) --mine.count;
  block* const taken = mine.some;
  mine.some = taken->next;
  __builtin_prefetch(mine.some);  // for the next one, which reads it
  return taken;
}

void give_back_task_memory(void* memory, std::size_t bytes) noexcept {
  if (!is_small(bytes)) {
    ::operator delete(memory);
    return;
  }
  const std::size_t size = (bytes - 1) / step;
  hand& mine = hands[size];
  if (mine.count >= a_batch) [[unlikely]]
    make_room(mine, size);
  mine.some = new (memory) block{mine.some, nullptr};
  ++mine.count;
}

}  // namespace kin::detail
