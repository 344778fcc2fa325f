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
  buffer_views items{os::access::read, buffer_views::copies::have_none};
  buffer_views results{os::access::write, buffer_views::copies::have_none};
};
known_buffers& known() {
  static auto& all = *new known_buffers;  // never destroyed: threads may end after static objects
  return all;
}

// Where n values of so many bytes lie: inside the buffer, and aligned for any type.
std::shared_ptr<std::byte> find(buffer_views known_buffers::*which, const buffer_place& place, std::uint64_t n,
                                std::size_t each) {
  if (place.at % alignof(std::max_align_t) != 0 || place.at > place.bytes ||
      (each != 0 && n > (place.bytes - place.at) / each))
    throw decode_error("kin: a piece of a map lies outside its memory");
  const std::lock_guard hold(known().mutex);
  auto memory = (known().*which).find(place.buffer, place.bytes, place.memory.get());
  return {memory, memory->data() + place.at};
}

}  // namespace

buffer_place place_in(const shared_buffer& buffer, std::size_t at) {
  return {buffer.number(), buffer.size(), at, buffer.file()};
}

placed_memory::placed_memory(const map_place& place, std::size_t item_bytes, std::size_t result_bytes) {
  if (place.items.bytes == 0 && place.results.bytes == 0) throw decode_error("kin: a piece of a map lies nowhere");
  if (place.items.bytes != 0) items_memory_ = find(&known_buffers::items, place.items, place.count, item_bytes);
  if (place.results.bytes != 0)
    results_memory_ = find(&known_buffers::results, place.results, place.count, result_bytes);
}

}  // namespace kin::detail
