// SPDX-License-Identifier: BSL-1.0
// family: all processes that kin started from one root, as one of them sees it. A process becomes a member when it
// first needs to be one: it hands its own pidfd to the root's supervisor (memory/supervisor.hpp) and gets its number. A
// process without a link to a root is the root of its own family.
//
// Objects lie in the family's arena, in windows of 1 MiB that each process maps when it first meets them. A forked copy
// of a member, whoever forked it, is another member: it asks for a number of its own.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <kin/os/unique_fd.hpp>

#include "memory/family_table.hpp"
#include "memory/hold_list.hpp"
#include "memory/span_store.hpp"
#include "os/memory_file.hpp"

namespace kin::detail::family {

/// What is passed to a child as its link to the root. Makes the family when there is none. Borrowed, for ever valid.
int link();
/// In a child, before anything else of this: what its parent passed on.
void attach(unique_fd link);

/// See memory/fork_hooks.hpp.
void register_fork_hooks();

/// 0: not known yet. Read without a call (which a plugin's __tls_get_addr would be): it is on the way of every
/// operation.
[[gnu::tls_model("initial-exec"), gnu::visibility("hidden")]] extern thread_local constinit claim this_thread;
/// Makes this process a member and gives this thread a slot. Throws os_error.
claim join();
/// The claim of the calling thread. Called first in every operation that may sleep or ring, claims or not: only a
/// member's death is made up for.
inline claim self() {
  const claim c = this_thread;
  return c != 0 ? c : join();
}

/// What the claims of this process have in common, as process_of() says; 0: it is no member. Whichever thread asks.
claim own_process() noexcept;

/// Null before join().
[[gnu::visibility("hidden")]] extern const family_table* table;
inline bool is_dead(claim c) noexcept { return table->is_dead(c); }
inline bool light_publication() noexcept { return table->light_publication != 0; }

/// Whoever of the family has ended is dead for everybody from here on: for those who have seen an end by themselves,
/// and earlier than the root may have. Where the root cannot be asked it will tell a moment later.
void learn_of_deaths() noexcept;

/// A zeroed piece of the arena, at most a window. Throws os_error.
struct piece {
  std::uint64_t offset;
  std::byte* data;
};
piece allocate(std::size_t size);
/// The same as a part of an object, with which the root frees it; its size is a power of two of at least 16 KiB.
piece allocate_part(span_owner object, std::size_t size);
/// Gives back what allocate() gave this same process, zeroed again by the caller.
void release(std::uint64_t offset, std::size_t size) noexcept;
/// What allocate() gave this process will be given back by the root, when nobody has a handle of it.
void leave_to_root(std::uint64_t offset) noexcept;

/// Words for this process's list of holds, for ever: `count` of them, or at first a page. Throws os_error.
std::span<std::atomic<hold_word>> more_holds(std::size_t count);
/// Tells the root what this process has given up of which nobody else may have a handle; needs no membership.
/// `at_once`: it is much memory. False: not now.
bool tell_given_up(std::span<const hold_word> words, bool at_once) noexcept;
inline constexpr std::size_t most_told = 28;
/// Where the object of exactly `size` bytes at `offset` of the arena is mapped here; null when none can begin there.
std::byte* at(std::uint64_t offset, std::size_t size);
/// The size of the object that begins a chunk at `offset`, as the root says; 0: none does.
inline std::size_t size_at(std::uint64_t offset) noexcept {
  if (offset % family_table::unit_size != 0 || offset >= table->arena_end.load(std::memory_order_acquire)) return 0;
  return table->stride[offset / family_table::unit_size].load(std::memory_order_acquire) * std::size_t{64};
}

/// Large memory that belongs to an object of the arena, mapped here (see memory/span_store.hpp).
struct mapped_span {
  std::uint64_t number;
  os::mapping memory;
};
/// New, zeroed, with its pages allocated; frees the other spans of this owner but `kept`. With a name: a file of its
/// own that strangers can open, too. Throws os_error.
mapped_span make_span(span_owner owner, std::size_t size, std::uint64_t kept = 0, const std::string& name = {});
/// What a stranger has made under this name.
mapped_span open_named_span(span_owner owner, const std::string& name);
/// Throws decode_error: this owner has no such span.
mapped_span open_span(span_owner owner, std::uint64_t number);
/// Frees the owner's spans but this one (0: all). What is mapped somewhere reads as zeros from then on.
void keep_span(span_owner owner, std::uint64_t kept) noexcept;
/// The name was removed, so nobody is to remove it again.
void forget_name(const std::string& name) noexcept;
/// A duplicate of the eventfd that goes with an object, the same for all who ask: file descriptors cannot lie in shared
/// memory. Once for each take_flag() leave_flag() is called, or the process ends. Throws os_error.
unique_fd take_flag(std::uint64_t object);
void leave_flag(std::uint64_t object) noexcept;

}  // namespace kin::detail::family
