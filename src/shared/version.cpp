// SPDX-License-Identifier: BSL-1.0
// version: see the header. A block's word is its offset / 8 << 32 | its length; before it lies how long it may become.
// Each value has two blocks sooner or later: the one that counts, and a spare that the next value is written to.
#include "shared/version.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>

#include <kin/core/error.hpp>

namespace kin::detail {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;
// A survivor sees every store that a dead writer has made, in their order: what compiler and processor must not do is
// to make the one that counts before those that prepare it.
constexpr auto commit = std::memory_order_release;

constexpr std::uint64_t block_word(std::size_t offset, std::size_t n) noexcept {
  return std::uint64_t{offset / 8} << 32 | n;
}
constexpr std::size_t slots_for(container_form form, std::size_t entries) noexcept {
  return form.is_dict ? std::bit_ceil(2 * entries) : 0;
}

}  // namespace

void throw_damaged_container() { throw decode_error("kin: the memory of this shared list or dict has been damaged"); }

// As wyhash does it: a multiplication of 64 by 64 bits a 16 bytes.
std::uint64_t hash_of(std::span<const std::byte> bytes) noexcept {
  constexpr std::uint64_t first = 0xa0761d6478bd642f, second = 0xe7037ed1a0b428db, third = 0x8ebc6af09c88c6e3;
  const auto load = [](const std::byte* from, std::size_t n) {
    std::uint64_t w = 0;
    std::memcpy(&w, from, n);
    return w;
  };
  std::uint64_t state = first ^ bytes.size();
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left > 16; at += 16, left -= 16) state = mixed(load(at, 8) ^ second, load(at + 8, 8) ^ state);
  const std::uint64_t a = left >= 8 ? load(at, 8) : load(at, left);
  const std::uint64_t b = left > 8 ? load(at + left - 8, 8) : 0;
  return mixed(third ^ bytes.size(), mixed(a ^ second, b ^ state));
}

std::size_t version::size_for(container_form form, std::size_t entries, std::size_t heap_bytes) noexcept {
  return head_size(form) + slots_for(form, entries) * sizeof(word) + entries * form.words * sizeof(word) + heap_bytes;
}

version::version(std::byte* base, std::size_t size, container_form form) : base_(base), size_(size), form_(form) {
  if (size < head_size(form)) throw_damaged_container();
  entries_ = head().entries.load(relaxed);
  slots_ = head().slots.load(relaxed);
  if (entries_ == 0 || entries_ > size / (form.words * sizeof(word)) || slots_ != slots_for(form, entries_))
    throw_damaged_container();
  index_at_ = head_size(form);
  entries_at_ = index_at_ + slots_ * sizeof(word);
  heap_at_ = size_for(form, entries_, 0);
  if (heap_at_ > size) throw_damaged_container();
}

version version::begin(std::byte* base, std::size_t size, container_form form, std::size_t entries) {
  if (entries > longest || size / 8 > longest)
    throw std::length_error("kin: a shared list or dict of more than 32 GiB");
  auto& head = *new (base) head_words{};
  head.entries.store(entries, relaxed);
  head.slots.store(slots_for(form, entries), relaxed);
  head.heap_end.store(size_for(form, entries, 0), relaxed);
  // What lay here before was another version's.
  std::memset(base + head_size(form), 0, size_for(form, entries, 0) - head_size(form));
  return {base, size, form};
}

std::span<const std::byte> version::key(std::size_t entry) const {
  const word& w = words(entry)[key_word];
  return form_.inline_keys ? std::as_bytes(std::span(&w, 1)) : block(w.load(relaxed));
}

void version::add_block(std::size_t& sum, std::size_t n) const {
  sum += block_size(n);
  if (sum > size_ - heap_at_) throw_damaged_container();
}
version::need version::needed() const {
  need all{0, 0};
  for (std::size_t i = 0, n = used(); i < n; ++i) {
    if (!is_live(i)) continue;
    ++all.entries;
    if (form_.value_words == 0) add_block(all.heap_bytes, value(i).size());
    if (form_.is_dict && !form_.inline_keys) add_block(all.heap_bytes, key(i).size());
  }
  return all;
}
std::vector<byte_view> version::values() const {
  std::vector<byte_view> all;
  std::size_t sum = 0;
  for (std::size_t i = 0, n = used(); i < n; ++i) {
    all.push_back(value(i));
    if (form_.value_words == 0) add_block(sum, all.back().size());
  }
  return all;
}

std::size_t version::find_block(std::uint64_t hash, std::span<const std::byte> key) const {
  return probe(hash, [&](const word* entry) {
    if (entry[hash_word].load(relaxed) != hash) return false;
    const auto there = block(entry[key_word].load(relaxed));
    return there.size() == key.size() && (key.empty() || std::memcmp(there.data(), key.data(), key.size()) == 0);
  });
}

std::size_t version::free_slot(std::uint64_t hash, std::size_t known) const noexcept {
  for (std::size_t i = 0, at = hash & (slots_ - 1); i < slots_; ++i, at = (at + 1) & (slots_ - 1)) {
    const std::uint64_t slot = index()[at].load(relaxed);
    if (slot == 0 || (slot & longest) > known) return at;
  }
  return npos;
}

std::size_t version::room_at(std::size_t offset) const noexcept {
  if (offset < heap_at_ + 8 || offset > size_) return 0;
  std::uint64_t room = 0;
  std::memcpy(&room, base_ + offset - 8, sizeof room);
  return room <= size_ - offset ? room : 0;
}

bool version::has_room(std::size_t heap_bytes, std::size_t end) const noexcept {
  return end >= heap_at_ && end <= size_ && heap_bytes <= size_ - end;
}

std::size_t version::allocate(std::size_t n) noexcept {
  const std::size_t at = head().heap_end.load(relaxed);  // once: it may change, if another process breaks the rules
  if (n > longest || !has_room(block_size(n), at)) return 0;
  head().heap_end.store(at + block_size(n), commit);
  const std::uint64_t room = block_size(n) - 8;
  std::memcpy(base_ + at, &room, sizeof room);
  return at + 8;
}

// The new value to where nobody looks, the spare block or a new one; then one store.
bool version::put(word* entry, std::span<const std::byte> value) {
  if (form_.value_words != 0) {
    put_inline(entry, value);
    return true;
  }
  word& spare_word = entry[form_.words - 1];
  const std::uint64_t old = entry[live_word].load(relaxed), spare = spare_word.load(relaxed);
  std::size_t target = 0;
  // A writer that was killed between the two stores below has left both words at one block.
  if (spare != 0 && offset_of(spare) != offset_of(old) && room_at(offset_of(spare)) >= value.size())
    target = offset_of(spare);
  else
    target = allocate(value.size());
  if (target == 0) return false;
  if (mutant("written where all look") && old != 0 && value.size() <= room_at(offset_of(old))) target = offset_of(old);
  if (mutant("block before its bytes")) entry[live_word].store(block_word(target, value.size()), commit);
  if (!value.empty()) std::memcpy(base_ + target, value.data(), value.size());
  entry[live_word].store(block_word(target, value.size()), commit);
  spare_word.store(old, commit);
  return true;
}

bool version::insert(std::uint64_t hash, std::span<const std::byte> key, std::span<const std::byte> value) {
  const std::size_t entry = used();
  const std::size_t at = free_slot(hash, entry);
  const std::size_t heap =
      (form_.inline_keys ? 0 : block_size(key.size())) + (form_.value_words != 0 ? 0 : block_size(value.size()));
  if (entry == entries_ || at == npos || !has_room(heap, head().heap_end.load(relaxed)) || key.size() > longest ||
      value.size() > longest)
    return false;
  word* w = words(entry);
  if (mutant("used before its entry")) head().counts.store(std::uint64_t{entry + 1} << 32 | (live() + 1), commit);
  if (form_.inline_keys) {
    w[key_word].store(inline_word(key), relaxed);
  } else {
    const std::size_t target = allocate(key.size());
    if (target == 0) return false;
    if (!key.empty()) std::memcpy(base_ + target, key.data(), key.size());
    w[key_word].store(block_word(target, key.size()), relaxed);
  }
  if (!form_.inline_keys) w[hash_word].store(hash, relaxed);
  w[live_word].store(form_.value_words != 0 ? 1 : 0, relaxed);
  if (form_.value_words == 0) w[form_.words - 1].store(0, relaxed);
  put(w, value);
  index()[at].store((hash & ~longest) | (entry + 1), commit);
  if (!mutant("used before its entry")) head().counts.store(std::uint64_t{entry + 1} << 32 | (live() + 1), commit);
  return true;
}

std::size_t version::last_live() const noexcept {
  const std::size_t n = used();
  const std::uint64_t dead = head().dead.load(relaxed);
  const std::size_t first = dead >> 32, end = dead & longest;
  std::size_t i = n;
  for (;;) {
    if (i == end && first < end)
      i = first;
    else if (i != 0 && !is_live(i - 1))
      --i;
    else
      break;
  }
  if (i != n) head().dead.store(std::uint64_t{i} << 32 | n, relaxed);
  return i == 0 ? npos : i - 1;
}

void version::erase(std::size_t entry) {
  words(entry)[live_word].store(0, commit);
  const std::uint64_t counts = head().counts.load(relaxed);
  head().counts.store(counts - 1, commit);
}

void version::repair() noexcept {
  if (!form_.is_dict) return;
  const std::size_t known = used();
  if (form_.value_words > 1) {
    const std::size_t entry = (head().pending.load(relaxed) - 1) / form_.words;
    if (entry < known && !mutant("pending not written again"))
      std::memcpy(static_cast<void*>(value_of(words(entry))), pending_value(), form_.value_words * sizeof(word));
    head().pending.store(0, commit);
  }
  std::uint64_t alive = 0;
  for (std::size_t i = 0; i < known; ++i) alive += is_live(i) ? 1 : 0;
  if (!mutant("living not counted again")) head().counts.store(std::uint64_t{known} << 32 | alive, commit);
}

bool version::prepare(std::size_t entry, std::span<const std::byte> value) {
  return entry < entries_ && put(words(entry), value);
}
void version::use(std::size_t entries) noexcept { head().counts.store(std::uint64_t{entries} << 32 | entries, commit); }

}  // namespace kin::detail
