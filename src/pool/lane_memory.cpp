// SPDX-License-Identifier: BSL-1.0
// lane_memory: see the header.
#include "pool/lane_memory.hpp"

#include <utility>

#include <kin/core/error.hpp>
#include <kin/os/duplicate.hpp>

#include "os/process_id.hpp"

namespace kin::detail {
namespace {

constexpr std::size_t answers_at = std::size_t{64} << 10;  // a multiple of every page size
constexpr std::size_t lane_file = 2 * answers_at, home_file = 4096;

}  // namespace

lane_mapping::lane_mapping(int file, std::size_t offset, std::size_t size, os::access how)
    : map_(file, offset, size, how), owner_(os::own_pid()) {
  map_.keep_from_copies();
}
lane_mapping& lane_mapping::operator=(lane_mapping&& other) noexcept {
  std::swap(map_, other.map_);
  std::swap(owner_, other.owner_);
  return *this;
}
lane_mapping::~lane_mapping() {
  // What is at this place in a copy is something else.
  if (owner_ != os::own_pid()) (void)std::move(map_).release();
}

home_memory::home_memory() : file_(os::above_standard(os::make_memory_file("kin-pool", home_file))) {
  os::forbid_shrinking(file_.get());
  map_ = lane_mapping(file_.get(), 0, home_file, os::access::write);
}

near_memory::made near_memory::make() {
  made result;
  result.file = os::above_standard(os::make_sparse_memory_file("kin-lane", lane_file));
  const int file = result.file.get();
  os::allocate_memory(file, 0, sizeof(lane_orders));
  os::allocate_memory(file, answers_at, sizeof(lane_answers));
  os::forbid_shrinking(file);
  result.memory.orders_ = lane_mapping(file, 0, sizeof(lane_orders), os::access::write);
  result.memory.answers_ = lane_mapping(file, answers_at, sizeof(lane_answers), os::access::write);
  return result;
}

far_memory::far_memory(unique_fd lane, unique_fd home) {
  if (!os::is_whole_memory_file(lane.get(), lane_file) || !os::is_whole_memory_file(home.get(), home_file))
    throw decode_error("kin: a worker was given memory that is not its pool's");
  orders_ = lane_mapping(lane.get(), 0, sizeof(lane_orders), os::access::read);
  answers_ = lane_mapping(lane.get(), answers_at, sizeof(lane_answers), os::access::write);
  home_ = lane_mapping(home.get(), 0, home_file, os::access::write);
}

}  // namespace kin::detail
