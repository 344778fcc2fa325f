// SPDX-License-Identifier: BSL-1.0
// item_store: see the header, and the table of stores in line_layout.hpp.
#include "queue/item_store.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

#include <kin/core/error.hpp>

namespace kin::detail {
namespace {

constexpr std::size_t payload(std::size_t extent_size) { return extent_size - sizeof(extent); }
constexpr std::size_t first_growth = 32 << 10;

[[noreturn]] void damaged() {
  throw decode_error("kin: the shared memory of this queue is damaged: a process that uses it has scribbled over it");
}

// Words that another process may write at any moment, if it breaks the rules: read once each.
std::uint64_t load(const std::uint64_t& word) noexcept {
  return std::atomic_ref(const_cast<std::uint64_t&>(word)).load(std::memory_order_relaxed);
}

}  // namespace

// How many extents of which class an item takes.
struct item_store::shape {
  std::size_t which;
  std::size_t size;
  std::uint64_t count;
};

item_store::shape item_store::shape_of(std::uint64_t size) noexcept {
  const std::uint64_t with_head = size + sizeof(extent);
  if (with_head <= largest_extent) {
    const std::size_t fitting = std::max(smallest_extent, std::bit_ceil(static_cast<std::size_t>(with_head)));
    return {static_cast<std::size_t>(std::countr_zero(fitting / smallest_extent)), fitting, 1};
  }
  constexpr std::uint64_t each = payload(largest_extent);
  return {size_classes - 1, largest_extent, size / each + (size % each != 0 ? 1 : 0)};
}

item_store::item_store(std::uint64_t signature, std::size_t capacity, bool with_line)
    : file_(os::make_memory_file("kin-queue", header_size)), page_(file_.get(), header_size) {
  header_ = new (page_.data()) kin::detail::header{};
  header_->signature = signature;
  header_->capacity = capacity;
  header_->with_line = with_line ? 1 : 0;
  header_->lock.make();
  header_->ledgers[0].end = header_size;
  header_->magic = layout_magic;
}

item_store::item_store(unique_fd file, std::uint64_t signature) : file_(std::move(file)) {
  if (os::memory_file_size(file_.get()) < header_size) throw decode_error("kin: this is not the memory of a queue");
  page_ = os::mapping(file_.get(), header_size);
  header_ = reinterpret_cast<kin::detail::header*>(page_.data());
  if (load(header_->magic) != layout_magic) throw decode_error("kin: this is not the memory of a queue");
  if (load(header_->signature) != signature) throw type_mismatch("kin: this is a queue of items of another type");
}

ledger item_store::read() const noexcept {
  // Under the lock; but whoever held it before may have been killed, and the kernel's hand-over orders nothing for the
  // ledger it did not finish: acquire pairs with commit()'s release.
  const ledger& current = header_->ledgers[header_->current.load(std::memory_order_acquire) & 1];
  constexpr std::size_t words = sizeof(ledger) / sizeof(std::uint64_t);
  const auto* from = reinterpret_cast<const std::uint64_t*>(&current);
  std::array<std::uint64_t, words> copy;
  for (std::size_t i = 0; i < words; ++i) copy[i] = load(from[i]);
  return std::bit_cast<ledger>(copy);
}

void item_store::commit(const ledger& draft) noexcept {
  const std::uint32_t other = (header_->current.load(std::memory_order_relaxed) & 1) ^ 1;
  header_->ledgers[other] = draft;
  header_->current.store(other, std::memory_order_release);
}

extent& item_store::at(const ledger& draft, std::uint64_t offset, std::size_t size) {
  if (offset < header_size || offset % smallest_extent != 0 || offset >= draft.end || size > draft.end - offset)
    damaged();
  reach(draft.end);
  return *reinterpret_cast<extent*>(all_->data() + offset);
}

item_store::shape item_store::checked_shape(const ledger& draft, std::uint64_t size) const {
  if (size > draft.end) damaged();
  return shape_of(size);
}

// Maps the file up to `end`, which the ledger says has been in use.
void item_store::reach(std::uint64_t end) {
  if (all_ && end <= all_->size()) return;
  const std::size_t size = os::memory_file_size(file_.get());
  if (end > size) damaged();
  all_ = std::make_unique<os::mapping>(file_.get(), size);
}

// The same, growing the file if it is shorter: by a quarter, so that the kernel's walk over what it has is paid by use;
// where memory is too short for that, by just what is needed.
void item_store::make_room(std::uint64_t end) {
  if (all_ && end <= all_->size()) return;
  const std::size_t size = os::memory_file_size(file_.get());
  if (end > size) {
    constexpr std::size_t page = 4096;
    const std::size_t needed = (end + page - 1) / page * page;
    const std::size_t generous = (std::max(needed, size + std::max(size / 4, first_growth)) + page - 1) / page * page;
    try {
      os::grow_memory_file(file_.get(), generous);
    } catch (const os_error&) {
      if (needed == generous) throw;
      os::grow_memory_file(file_.get(), needed);
    }
  }
  reach(end);
}

// Takes the front of the free list, and what is missing from behind the end. Returns the first extent's offset; the
// others follow by `more`.
std::uint64_t item_store::allocate(ledger& draft, const shape& needed) {
  if (draft.end < header_size || draft.end % smallest_extent != 0) damaged();
  if (draft.end > header_size) reach(draft.end);
  free_list& list = draft.free[needed.which];
  const std::uint64_t reused = std::min(needed.count, list.count);
  const std::uint64_t fresh = needed.count - reused;
  if (fresh > (std::uint64_t{1} << 46) / needed.size) throw os_error("keep so large an item", "fallocate", ENOMEM);
  std::uint64_t first = reused > 0 ? list.first : draft.end;
  extent* last = nullptr;
  for (std::uint64_t i = 0; i < reused; ++i) {
    last = &at(draft, list.first, needed.size);
    list.first = load(last->more);
  }
  list.count -= reused;
  if (fresh == 0) return first;

  const std::uint64_t begin = draft.end;
  const std::uint64_t last_offset =
      last ? static_cast<std::uint64_t>(reinterpret_cast<std::byte*>(last) - all_->data()) : 0;
  make_room(begin + fresh * needed.size);  // may move the mapping
  draft.end = begin + fresh * needed.size;
  if (last_offset != 0) at(draft, last_offset, needed.size).more = begin;
  for (std::uint64_t i = 0; i + 1 < fresh; ++i)
    at(draft, begin + i * needed.size, needed.size).more = begin + (i + 1) * needed.size;
  return first;
}

void item_store::append(ledger& draft, std::span<const std::byte> bytes, std::uint64_t tag) {
  const shape form = shape_of(bytes.size());
  const std::uint64_t offset = allocate(draft, form);
  std::uint64_t place = offset;
  std::span<const std::byte> left = bytes;
  for (std::uint64_t i = 0; i < form.count; ++i) {
    extent& here = at(draft, place, form.size);
    const std::size_t n = std::min(left.size(), payload(form.size));
    if (n > 0) std::memcpy(&here + 1, left.data(), n);
    left = left.subspan(n);
    place = load(here.more);
  }
  extent& first = at(draft, offset, form.size);
  first.size = bytes.size();
  first.tag = tag;
  if (draft.count != 0) at(draft, draft.tail, smallest_extent).next = offset;
  if (draft.count == 0) draft.head = offset;
  draft.tail = offset;
  ++draft.count;
  ++draft.unfinished;
}

item_store::item item_store::first(const ledger& draft) {
  const extent& head = at(draft, draft.head, smallest_extent);
  const std::uint64_t size = load(head.size);
  const shape form = checked_shape(draft, size);
  item result{load(head.tag), {}};
  result.bytes.reserve(size);
  std::uint64_t place = draft.head;
  for (std::uint64_t i = 0; i < form.count; ++i) {
    const extent& here = at(draft, place, form.size);
    const std::size_t n = std::min<std::size_t>(size - result.bytes.size(), payload(form.size));
    const auto* from = reinterpret_cast<const std::byte*>(&here + 1);
    result.bytes.insert(result.bytes.end(), from, from + n);
    place = load(here.more);
  }
  return result;
}

void item_store::remove_first(ledger& draft) {
  const extent& head = at(draft, draft.head, smallest_extent);
  const std::uint64_t next = load(head.next);
  const shape form = checked_shape(draft, load(head.size));
  std::uint64_t last = draft.head;
  for (std::uint64_t i = 1; i < form.count; ++i) last = load(at(draft, last, form.size).more);
  free_list& list = draft.free[form.which];
  at(draft, last, form.size).more = list.first;
  list.first = draft.head;
  list.count += form.count;
  --draft.count;
  draft.head = draft.count == 0 ? 0 : next;
  if (draft.count == 0) draft.tail = 0;
}

std::uint64_t item_store::first_tag(const ledger& draft) {
  if (draft.count > draft.end / smallest_extent) damaged();
  std::uint64_t place = draft.head;
  for (std::uint64_t i = 0; i < draft.count; ++i) {
    const extent& here = at(draft, place, smallest_extent);
    if (const std::uint64_t tag = load(here.tag)) return tag;
    place = load(here.next);
  }
  return 0;
}

}  // namespace kin::detail
