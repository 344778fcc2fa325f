// SPDX-License-Identifier: BSL-1.0
// supervisor: the root's side of the family. It alone writes the table, owns the arena that all objects of the family
// lie in, hands out member numbers and pieces of the arena, and watches every member's pidfd in a thread of its own.
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
#include <vector>

#include "memory/family_table.hpp"
#include "memory/span_store.hpp"
#include "os/event_fd.hpp"
#include "os/memory_file.hpp"
#include "os/packet.hpp"
#include "os/watch_set.hpp"

namespace kin::detail {

inline constexpr std::size_t span_name_size = 224;

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
    leave_flag
  };
  verb what;
  std::uint32_t member;
  std::uint64_t number;         ///< window: which; chunk: bytes << 32 | stride; spans: which; flags: offset
  span_owner owner{};           ///< of spans
  std::uint64_t size = 0;       ///< make_span: bytes; 0: open what has this name already
  char name[span_name_size]{};  ///< make_span: or empty
};
struct family_answer {
  std::int32_t error;  ///< errno, or 0
  std::uint32_t member, generation, reserved;
  std::uint64_t number, offset, size;  ///< of a chunk or span
};

class supervisor {
 public:
  static constexpr std::size_t window_size = std::size_t{1} << 20;
  static constexpr std::size_t chunk_unit = family_table::unit_size;
  static constexpr std::size_t windows = family_table::arena_units * chunk_unit / window_size;

  /// Makes table and arena and starts the thread. Throws os_error.
  supervisor();

  [[nodiscard]] const family_table* table() const { return reinterpret_cast<const family_table*>(table_.data()); }
  /// What members send their requests to. The supervisor keeps it.
  [[nodiscard]] int link() const { return link_.get(); }
  /// The root itself.
  membership join_root();
  /// With the lock held: a zeroed piece of one window, for objects of `stride` bytes each. Throws os_error (ENOSPC,
  /// EFBIG, ENOMEM).
  std::uint64_t allocate_chunk(std::size_t size, std::size_t stride, std::uint32_t member);
  /// With the lock held.
  std::byte* window(std::size_t number);
  /// With the lock held: what the request says about spans; `fds` gets the file it lies in, borrowed. Throws os_error.
  family_answer answer_about_spans(const family_request& request, std::vector<int>& fds);
  /// At the root's exit.
  void remove_names() noexcept;

  /// With the lock held: an eventfd that goes with an object, one for all its users; made for the first, closed when
  /// the last has left or died. The supervisor keeps it. Throws os_error.
  int take_flag(std::uint64_t object, std::uint32_t member);
  void leave_flag(std::uint64_t object, std::uint32_t member) noexcept;

  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }
  /// In a forked copy, with the lock held, which stays so: this process is not the root, but has its link.
  unique_fd abandon() noexcept;

 private:
  struct chunk {
    std::uint64_t offset;
    std::size_t size, stride;
    std::uint32_t member;  // 0: its owner is dead
  };
  family_table& own_table() { return *reinterpret_cast<family_table*>(table_.data()); }
  [[noreturn]] void run();
  void serve();
  family_answer answer(const family_request& request, os::packet& message, std::vector<int>& fds);
  membership join(unique_fd pidfd);
  membership new_member();
  void bury(std::uint32_t member);
  void rouse_everybody();
  void grow(std::size_t by);
  void note_stride(const chunk& c, std::uint16_t stride) noexcept;
  bool release_private_objects(const chunk& c);
  bool is_gone(span_owner owner);
  template <class Visit>
  void walk(const chunk& c, Visit visit);

  std::mutex mutex_;
  std::atomic<bool> running_{false};
  unique_fd table_file_, arena_file_;
  os::mapping table_;
  unique_fd link_, requests_;
  os::watch_set watched_;
  std::vector<os::mapping> windows_;
  std::vector<chunk> chunks_;
  std::vector<std::pair<std::uint64_t, std::size_t>> free_chunks_;
  std::uint64_t end_ = 0;  // of the arena's used part
  std::size_t table_end_ = 0;
  span_store spans_;
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
