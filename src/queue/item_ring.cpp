// SPDX-License-Identifier: BSL-1.0
// item_ring: from one segment to the next. See the header, and the table of stores in ring_layout.hpp.
#include "queue/item_ring.hpp"

#include <algorithm>
#include <bit>

#include <kin/core/error.hpp>

namespace kin::detail {
namespace {

// An item up to this size lies in one piece, and so does the beginning of a larger one.
constexpr std::uint64_t least_piece = 2048;

}  // namespace

void throw_damaged_queue() {
  throw decode_error("kin: the shared memory of this queue is damaged: a process that uses it has scribbled over it");
}

void item_ring::start() {
  const std::uint64_t first = new_segment(0, 0);
  for (tail_ledger& l : header_.tails) {
    l.segment.store(first);
    l.offset.store(segment_begin);
    l.oldest.store(first);
  }
  for (head_ledger& l : header_.heads) {
    l.segment.store(first);
    l.offset.store(segment_begin);
  }
}

void item_ring::map(view& v, std::uint64_t place) {
  const std::uint64_t size = family::size_at(place);
  std::byte* base = size >= smallest_segment ? family::at(place, size) : nullptr;
  if (!base) throw_damaged_queue();
  if (reinterpret_cast<const segment*>(base)->kind.load(std::memory_order_acquire) !=
      static_cast<std::uint32_t>(object_kind::queue_segment))
    throw_damaged_queue();
  v = {place, base, size};
}

std::uint64_t item_ring::new_segment(std::uint64_t left, std::uint64_t next) {
  // As large as needed, and a quarter of what there is, so that a queue that grows does not ask for ever.
  const std::uint64_t total = header_.total.load(std::memory_order_relaxed);
  const std::uint64_t wanted = std::max(std::min(left + segment_begin, largest_segment), total / 4);
  const std::uint64_t size = std::bit_ceil(std::clamp(wanted, smallest_segment, largest_segment));
  const object_ref::part found = queue_.make_part(size);
  auto* made = reinterpret_cast<segment*>(found.data);
  made->next.store(next, std::memory_order_relaxed);
  made->granules.store(static_cast<std::uint16_t>(size / granule));
  made->kind.store(static_cast<std::uint32_t>(object_kind::queue_segment), std::memory_order_release);
  header_.total.store(total + size, std::memory_order_relaxed);
  return found.offset;
}

// Where the consumers are; they may be further. Never a segment that is still to be read from again: what the other
// ledger says counts only while `head` says so.
std::uint64_t item_ring::head_segment() const noexcept {
  for (;;) {
    const std::uint64_t word = header_.head.load(std::memory_order_acquire);
    const std::uint64_t place = header_.heads[word & 1].segment.load(std::memory_order_acquire);
    if (header_.head.load(std::memory_order_acquire) == word) return place;
  }
}

// The draft goes on in the next segment: a drained one, or else a new one that is first made part of the chain, so that
// it is not lost should this process die before the commit. `left`: bytes still to be placed.
void item_ring::next_to_write(std::uint64_t& word, tail_draft& draft, std::uint64_t left) {
  const std::uint64_t busy = head_segment();
  if (draft.oldest == busy && !mutant("segments reused before they are drained")) {
    const std::uint64_t fresh = new_segment(left, busy);
    const tail_ledger& now = header_.tails[word & 1];
    if (draft.segment == now.segment.load(std::memory_order_relaxed)) {
      // There is no drained one at all: it is the oldest.
      const tail_draft longer{draft.segment, now.offset.load(std::memory_order_relaxed), fresh};
      commit(word, longer, word >> 1);
      word ^= 1;
    } else {
      // The draft has used up all drained ones, and stands in the last of them.
      write_.next().store(fresh, std::memory_order_release);
    }
    draft.oldest = fresh;
  }
  view used;
  map(used, draft.oldest);
  const std::uint64_t following = used.next().load(std::memory_order_acquire);
  write_.next().store(draft.oldest, std::memory_order_release);
  draft = {draft.oldest, segment_begin, following};
  write_ = used;
}

void item_ring::append_elsewhere(std::span<const std::byte> bytes) {
  const std::uint64_t word = header_.tail.load(std::memory_order_acquire);
  const tail_ledger& now = header_.tails[word & 1];
  look_at(write_, now.segment.load(std::memory_order_relaxed));
  if (!append_here(bytes)) append_across(bytes, word);
}

bool item_ring::take(item_target& into) {
  const std::uint64_t word = header_.head.load(std::memory_order_acquire);
  if (header_.seen_tail.load(std::memory_order_acquire) == word >> 1) {
    const std::uint64_t seen = put_count();
    header_.seen_tail.store(seen, std::memory_order_release);
    items_found_.note(seen - (word >> 1));
    if (seen == word >> 1) return false;
  }
  const head_ledger& now = header_.heads[word & 1];
  const head_draft draft{now.segment.load(std::memory_order_relaxed), now.offset.load(std::memory_order_relaxed)};
  look_at(read_, draft.segment);
  if (!read_.has(draft.offset)) throw_damaged_queue();
  if (mutant("taken before it is copied")) header_.head.store(((word >> 1) + 1) << 1 | (word & 1));
  commit(word, take_across(into, draft));
  return true;
}

void item_ring::append_across(std::span<const std::byte> bytes, std::uint64_t word) {
  const tail_ledger& now = header_.tails[word & 1];
  tail_draft draft{now.segment.load(std::memory_order_relaxed), now.offset.load(std::memory_order_relaxed),
                   now.oldest.load(std::memory_order_relaxed)};
  // What is read here counts, and not what was there a moment ago.
  if (write_.place != draft.segment || !write_.has(draft.offset)) throw_damaged_queue();
  const std::uint64_t size = bytes.size();
  if (write_.size - draft.offset < sizeof(std::uint64_t) + std::min(size, least_piece)) {
    if (write_.size != draft.offset) write_.set_word(draft.offset, jump);
    next_to_write(word, draft, size + sizeof(std::uint64_t));
  }
  write_.set_word(draft.offset, size);
  draft.offset += sizeof(std::uint64_t);
  std::span<const std::byte> left = bytes;
  for (;;) {
    const std::size_t n = std::min<std::size_t>(left.size(), write_.size - draft.offset);
    if (n != 0) std::memcpy(write_.base + draft.offset, left.data(), n);
    draft.offset += padded(n);
    left = left.subspan(n);
    if (left.empty()) break;
    next_to_write(word, draft, left.size());
  }
  commit(word, draft, (word >> 1) + 1);
}

item_ring::head_draft item_ring::take_across(item_target& into, head_draft draft) {
  const auto go_on = [&] {
    const std::uint64_t next = read_.next().load(std::memory_order_acquire);
    look_at(read_, next);
    draft = {next, segment_begin};
  };
  if (draft.offset == read_.size || read_.word(draft.offset) == jump) go_on();
  std::uint64_t left = read_.word(draft.offset);
  if (left > family::table->arena_end.load(std::memory_order_relaxed)) throw_damaged_queue();
  draft.offset += sizeof(std::uint64_t);
  into.begin(left);
  for (;;) {
    const std::uint64_t n = std::min(left, read_.size - draft.offset);
    const std::byte* from = read_.base + draft.offset;
    into.add(from, n);
    draft.offset += padded(n);
    left -= n;
    if (left == 0) return draft;
    go_on();
  }
}

}  // namespace kin::detail
