// SPDX-License-Identifier: BSL-1.0
// supervisor: the root's side of the family. It alone writes the table, hands out member numbers and pieces of the
// arena, frees objects that nobody has a handle of any more, and watches every member's pidfd in a thread of its own.
//
// At a death: the number is marked dead in the table, then everybody who sleeps in the arena is roused to look again.
// What the dead had claimed is seen by whoever looks, from the claim itself. What members send is not trusted.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "memory/arena.hpp"
#include "memory/family_table.hpp"
#include "memory/hold_book.hpp"
#include "memory/span_store.hpp"
#include "memory/unused_objects.hpp"
#include "os/event_fd.hpp"
#include "os/memory_file.hpp"
#include "os/packet.hpp"
#include "os/watch_set.hpp"

namespace kin::detail {

inline constexpr std::size_t span_name_size = 224;
inline constexpr std::size_t most_given_up = span_name_size / sizeof(hold_word);  // in one request

struct membership {
  std::uint32_t member = 0, generation = 0;
};

/// What a member asks of the supervisor, as one packet; the answer comes back through a socket sent with it.
struct family_request {
  enum class verb : std::uint32_t {
    join,
    window,
    chunk,
    make_span,
    open_span,
    keep_span,
    forget_name,
    flag,
    leave_flag,
    holds,
    deaths,  ///< are to be known to all
    gave_up  ///< no answer
  };
  verb what;
  std::uint32_t member;
  std::uint64_t number;    ///< window, spans: which; chunk: bytes << 32 | stride; flag: offset; holds, gave_up: words
  span_owner owner{};      ///< of spans; of a chunk that is part of an object
  std::uint64_t size = 0;  ///< make_span: bytes; 0: open what has this name already
  char name[span_name_size]{};  ///< make_span: or empty; gave_up: the words
};
struct family_answer {
  static constexpr std::size_t most_pieces = 24;
  std::int32_t error;  ///< errno, or 0
  std::uint32_t member, generation;
  std::uint32_t pieces;                ///< of a chunk: so many places that are free again, instead of one
  std::uint64_t number, offset, size;  ///< of a chunk or span, or of the words of a list of holds
  std::uint64_t piece[most_pieces];
};

class supervisor {
 public:
  /// Makes table and arena and starts the thread. Throws os_error.
  supervisor();

  [[nodiscard]] const family_table* table() const { return reinterpret_cast<const family_table*>(table_.data()); }
  /// What members send their requests to. The supervisor keeps it.
  [[nodiscard]] int link() const { return link_.get(); }
  /// The root itself.
  membership join_root();
  /// With the lock held: a piece of the arena, or places in the member's chunks that are free again. Throws os_error.
  void answer_about_chunk(const family_request& request, family_answer& reply);
  /// With the lock held: see arena.
  std::size_t take_freed(std::uint32_t member, std::size_t stride, std::span<std::uint64_t> into) noexcept {
    return arena_->take_freed(member, stride, into);
  }
  std::byte* window(std::size_t number) { return arena_->window(number); }
  /// With the lock held: words for the root's own list of holds. Throws bad_alloc.
  hold_book::words own_holds(std::uint32_t root, std::size_t count) { return holds_.give_own(root, count); }
  /// With the lock held: nobody may have handles of these any more. Looks at once, or when there are enough of them.
  enum class urgency { at_once, with_others };
  void suspect(std::span<const hold_word> words, urgency when) noexcept;
  /// With the lock held: what the request says about spans; `fds` gets the file it lies in, borrowed. Throws os_error.
  family_answer answer_about_spans(const family_request& request, std::vector<int>& fds);
  /// At the root's exit.
  void remove_names() noexcept;
  /// With the lock held: the table says of all members that have ended that they are dead.
  void bury_dead();

  /// With the lock held: an eventfd that goes with an object, one for all its users; made for the first, closed when
  /// the last has left or died. The supervisor keeps it. Throws os_error.
  int take_flag(std::uint64_t object, std::uint32_t member);
  void leave_flag(std::uint64_t object, std::uint32_t member) noexcept;

  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }
  /// In a forked copy, with the lock held, which stays so: this process is not the root, but has its link.
  unique_fd abandon() noexcept;

 private:
  family_table& own_table() { return *reinterpret_cast<family_table*>(table_.data()); }
  [[noreturn]] void run();
  bool serve();
  family_answer answer(const family_request& request, os::packet& message, std::vector<int>& fds);
  membership join(unique_fd pidfd);
  membership new_member();
  bool bury(std::uint32_t member);
  void forget_holds(std::uint32_t member) noexcept;
  void rouse_everybody();
  void give_holds(std::uint32_t member, std::size_t words, family_answer& reply);
  void note_given_up(const family_request& request) noexcept;
  void look_for_unused();
  void free_if_unused(const std::string& name);

  std::mutex mutex_;
  std::atomic<bool> running_{false};
  unique_fd table_file_;
  os::mapping table_;
  unique_fd link_, requests_;
  std::vector<unique_fd> room_;  // for the descriptors of a request
  os::watch_set watched_;
  std::optional<arena> arena_;
  span_store spans_;
  hold_book holds_;
  unused_objects unused_;
  urgency wanted_ = urgency::with_others;
  std::deque<std::uint32_t> free_numbers_;
  std::uint32_t next_number_ = 1;
  std::vector<std::uint32_t> last_generation_;
  std::map<std::uint32_t, unique_fd> pidfds_;
  struct flag {
    os::event_fd fd;
    std::vector<std::uint32_t> users;
  };
  std::map<std::uint64_t, flag> flags_;  // by the object's offset
};

}  // namespace kin::detail
