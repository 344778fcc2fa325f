// SPDX-License-Identifier: BSL-1.0
// opened_blocks: see block_store.hpp.
#include <algorithm>
#include <cstring>
#include <utility>

#include <kin/core/error.hpp>

#include "os/memory_file.hpp"
#include "os/process_id.hpp"
#include "pool/block_store.hpp"

namespace kin::detail {
namespace {
// For the next messages.
constexpr std::size_t most_mapped = 4;
constexpr std::size_t most_bytes_mapped = std::size_t{512} << 20;
constexpr std::uint64_t largest = std::uint64_t{1} << 46;
}  // namespace

struct opened_blocks::view {
  view(std::uint64_t n, os::mapping m, role mine) : number(n), memory(std::move(m)) {
    // A worker that is forked later would keep the memory of another one. No copy reads outcomes.
    if (mine == role::reads_and_returns) memory.keep_from_copies();
  }
  view(const view&) = delete;
  view& operator=(const view&) = delete;
  ~view() {
    if (os::own_pid() != owner) (void)std::move(memory).release();  // something else may be there
  }
  const std::uint64_t number;
  os::mapping memory;
  const int owner = os::own_pid();
};

/// A message where it lies. Its end is its receiver's word that it needs it no more.
class opened_blocks::opened final : public memory_block {
 public:
  opened(std::shared_ptr<view> where, role mine) noexcept : where_(std::move(where)), mine_(mine) {}
  ~opened() override {
    // A forked copy has not received it. release: what was read there was read before.
    if (mine_ == role::reads_and_returns && os::own_pid() == owner_)
      reinterpret_cast<block_head*>(where_->memory.data())->returned.fetch_add(1, std::memory_order_release);
  }
  [[nodiscard]] std::span<std::byte> room() const noexcept override {
    return std::span(where_->memory.data(), where_->memory.size()).subspan(block_head_size);
  }

 private:
  const std::shared_ptr<view> where_;
  const role mine_;
  const int owner_ = os::own_pid();
};

std::shared_ptr<opened_blocks::view> opened_blocks::find(const block_reference& where, int file) {
  std::shared_ptr<view> found;
  const auto known = std::find_if(recent_.begin(), recent_.end(), [&](const auto& v) {
    return v->number == where.number && v->memory.size() == where.whole;
  });
  if (known != recent_.end()) {
    found = std::move(*known);
    recent_.erase(known);
  } else {
    const auto size = static_cast<std::size_t>(where.whole);
    if (!os::is_whole_memory_file(file, size))
      throw decode_error("kin: a large message lies in memory that is not there");
    const auto how = mine_ == role::reads ? os::access::read : os::access::write;
    found = std::make_shared<view>(where.number, os::mapping(file, 0, size, how), mine_);
  }
  recent_.push_back(found);
  std::size_t mapped = 0;
  for (const auto& v : recent_) mapped += v->memory.size();
  while (recent_.size() > most_mapped || mapped > most_bytes_mapped) {
    mapped -= recent_.front()->memory.size();
    recent_.erase(recent_.begin());
  }
  return found;
}

parcel opened_blocks::open(parcel reference) {
  block_reference where{};
  if (reference.bytes.size() != sizeof where || reference.fds.empty())
    throw decode_error("kin: damaged reference to a large message");
  std::memcpy(&where, reference.bytes.data(), sizeof where);
  const unique_fd file = std::move(reference.fds.back());
  reference.fds.pop_back();
  if (where.whole > largest || where.whole < block_head_size || where.size > where.whole - block_head_size)
    throw decode_error("kin: a large message lies outside its memory");
  parcel message;
  message.block = std::make_shared<opened>(find(where, file.get()), mine_);
  message.fds = std::move(reference.fds);
  message.in_block = static_cast<std::size_t>(where.size);
  return message;
}

}  // namespace kin::detail
