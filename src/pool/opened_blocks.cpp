// SPDX-License-Identifier: BSL-1.0
// opened_blocks: see the header.
#include "pool/opened_blocks.hpp"

#include <cstring>
#include <utility>

#include <kin/core/error.hpp>

#include "os/process_id.hpp"
#include "pool/block_reference.hpp"

namespace kin::detail {
namespace {
constexpr std::uint64_t largest = std::uint64_t{1} << 46;
}  // namespace

/// A message where it lies. Its end is its receiver's word that it needs it no more.
class opened_blocks::opened final : public memory_block {
 public:
  opened(std::shared_ptr<const os::mapping> where, role mine) noexcept : where_(std::move(where)), mine_(mine) {}
  ~opened() override {
    // A forked copy has not received it. release: what was read there was read before.
    if (mine_ == role::reads_and_returns && os::own_pid() == owner_)
      reinterpret_cast<block_head*>(where_->data())->returned.fetch_add(1, std::memory_order_release);
  }
  [[nodiscard]] std::span<std::byte> room() const noexcept override {
    return std::span(where_->data(), where_->size()).subspan(block_head_size);
  }

 private:
  const std::shared_ptr<const os::mapping> where_;
  const role mine_;
  const int owner_ = os::own_pid();
};

// Who returns blocks reads the outcomes of many workers: one that is forked later would keep the memory of another.
opened_blocks::opened_blocks(role mine) noexcept
    : mine_(mine),
      views_(mine == role::reads ? os::access::read : os::access::write,
             mine == role::reads ? buffer_views::copies::have_them : buffer_views::copies::have_none) {}

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
  message.block = std::make_shared<opened>(views_.find(where.number, where.whole, file.get()), mine_);
  message.fds = std::move(reference.fds);
  message.in_block = static_cast<std::size_t>(where.size);
  return message;
}

}  // namespace kin::detail
