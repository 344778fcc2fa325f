// SPDX-License-Identifier: BSL-1.0
// huge_pages: see the header.
#include "os/huge_pages.hpp"

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

namespace kin::os {

void advise_huge_pages(void* at, std::size_t bytes) noexcept {
  constexpr std::uintptr_t huge_page = std::uintptr_t{2} << 20;
  const auto begin = reinterpret_cast<std::uintptr_t>(at);
  const std::uintptr_t first = (begin + huge_page - 1) & ~(huge_page - 1), last = (begin + bytes) & ~(huge_page - 1);
  if (first < last) ::madvise(static_cast<std::byte*>(at) + (first - begin), last - first, MADV_HUGEPAGE);
}

}  // namespace kin::os
