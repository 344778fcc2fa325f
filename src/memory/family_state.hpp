// SPDX-License-Identifier: BSL-1.0
// family_state: what this process knows of its family, and how it asks the root; for family.cpp and family_memory.cpp.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <vector>

#include <kin/os/unique_fd.hpp>

#include "memory/family.hpp"
#include "memory/piece_store.hpp"
#include "memory/supervisor.hpp"
#include "os/memory_file.hpp"
#include "os/open_file.hpp"

namespace kin::detail::family {

struct state {
  std::mutex mutex;
  unique_fd link;              // a member's; the root's is the supervisor's
  os::open_file link_file;     // whose number a program that closes all it finds may have got for a file of its own
  supervisor* root = nullptr;  // in the root only; never destroyed, like its thread
  os::mapping table;           // a member's; the root's is the supervisor's
  membership me;
  piece_store pieces;
  std::span<std::atomic<hold_word>> first_holds;  // that came with the membership
  std::deque<std::uint32_t> free_threads;         // the longest unused first
  std::uint32_t next_thread = 0;
};

state& the();

/// One question to the root, in a member; with the state's mutex. `fds`: what came with the answer. Throws os_error.
family_answer ask(state& s, const family_request& request, int extra_fd, const char* doing,
                  std::vector<unique_fd>& fds);

}  // namespace kin::detail::family
