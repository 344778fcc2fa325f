// SPDX-License-Identifier: BSL-1.0
// shared_buffer: see the header.
#include <kin/pool/shared_buffer.hpp>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <list>
#include <mutex>
#include <utility>

#include <kin/core/error.hpp>
#include <kin/os/duplicate.hpp>

#include "os/memory_file.hpp"
#include "os/process_id.hpp"

namespace kin::detail {
namespace {

// Kept for the next map, in the caller and mapped in its workers; larger ones are given back at once.
constexpr std::size_t most_kept = std::size_t{256} << 20;
constexpr std::size_t most_mapped = 4;
constexpr std::size_t smallest = std::size_t{64} << 10;

std::atomic<std::uint64_t> buffers_made{0};

struct mapped {
  std::uint64_t number;
  std::shared_ptr<os::mapping> memory;
};
// In the process that runs tasks. A copy of it that a task forks has none of the memory, and must not write there.
struct known_buffers {
  std::mutex mutex;
  int owner = os::own_pid();
  std::list<mapped> recent;  // the last used one first
};

known_buffers& known() {
  static auto& instance = *new known_buffers;
  if (instance.owner != os::own_pid()) {
    // A forked worker: its parent's mappings are not here, so nothing of them is unmapped; one thread runs.
    auto* const left = new std::list<mapped>;
    left->swap(instance.recent);
    instance.owner = os::own_pid();
  }
  return instance;
}

std::shared_ptr<os::mapping> find(const map_place& place) {
  known_buffers& all = known();
  const std::lock_guard hold(all.mutex);
  for (auto it = all.recent.begin(); it != all.recent.end(); ++it)
    if (it->number == place.buffer && it->memory->size() == place.bytes) {
      all.recent.splice(all.recent.begin(), all.recent, it);
      return all.recent.front().memory;
    }
  if (os::memory_file_size(place.memory.get()) < place.bytes)
    throw decode_error("kin: a piece of a map lies in memory that is not there");
  auto memory = std::make_shared<os::mapping>(place.memory.get(), static_cast<std::size_t>(place.bytes));
  memory->keep_from_copies();
  all.recent.push_front({place.buffer, memory});
  if (all.recent.size() > most_mapped) all.recent.pop_back();
  return memory;
}

// True when n values of so many bytes lie at `at`, inside the buffer and aligned for any type.
bool fits(std::uint64_t at, std::uint64_t n, std::size_t each, std::uint64_t bytes) {
  return at % alignof(std::max_align_t) == 0 && at <= bytes && (each == 0 || n <= (bytes - at) / each);
}

}  // namespace

struct shared_buffer::parts {
  std::uint64_t number = 0;
  unique_fd file;
  os::mapping memory;
};

shared_buffer::shared_buffer(std::size_t bytes) : parts_(std::make_unique<parts>()) {
  parts_->number = ++buffers_made;
  parts_->file = os::make_memory_file("kin-buffer", bytes);
  os::forbid_shrinking(parts_->file.get());
  parts_->memory = os::mapping(parts_->file.get(), bytes);
}
shared_buffer::~shared_buffer() = default;
std::byte* shared_buffer::data() const noexcept { return parts_->memory.data(); }
std::size_t shared_buffer::size() const noexcept { return parts_->memory.size(); }
std::uint64_t shared_buffer::number() const noexcept { return parts_->number; }
unique_fd shared_buffer::file() const { return os::duplicate(parts_->file.get()); }
void shared_buffer::drop_memory() noexcept { (void)os::free_memory(parts_->file.get(), 0, size()); }

map_place shared_buffer::place(std::size_t items_at, std::size_t results_at, std::size_t count) const {
  return {number(), size(), items_at, results_at, count, file()};
}

placed_memory::placed_memory(const map_place& place, std::size_t item_bytes, std::size_t result_bytes) {
  if (place.bytes == 0 || !fits(place.items_at, place.count, item_bytes, place.bytes) ||
      !fits(place.results_at, place.count, result_bytes, place.bytes))
    throw decode_error("kin: a piece of a map lies outside its memory");
  auto memory = find(place);
  items_ = memory->data() + place.items_at;
  results_ = memory->data() + place.results_at;
  keeps_ = std::move(memory);
}

struct shared_buffers::state {
  std::mutex mutex;
  std::vector<std::shared_ptr<shared_buffer>> free;
  std::size_t kept = 0;  // bytes
};

shared_buffers::shared_buffers() : state_(std::make_unique<state>()) {}
shared_buffers::~shared_buffers() = default;

std::shared_ptr<shared_buffer> shared_buffers::take(std::size_t bytes) {
  {
    const std::lock_guard hold(state_->mutex);
    for (auto it = state_->free.begin(); it != state_->free.end(); ++it)
      if ((*it)->size() >= bytes) {
        auto found = std::move(*it);
        state_->free.erase(it);
        state_->kept -= found->size();
        return found;
      }
  }
  try {
    // What will not be kept is not made larger than it must be: all of it is allocated.
    return std::make_shared<shared_buffer>(bytes > most_kept ? bytes : std::bit_ceil(std::max(bytes, smallest)));
  } catch (const os_error&) {
    return nullptr;
  }
}

void shared_buffers::give_back(std::shared_ptr<shared_buffer> buffer) {
  const std::lock_guard hold(state_->mutex);
  if (state_->kept + buffer->size() > most_kept) return;
  state_->kept += buffer->size();
  state_->free.push_back(std::move(buffer));
}

}  // namespace kin::detail
