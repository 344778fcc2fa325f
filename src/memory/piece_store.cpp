// SPDX-License-Identifier: BSL-1.0
// piece_store: see the header.
#include "memory/piece_store.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include "memory/object_header.hpp"

namespace kin::detail {

std::uint64_t piece_store::allocate(std::size_t size, source& root) {
  auto& free = free_[size / granule];
  const std::size_t chunk = size > arena::chunk_unit / 4 ? size : arena::chunk_unit;  // a large one lies alone
  rest& left = chunks_[size / granule];
  // What was used before goes before what never was.
  if (free.empty()) {
    std::array<std::uint64_t, family_answer::most_pieces> pieces;
    (void)take_back(size, {pieces.data(), root.take_freed(size, pieces)}, root);
  }
  if (free.empty() && left.end - left.next < size)
    if (const auto made = new_chunk(chunk, size, root)) left = {*made, *made + chunk};
  if (free.empty()) {
    left.next += size;
    return left.next - size;
  }
  const std::uint64_t offset = free.back();
  free.pop_back();
  return offset;
}

void piece_store::release(std::uint64_t offset, std::size_t size) noexcept try {
  free_[(size + granule - 1) / granule].push_back(offset);
} catch (const std::bad_alloc&) {
  // Lost to this process; the root takes it back when the process ends.
}

void piece_store::leave_to_root(std::uint64_t offset) noexcept try {
  left_to_root_.insert(offset);
} catch (const std::bad_alloc&) {
  // As above.
}

void piece_store::forget() noexcept {
  free_.clear();
  chunks_.clear();
  left_to_root_.clear();
}

// Not what this process still uses, whoever made the root believe otherwise.
bool piece_store::take_back(std::size_t stride, std::span<const std::uint64_t> pieces, source& root) {
  bool any = false;
  for (const std::uint64_t offset : pieces) {
    if (left_to_root_.erase(offset) == 0) continue;
    std::memset(root.at(offset) + sizeof(object_header), 0, stride - sizeof(object_header));
    free_[stride / granule].push_back(offset);
    any = true;
  }
  return any;
}

// None: instead of it, some pieces have come back.
std::optional<std::uint64_t> piece_store::new_chunk(std::size_t size, std::size_t stride, source& root) {
  for (;;) {
    const family_answer answer = root.chunk(size, stride);
    if (answer.pieces == 0) {
      given_away(answer.offset);  // to this process, by another way than back
      return answer.offset;
    }
    const std::size_t n = std::min<std::size_t>(answer.pieces, family_answer::most_pieces);
    if (take_back(stride, {answer.piece, n}, root)) return std::nullopt;
  }
}

}  // namespace kin::detail
