// SPDX-License-Identifier: BSL-1.0
// hold_book: see the header.
#include "memory/hold_book.hpp"

#include <bit>
#include <cerrno>

#include <kin/core/error.hpp>
#include "memory/page.hpp"

namespace kin::detail {
namespace {

constexpr std::size_t word_size = sizeof(hold_word);

}  // namespace

hold_book::hold_book() : file_(os::make_sparse_memory_file("kin-holds", 0)) { os::forbid_shrinking(file_.get()); }

std::byte* hold_book::at(std::size_t offset) {
  while (windows_.size() <= offset / window_size)
    windows_.emplace_back(file_.get(), windows_.size() * window_size, window_size, os::access::write);
  return windows_[offset / window_size].data() + offset % window_size;
}

hold_book::part hold_book::give(std::uint32_t member, std::size_t count) {
  const std::size_t size = count * word_size;
  if (count > window_size / word_size || size < page || !std::has_single_bit(size))
    throw os_error("share objects with other processes", "holds", EINVAL);
  auto& free = free_[size];
  auto& parts = lists_[member].parts;
  parts.reserve(parts.size() + 1);
  std::size_t offset = (end_ + size - 1) / size * size;
  if (!free.empty()) {
    offset = free.back();
  } else {
    os::extend_memory_file(file_.get(), offset + size);
    os::allocate_memory(file_.get(), offset, size);
  }
  auto* const first = reinterpret_cast<std::atomic<hold_word>*>(at(offset));
  places_[first] = offset;
  if (!free.empty())
    free.pop_back();
  else
    end_ = offset + size;
  parts.emplace_back(first, count);
  size_ += count;
  return {offset, size};
}

hold_book::words hold_book::give_own(std::uint32_t root, std::size_t count) {
  auto& parts = lists_[root].parts;
  parts.reserve(parts.size() + 1);
  // For ever: the root's threads may let go of handles until it has ended.
  parts.emplace_back(
      new std::atomic<hold_word>[count] {}, count);
  size_ += count;
  return parts.back();
}

std::vector<hold_word> hold_book::end(std::uint32_t member) {
  std::vector<hold_word> held;
  const auto found = lists_.find(member);
  if (found == lists_.end()) return held;
  std::map<std::size_t, std::size_t> freed;  // parts, by bytes
  for (const words& w : found->second.parts) {
    for (const std::atomic<hold_word>& one : w)
      if (const hold_word word = one.load(std::memory_order_acquire); word != 0) held.push_back(word & ~given_up);
    auto& free = free_[w.size_bytes()];
    free.reserve(free.size() + ++freed[w.size_bytes()]);
  }
  for (const words& w : found->second.parts) {
    for (std::atomic<hold_word>& one : w) one.store(0);
    size_ -= w.size();
    const auto place = places_.find(w.data());
    free_.find(w.size_bytes())->second.push_back(place->second);
    places_.erase(place);
  }
  lists_.erase(found);
  return held;
}

}  // namespace kin::detail
