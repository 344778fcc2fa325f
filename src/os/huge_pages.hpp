// SPDX-License-Identifier: BSL-1.0
// huge_pages: fewer page faults for large memory.
#pragma once

#include <cstddef>

namespace kin::os {

/// Advises the kernel to use huge pages for what of this memory can be in some. Advice: it may not be taken.
void advise_huge_pages(void* at, std::size_t bytes) noexcept;

}  // namespace kin::os
