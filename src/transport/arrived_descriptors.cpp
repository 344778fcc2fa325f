// SPDX-License-Identifier: BSL-1.0
// arrived_descriptors: see the header.
#include "transport/arrived_descriptors.hpp"

#include <algorithm>
#include <iterator>

namespace kin::detail {
namespace {
constexpr unsigned bits = 6;
constexpr std::uint64_t value = (1u << bits) - 1;
constexpr auto first_mark = std::byte{0xc0}, later_mark = std::byte{0x80}, mark = std::byte{0xc0};
constexpr auto size_of_note = static_cast<unsigned>(std::tuple_size_v<descriptor_note>);
}  // namespace

descriptor_note note_of(std::uint64_t position) noexcept {
  descriptor_note note;
  for (unsigned i = 0; i < size_of_note; ++i)
    note[i] = (i == 0 ? first_mark : later_mark) | static_cast<std::byte>(position >> bits * i & value);
  return note;
}

noted find_note(std::span<const std::byte> bytes) noexcept {
  const auto begin =
      std::ranges::find_if(bytes, [](std::byte each) { return (each & mark) == first_mark; }) - bytes.begin();
  noted found{static_cast<std::size_t>(begin), {}};
  if (bytes.size() - found.at < size_of_note) return found;
  std::uint64_t position = 0;
  for (unsigned i = 0; i < size_of_note; ++i)
    position |= (std::to_integer<std::uint64_t>(bytes[found.at + i]) & value) << bits * i;
  found.position = position;
  return found;
}

void arrived_descriptors::note(std::span<const std::byte> bytes) {
  for (const std::byte each : bytes) {
    if ((each & mark) == first_mark) {
      noted_ = 0;
      missing_ = size_of_note;
    } else if ((each & mark) != later_mark || missing_ == 0) {
      continue;  // a ring
    }
    noted_ |= (std::to_integer<std::uint64_t>(each) & value) << bits * (size_of_note - missing_);
    if (--missing_ == 0) positions_.resize(std::max(positions_.size(), descriptors_.size()), noted_);
  }
}

void arrived_descriptors::add(std::uint64_t position, unique_fd one) {
  descriptors_.push_back(std::move(one));
  positions_.push_back(position);
}

std::size_t arrived_descriptors::up_to(std::uint64_t position) const noexcept {
  const auto later_one = std::ranges::find_if(positions_, [=](std::uint64_t each) { return each > position; });
  return static_cast<std::size_t>(later_one - positions_.begin());
}

void arrived_descriptors::lose_from(std::size_t first) {
  descriptors_.resize(first);
  descriptors_.emplace_back();
}

arrived_descriptors::found arrived_descriptors::take(std::uint64_t position, std::size_t wanted,
                                                     std::vector<unique_fd>& to) {
  const std::size_t here = up_to(position);
  const auto its = std::span(descriptors_).subspan(here - std::min(here, wanted), std::min(here, wanted));
  if (!std::ranges::all_of(its, [](const unique_fd& fd) { return static_cast<bool>(fd); })) return found::lost;
  if (its.size() < wanted) return found::too_few;
  to.assign(std::move_iterator(its.begin()), std::move_iterator(its.end()));
  erase_first(here);
  return found::all;
}

void arrived_descriptors::drop_before(std::uint64_t position) {
  if (position > 0) erase_first(up_to(position - 1));
}

void arrived_descriptors::erase_first(std::size_t n) {
  descriptors_.erase(descriptors_.begin(), descriptors_.begin() + static_cast<std::ptrdiff_t>(n));
  positions_.erase(positions_.begin(), positions_.begin() + static_cast<std::ptrdiff_t>(n));
}

}  // namespace kin::detail
