// SPDX-License-Identifier: BSL-1.0
// futex: sleeping on a word of memory, shared between processes or not, until somebody changes it and wakes.
#pragma once

#include <atomic>
#include <cstdint>

#include <kin/core/deadline.hpp>

namespace kin::os {

/// Sleeps while `word` holds `seen`, until a wake or `until`; false only when `until` has passed. May return true for
/// no reason (a signal, a word that had already changed): look again. Throws os_error.
bool futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t seen, deadline until);

}  // namespace kin::os
