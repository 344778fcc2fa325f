// SPDX-License-Identifier: BSL-1.0
// map_place: see the header.
#include <kin/pool/map_place.hpp>

#include <mutex>
#include <utility>

#include <kin/core/error.hpp>

#include "pool/buffer_views.hpp"

namespace kin::detail {
namespace {

// In the process that runs tasks. A copy of it that a task forks must not write there.
struct known_buffers {
  std::mutex mutex;
  buffer_views views{os::access::write, buffer_views::copies::have_none};
};
std::shared_ptr<const os::mapping> find(const map_place& place) {
  static auto& known = *new known_buffers;  // never destroyed: threads may end after static objects
  const std::lock_guard hold(known.mutex);
  return known.views.find(place.buffer, place.bytes, place.memory.get());
}

// True when n values of so many bytes lie at `at`, inside the buffer and aligned for any type.
bool fits(std::uint64_t at, std::uint64_t n, std::size_t each, std::uint64_t bytes) {
  return at % alignof(std::max_align_t) == 0 && at <= bytes && (each == 0 || n <= (bytes - at) / each);
}

}  // namespace

map_place place_in(const shared_buffer& buffer, std::size_t items_at, std::size_t results_at, std::size_t count) {
  return {buffer.number(), buffer.size(), items_at, results_at, count, buffer.file()};
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

}  // namespace kin::detail
