// SPDX-License-Identifier: BSL-1.0
// hold_list: see the header.
#include "memory/hold_list.hpp"

#include <algorithm>

#include "memory/family.hpp"

namespace kin::detail {
namespace {

constexpr std::size_t first_words = 512, most_words = std::size_t{1} << 17;  // a page; 1 MiB

}  // namespace

hold_list::slot hold_list::add(hold_word word) {
  if (free_.empty()) {
    const std::size_t more = std::clamp(size_, first_words, most_words);
    free_.reserve(size_ + more);
    const auto words = family::more_holds(more);
    for (std::size_t i = words.size(); i-- != 0;) free_.push_back(&words[i]);
    size_ += words.size();
  }
  const slot s = free_.back();
  free_.pop_back();
  s->store(word, std::memory_order_release);
  return s;
}

}  // namespace kin::detail
