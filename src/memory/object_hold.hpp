// SPDX-License-Identifier: BSL-1.0
// object_hold: this process's hold on one object: what all its handles here share, and one entry in its list of holds
// (memory/hold_list.hpp); and the registry of them all. The inside of object_ref. The order in which lists and headers
// are written is what docs/decisions/0012 argues about.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "memory/family_table.hpp"
#include "memory/hold_list.hpp"
#include "memory/object_header.hpp"

namespace kin::detail {

struct object_hold {
  const std::uint64_t offset;
  object_header* const header;
  const std::size_t size;
  std::uint64_t serial;
  int maker = -1;                   // the process that the memory comes back to
  std::atomic<bool> shared{false};  // handed on, or with parts that are the root's to free
  std::atomic<bool> large{false};
  std::shared_ptr<void> beside;
  void (*leave)(object_header&, std::size_t) noexcept = nullptr;

  // With the registry's lock.
  hold_list::slot slot = nullptr;
  int lister = -1;       // the process whose slot it is
  bool counted = false;  // among the holders in the header
  bool forked = false;   // counted as a message under way instead, and in no list yet

  object_hold(std::uint64_t o, object_header* h, std::size_t n, std::uint64_t s)
      : offset(o), header(h), size(n), serial(s) {}
  object_hold(const object_hold&) = delete;
  object_hold& operator=(const object_hold&) = delete;
  ~object_hold();
  void note_parts() noexcept {
    shared.store(true);
    large.store(true);
  }
};

// ~object_hold takes the mutex, so nobody lets go of a hold with it. A hold is forgotten, with the mutex, before its
// memory goes back: with the mutex the holds here are whole, also those whose last handle has just gone.
struct object_registry {
  struct known {
    std::weak_ptr<object_hold> hold;
    object_hold* raw = nullptr;
  };
  std::mutex mutex;
  std::unordered_map<std::uint64_t, known> holds;
  hold_list list;
  std::vector<hold_list::slot> untold;  // given up; the root is told of several at once
  std::atomic<bool> has_forked{false};
  std::uint64_t next_serial = 0;
  int maker = -1;  // of next_serial: a forked copy begins elsewhere

  /// Into the list. Throws os_error, bad_alloc.
  void enter(object_hold& hold);
  /// A number that no other object of the family has had, as far as 64 bits of chance can say.
  std::uint64_t new_serial();
  /// Tells the root what was given up, if that is worth it. Gives the lock up meanwhile.
  void tell(std::unique_lock<std::mutex>& guard, bool at_once) noexcept;
};

/// Never destroyed: exit handlers may still have handles.
object_registry& the_registry();

}  // namespace kin::detail
