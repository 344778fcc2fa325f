// SPDX-License-Identifier: BSL-1.0
// unused_objects: see the header.
#include "memory/unused_objects.hpp"

#include <algorithm>
#include <bitset>

#include "memory/cpu.hpp"
#include "memory/object_header.hpp"
#include "memory/passage.hpp"

namespace kin::detail {

void unused_objects::suspect(std::span<const hold_word> words) {
  suspects_.insert(suspects_.end(), words.begin(), words.end());
}

void unused_objects::look(arena& objects, const hold_book& holds, const std::function<void(const span_owner&)>& free) {
  std::sort(suspects_.begin(), suspects_.end());
  suspects_.erase(std::unique(suspects_.begin(), suspects_.end()), suspects_.end());
  std::vector<suspicion> dying;
  dying.reserve(suspects_.size() + late_.size());
  for (const hold_word word : suspects_)
    if (object_header* header = objects.find(word)) {
      const std::uint64_t seen = header->passage.load(std::memory_order_acquire);  // (A)
      if (passage::is_over(seen)) dying.push_back({word, header->serial.load(), seen, header, false});
    }
  suspects_.clear();
  find_holders(dying, holds);  // (B)
  std::erase_if(dying, [](const suspicion& s) {
    return s.held || s.header->passage.load(std::memory_order_acquire) != s.passage;  // (C)
  });
  for (const suspicion& s : dying) {
    s.header->serial.store(0);
    s.header->kind.store(0);
  }
  dying.insert(dying.end(), late_.begin(), late_.end());
  late_.clear();
  if (dying.empty()) return;
  std::sort(dying.begin(), dying.end(), [](const auto& a, const auto& b) { return a.word < b.word; });
  for (suspicion& s : dying) s.held = false;
  // Pairs with the fence in object_ref::decode: who enters a list too late sees that the serial is 0, or is seen here.
  cpu::full_fence();
  find_holders(dying, holds);  // (D)
  for (const suspicion& s : dying) {
    if (s.held)
      late_.push_back(s);
    else
      free({offset_in(s.word), s.serial});
  }
}

// Which of these, in the order of their words, a living member holds.
void unused_objects::find_holders(std::vector<suspicion>& of, const hold_book& holds) {
  if (of.empty()) return;
  constexpr std::size_t sieve_size = 4096;
  std::bitset<sieve_size> sieve;  // most words in the lists are none of these
  for (const suspicion& s : of) sieve.set((s.word >> 1) % sieve_size);
  holds.each([&](hold_word word) {
    if (!sieve.test((word >> 1) % sieve_size)) return;
    const auto found =
        std::lower_bound(of.begin(), of.end(), word, [](const suspicion& s, hold_word w) { return s.word < w; });
    if (found != of.end() && found->word == word) found->held = true;
  });
}

}  // namespace kin::detail
