// SPDX-License-Identifier: BSL-1.0
// ring_blocks: see the header.
#include "transport/ring_blocks.hpp"

#include <algorithm>
#include <optional>

#include <kin/core/error.hpp>
#include "memory/page.hpp"

namespace kin::detail {
namespace {
constexpr std::uint64_t most_bytes = std::uint64_t{1} << 42;
constexpr std::uint64_t most_in_blocks = std::uint64_t{64} << 20;
constexpr std::size_t smallest_block = std::size_t{16} << 10;
}  // namespace

void block_claim::hand_over() noexcept {
  of_->hand_over(number_);
  of_.reset();
}
void block_claim::give_back() noexcept { of_->give_back(number_); }

ring_blocks::ring_blocks(std::shared_ptr<const ring_memory> memory, unsigned direction, role mine) noexcept
    : memory_(std::move(memory)), table_(memory_->blocks(direction)), role_(mine) {}

void ring_blocks::hand_over(unsigned number) noexcept { blocks_[number].busy.store(false, std::memory_order_release); }

void ring_blocks::give_back(unsigned number) noexcept {
  // release: whoever uses the block next does so after us; pairs with look_who_is_back().
  if (role_ == role::receiver)
    table_.returned[number].store(table_.returned[number].load(std::memory_order_relaxed) + 1,
                                  std::memory_order_release);
  else
    table_.taken[number].store(table_.taken[number].load(std::memory_order_relaxed) - 1, std::memory_order_release);
  blocks_[number].busy.store(false, std::memory_order_release);
}

bool ring_blocks::is_free(unsigned number) const noexcept {
  return !blocks_[number].busy.load(std::memory_order_acquire) &&
         table_.taken[number].load(std::memory_order_acquire) == blocks_[number].known_returned;
}

void ring_blocks::look_who_is_back() noexcept {
  for (unsigned i = 0; i < block_table::blocks; ++i)
    blocks_[i].known_returned = table_.returned[i].load(std::memory_order_acquire);
}

block_claim ring_blocks::lend(std::size_t size) {
  std::optional<unsigned> chosen;
  // What was free at the last look is used up first: a look takes the reader's line away from it.
  for (int look = 0; look < 2 && !chosen; ++look) {
    if (look == 1) look_who_is_back();
    for (unsigned i = 0; i < block_table::blocks && !chosen; ++i)
      if (is_free(i) && table_.size[i].load(std::memory_order_relaxed) >= size) chosen = i;
  }
  if (!chosen) {
    for (unsigned i = 0; i < block_table::blocks; ++i)
      if (is_free(i) && (!chosen || table_.size[i].load(std::memory_order_relaxed) <
                                        table_.size[*chosen].load(std::memory_order_relaxed)))
        chosen = i;
    if (!chosen || !provide(*chosen, size)) return {};
  }
  std::span<std::byte> bytes;
  try {
    bytes = map(*chosen, size);
  } catch (const os_error&) {
    return {};
  }
  table_.taken[*chosen].store(table_.taken[*chosen].load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  blocks_[*chosen].busy.store(true, std::memory_order_relaxed);
  return {shared_from_this(), *chosen, bytes};
}

// The old place, if there was one, is not used again: its pages go back, its addresses in the file cost nothing.
bool ring_blocks::provide(unsigned number, std::size_t size) {
  if (size > most_bytes) return false;
  size = std::max(os::size_to_reuse(size), smallest_block);
  // Two of any size, so that one is built while the other is read; of large ones no more, however far the reader is
  // behind.
  std::uint64_t others = 0, bytes = 0;
  for (unsigned i = 0; i < block_table::blocks; ++i) {
    const std::uint64_t had = i == number ? 0 : table_.size[i].load(std::memory_order_relaxed);
    others += had != 0 ? 1 : 0;
    bytes += std::min(had, most_bytes);
  }
  if (others >= 2 && bytes + size > most_in_blocks) return false;
  try {
    const std::uint64_t offset = memory_->allocate_behind(size);
    if (const std::uint64_t had = table_.size[number].load(std::memory_order_relaxed); had != 0)
      memory_->free(table_.offset[number].load(std::memory_order_relaxed), had);
    table_.size[number].store(0, std::memory_order_relaxed);
    table_.offset[number].store(offset, std::memory_order_relaxed);
    table_.size[number].store(size, std::memory_order_relaxed);
    return true;
  } catch (const os_error&) {
    return false;  // the message goes through the ring
  }
}

// Of the places in the table this process has made some itself; the rest may be lies.
std::span<std::byte> ring_blocks::map(unsigned number, std::size_t size) {
  const std::uint64_t offset = table_.offset[number].load(std::memory_order_relaxed);
  const std::uint64_t whole = table_.size[number].load(std::memory_order_relaxed);
  block& mine = blocks_[number];
  if (mine.offset != offset || mine.map.size() != whole) {
    if (whole == 0 || whole > most_bytes || offset % page != 0 || !memory_->is_behind(offset, whole))
      throw_damaged_ring();
    mine.map = os::mapping(memory_->file(), offset, static_cast<std::size_t>(whole),
                           role_ == role::sender ? os::access::write : os::access::read);
    mine.offset = offset;
  }
  if (size > mine.map.size()) throw_damaged_ring();
  return {mine.map.data(), size};
}

block_claim ring_blocks::show(std::uint64_t number, std::uint64_t size) {
  if (number >= block_table::blocks || size > most_bytes || blocks_[number].busy.load(std::memory_order_acquire))
    throw_damaged_ring();
  const auto n = static_cast<unsigned>(number);
  const std::span<std::byte> bytes = map(n, static_cast<std::size_t>(size));
  blocks_[n].busy.store(true, std::memory_order_relaxed);
  return {shared_from_this(), n, bytes};
}

}  // namespace kin::detail
