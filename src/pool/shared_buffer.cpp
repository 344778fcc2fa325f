// SPDX-License-Identifier: BSL-1.0
// shared_buffer: see the header.
#include <kin/pool/shared_buffer.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

#include <kin/core/error.hpp>
#include <kin/os/duplicate.hpp>

#include "os/memory_file.hpp"

namespace kin::detail {
namespace {

// Kept for the next map, in the caller and mapped in its workers; larger ones are given back at once.
constexpr std::size_t most_bytes_of_maps_kept = std::size_t{256} << 20;
constexpr std::size_t smallest_buffer = std::size_t{64} << 10;

std::atomic<std::uint64_t> buffers_made{0};

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
    return std::make_shared<shared_buffer>(os::size_to_reuse(std::max(bytes, smallest_buffer)));
  } catch (const os_error&) {
    return nullptr;
  }
}

void shared_buffers::give_back(std::shared_ptr<shared_buffer> buffer) {
  const std::lock_guard hold(state_->mutex);
  if (state_->kept + buffer->size() > most_bytes_of_maps_kept) return;
  state_->kept += buffer->size();
  state_->free.push_back(std::move(buffer));
}

}  // namespace kin::detail
