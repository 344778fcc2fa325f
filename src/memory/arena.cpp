// SPDX-License-Identifier: BSL-1.0
// arena: see the header.
#include "memory/arena.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <iterator>

#include <kin/core/error.hpp>

namespace kin::detail {
namespace {

// By words: whoever has a damaged handle, or knows the chunk as it was cut before, may look for a header meanwhile.
void clear(std::byte* from, std::size_t size) noexcept {
  for (std::size_t at = 0; at < size; at += sizeof(std::uint64_t))
    // release: after the kind.
    std::atomic_ref(*reinterpret_cast<std::uint64_t*>(from + at)).store(0, std::memory_order_release);
}

void clear(object_header& header) noexcept {
  header.kind.store(0);
  clear(reinterpret_cast<std::byte*>(&header), sizeof header);
}

void clear_kinds(std::byte* chunk, std::size_t size, std::size_t stride) noexcept {
  for (std::size_t at = 0; at + stride <= size; at += stride)
    reinterpret_cast<object_header*>(chunk + at)->kind.store(0);
}

// Of what is free so much keeps its pages, for the next who needs them.
constexpr std::size_t most_kept_free = std::size_t{16} << 20;

constexpr bool is_part(span_owner owner) noexcept { return owner.serial != 0; }

}  // namespace

arena::arena(int table_file, family_table& table)
    : table_file_(table_file), table_(table), table_end_(offsetof(family_table, stride)) {
  file_ = os::make_memory_file("kin-arena", 0);
  os::forbid_shrinking(file_.get());
  windows_.reserve(windows);  // never moves: other threads use mapped windows without the lock
}

std::byte* arena::window(std::size_t number) {
  while (windows_.size() <= number)
    windows_.emplace_back(file_.get(), windows_.size() * window_size, window_size, os::access::write);
  return windows_[number].data();
}

void arena::grow(std::size_t by) {
  const std::size_t table_end = offsetof(family_table, stride) + (end_ + by) / chunk_unit * sizeof(std::uint16_t);
  if (table_end > table_end_) {
    os::grow_memory_file(table_file_, table_end_, (table_end + 4095) / 4096 * 4096);
    table_end_ = (table_end + 4095) / 4096 * 4096;
  }
  os::grow_memory_file(file_.get(), end_, end_ + by);
  end_ += by;
  table_.arena_end.store(end_);
}

std::uint64_t arena::allocate(std::size_t size, std::size_t stride, std::uint32_t member, span_owner owner) {
  size = (size + chunk_unit - 1) / chunk_unit * chunk_unit;
  if (size == 0 || size > window_size || stride < granule || stride % granule != 0 || stride > size)
    throw os_error("allocate shared memory", "chunk", EINVAL);
  const auto note = [&](std::uint64_t offset) {
    const auto made = chunks_.insert_or_assign(offset, chunk{size, stride, member, owner}).first;
    try {
      if (is_part(owner)) parts_.emplace(owner.offset, offset);
    } catch (...) {
      chunks_.erase(made);
      throw;
    }
    note_stride(offset, stride);
    return offset;
  };
  // The one that was freed last: its pages are here, and warm.
  const auto fits = std::find_if(free_chunks_.rbegin(), free_chunks_.rend(), [&](auto& c) { return c.size == size; });
  if (fits != free_chunks_.rend()) {
    if (!fits->has_memory) {
      os::allocate_memory(file_.get(), fits->offset, size);
      fits->has_memory = true;
      kept_free_ += size;
    }
    const std::uint64_t offset = note(fits->offset);
    kept_free_ -= size;
    free_chunks_.erase(std::next(fits).base());
    return offset;
  }
  // A chunk lies in one window. What is left of the last one is kept for others.
  if (const std::size_t left = (window_size - end_ % window_size) % window_size; left != 0 && left < size) {
    grow(left);
    for (std::uint64_t at = end_ - left; at < end_; at += chunk_unit) add_free(at, chunk_unit, true);
  }
  if (end_ / window_size >= windows) throw os_error("allocate shared memory: too many objects", "chunk", ENOSPC);
  window(end_ / window_size);
  const std::uint64_t offset = end_;
  grow(size);
  return note(offset);
}

std::size_t arena::take_freed(std::uint32_t member, std::size_t stride, std::span<std::uint64_t> into) noexcept {
  const auto its = freed_.find(member);
  if (its == freed_.end()) return 0;
  const auto found = its->second.find(stride);
  if (found == its->second.end()) return 0;
  std::size_t n = 0;
  for (auto& free = found->second; n < into.size() && !free.empty(); free.pop_back()) into[n++] = free.back();
  return n;
}

// Only the first unit of a chunk that has several: it holds one object.
void arena::note_stride(std::uint64_t offset, std::size_t stride) noexcept {
  table_.stride[offset / chunk_unit].store(static_cast<std::uint16_t>(stride / granule), std::memory_order_release);
}

arena::place arena::chunk_of(std::uint64_t offset) {
  auto at = chunks_.upper_bound(offset);
  if (at == chunks_.begin()) return chunks_.end();
  --at;
  const std::uint64_t inside = offset - at->first;
  const chunk& c = at->second;
  return inside % c.stride == 0 && inside + c.stride <= c.size ? at : chunks_.end();
}

object_header* arena::find(hold_word word) {
  const std::uint64_t offset = offset_in(word);
  if (chunk_of(offset) == chunks_.end()) return nullptr;
  auto* const header = reinterpret_cast<object_header*>(at(offset));
  const bool is_it =
      header->kind.load(std::memory_order_acquire) != 0 && names(word, header->serial.load(std::memory_order_acquire));
  return is_it ? header : nullptr;
}

void arena::free(span_owner object) {
  for (auto [part, last] = parts_.equal_range(object.offset); part != last;) {
    const auto c = chunks_.find(part->second);
    if (c == chunks_.end() || c->second.owner != object) {
      ++part;
      continue;
    }
    part = parts_.erase(part);
    give_back(c);
  }
  const auto c = chunk_of(object.offset);
  if (c == chunks_.end()) return;
  clear(*reinterpret_cast<object_header*>(at(object.offset)));
  if (2 * c->second.stride > c->second.size)
    give_back(c);  // it was alone there
  else if (c->second.member == 0)
    untidy_.insert(c->first);
  else
    freed_[c->second.member][c->second.stride].push_back(object.offset);
}

void arena::give_back(place which) {
  const auto [offset, c] = *which;
  note_stride(offset, 0);
  clear_kinds(at(offset), c.size, c.stride);
  const bool keeps = kept_free_ + c.size <= most_kept_free || !os::free_memory(file_.get(), offset, c.size);
  if (keeps) clear(at(offset), c.size);
  untidy_.erase(offset);
  chunks_.erase(which);
  add_free(offset, c.size, keeps);
}

void arena::add_free(std::uint64_t offset, std::size_t size, bool has_memory) {
  free_chunks_.push_back({offset, size, has_memory});
  kept_free_ += has_memory ? size : 0;
}

void arena::orphan(std::uint32_t member) {
  freed_.erase(member);
  for (auto& [offset, c] : chunks_)
    if (c.member == member) {
      c.member = 0;
      if (!is_part(c.owner)) untidy_.insert(offset);
    }
}

void arena::tidy(const std::vector<hold_word>& held) {
  for (const std::uint64_t offset : std::exchange(untidy_, {})) {
    const auto c = chunks_.find(offset);
    if (c == chunks_.end()) continue;
    bool empty =
        std::none_of(held.begin(), held.end(), [&](hold_word w) { return offset_in(w) - offset < c->second.size; });
    const auto seen = [&](object_header&, std::size_t) { empty = false; };
    each_in(offset, c->second, seen);
    if (empty) give_back(c);
  }
}

}  // namespace kin::detail
