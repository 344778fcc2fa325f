// SPDX-License-Identifier: BSL-1.0
// ring_memory: see the header.
#include "transport/ring_memory.hpp"

#include <kin/core/error.hpp>
#include <kin/os/duplicate.hpp>

#include "os/memory_barrier.hpp"

namespace kin::detail {
namespace {

constexpr std::uint64_t magic_heavy = 0x31676e69726e696b, magic_light = magic_heavy + (std::uint64_t{1} << 56);

struct first_page {
  alignas(ring_control::apart) std::atomic<std::uint64_t> magic;
  ring_control rings[2];
};
constexpr std::size_t page = 4096;
static_assert(sizeof(first_page) <= page);
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

ring_memory::ring_memory()
    : file_(os::above_standard(os::make_sparse_memory_file("kin-pipe", whole))), light_(is_registered()) {
  os::grow_memory_file(file_.get(), 0, page);  // the first pages of the rings: see the writers' constructors
  os::forbid_shrinking(file_.get());
  map_ = os::mapping(file_.get(), whole);
  reinterpret_cast<first_page*>(map_.data())->magic.store(light_ ? magic_light : magic_heavy);
}

void ring_memory::check(int file) {
  if (!os::is_whole_memory_file(file, whole)) throw_not_ours();
}

ring_memory::ring_memory(unique_fd& file) {
  check(file.get());
  map_ = os::mapping(file.get(), whole);
  const std::uint64_t magic = reinterpret_cast<first_page*>(map_.data())->magic.load();
  if (magic != magic_light && magic != magic_heavy) throw_not_ours();
  light_ = magic == magic_light;
  if (light_ && !is_registered())
    throw error(
        "kin: membarrier(2) is refused in this process, but not where this connection comes from; allow it in both or "
        "in neither");
  file_ = std::move(file);
}

ring_control& ring_memory::control(unsigned direction) const noexcept {
  return reinterpret_cast<first_page*>(map_.data())->rings[direction];
}

std::byte* ring_memory::data(unsigned direction) const noexcept { return map_.data() + offset_of(direction); }

bool ring_memory::allocate(unsigned direction, std::size_t offset, std::size_t size) const noexcept {
  try {
    const std::size_t from = offset_of(direction) + offset;
    os::grow_memory_file(file_.get(), from, from + size);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace kin::detail
