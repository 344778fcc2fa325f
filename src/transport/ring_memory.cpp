// SPDX-License-Identifier: BSL-1.0
// ring_memory: see the header.
#include "transport/ring_memory.hpp"

#include <cerrno>
#include <utility>

#include <kin/core/error.hpp>
#include <kin/os/duplicate.hpp>

#include "memory/page.hpp"
#include "os/event_fd.hpp"
#include "os/memory_barrier.hpp"

namespace kin::detail {
namespace {

constexpr std::uint64_t magic_heavy = 0x31676e69726e696b, magic_light = magic_heavy + (std::uint64_t{1} << 56);

struct first_page {
  alignas(ring_control::apart) std::atomic<std::uint64_t> magic;
  std::atomic<std::uint64_t> behind;  // bytes of blocks so far
  ring_control rings[2];
  block_table blocks[2];
};
static_assert(sizeof(first_page) <= page);
constexpr std::uint64_t most_in_file = std::uint64_t{1} << 46;
constexpr std::size_t whole = page + 2 * ring_data_size;

constexpr std::size_t offset_of(unsigned direction) { return page + direction * ring_data_size; }

[[noreturn]] void throw_not_ours() {
  throw decode_error("kin: a connection came with memory that is not a connection's");
}

// Processes forked later are registered with this one.
bool is_registered() noexcept {
  static const bool yes = os::register_for_heavy_barrier() && os::heavy_barrier();
  return yes;
}

}  // namespace

ring_memory::ring_memory(unsigned directions) : light_(is_registered()) {
  made_of_.file = os::above_standard(os::make_sparse_memory_file("kin-pipe", whole));
  for (unsigned i = 0; i < directions; ++i) made_of_.events[i] = os::event_fd().release();
  os::grow_memory_file(file(), 0, page);  // the first pages of the rings: see the writers' constructors
  os::forbid_shrinking(file());
  map_ = os::mapping(file(), whole);
  reinterpret_cast<first_page*>(map_.data())->magic.store(light_ ? magic_light : magic_heavy);
}

void ring_memory::check(const descriptors& passed) {
  if (!os::is_whole_memory_file(passed.file.get(), whole)) throw_not_ours();
  for (const unique_fd& event : passed.events)
    if (event && !os::event_fd::is_one(event.get())) throw_not_ours();
}

ring_memory::ring_memory(descriptors& passed) {
  check(passed);
  map_ = os::mapping(passed.file.get(), whole);
  const std::uint64_t magic = reinterpret_cast<first_page*>(map_.data())->magic.load();
  if (magic != magic_light && magic != magic_heavy) throw_not_ours();
  light_ = magic == magic_light;
  if (light_ && !is_registered())
    throw error(
        "kin: membarrier(2) is refused in this process, but not where this connection comes from; allow it in both or "
        "in neither");
  made_of_ = std::move(passed);
}

ring_control& ring_memory::control(unsigned direction) const noexcept {
  return reinterpret_cast<first_page*>(map_.data())->rings[direction];
}

block_table& ring_memory::blocks(unsigned direction) const noexcept {
  return reinterpret_cast<first_page*>(map_.data())->blocks[direction];
}

std::byte* ring_memory::data(unsigned direction) const noexcept { return map_.data() + offset_of(direction); }

bool ring_memory::allocate(unsigned direction, std::size_t offset, std::size_t size) const noexcept {
  try {
    const std::size_t from = offset_of(direction) + offset;
    os::grow_memory_file(file(), from, from + size);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

// Two writers, one of each direction, may come at the same time; what one that is killed had taken is not used.
std::uint64_t ring_memory::allocate_behind(std::size_t size) const {
  const std::uint64_t at = whole + reinterpret_cast<first_page*>(map_.data())->behind.fetch_add(size);
  if (at % page != 0 || at < whole || at + size > most_in_file)
    throw os_error("allocate shared memory", "fallocate", EFBIG);
  os::grow_memory_file(file(), static_cast<std::size_t>(at), static_cast<std::size_t>(at + size));
  return at;
}

bool ring_memory::is_behind(std::uint64_t offset, std::uint64_t size) const {
  return offset >= whole && offset <= most_in_file && size <= most_in_file &&
         offset + size <= os::memory_file_size(file());
}

void ring_memory::free(std::uint64_t offset, std::uint64_t size) const noexcept {
  if (offset >= whole && offset <= most_in_file && size <= most_in_file)
    (void)os::free_memory(file(), static_cast<std::size_t>(offset), static_cast<std::size_t>(size));
}

}  // namespace kin::detail
