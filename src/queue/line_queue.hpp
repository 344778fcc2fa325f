// SPDX-License-Identifier: BSL-1.0
// line_queue: a queue whose items may have file descriptors. A memory file under a robust mutex, an eventfd, and a pair
// of sockets in which the descriptors wait (os/fd_line.hpp): they can lie nowhere else, and need one lock with the
// items.
#pragma once

#include <optional>
#include <vector>

#include "os/event_fd.hpp"
#include "os/fd_line.hpp"
#include "queue/item_store.hpp"
#include "queue/queue_body.hpp"

namespace kin::detail {

class line_queue final : public item_queue::body {
 public:
  line_queue(std::uint64_t signature, std::size_t capacity);
  line_queue(std::uint64_t signature, reader& from);

  void encode(writer& to) const override;
  queue_answer put(std::span<const std::byte> bytes, std::span<const unique_fd> fds, const deadline& until) override;
  queue_answer get(item_target& into, std::vector<unique_fd>& fds, const deadline& until) override;
  void task_done() override;
  bool join(const deadline& until) override;
  void close() override;
  bool closed() override;
  std::size_t size() override;
  [[nodiscard]] std::size_t capacity() const noexcept override;
  int native_handle() override;

 private:
  class hold;
  // Gives the lock up until the bell rings, and takes it again; look again then. False at the deadline, with or without
  // the lock.
  bool wait_for_ring(hold& lock, bell& on, const deadline& until);
  // The descriptors of the item with this tag, which stay in the line, where they are now the first.
  std::vector<unique_fd> look_for(std::uint64_t tag);
  // Drops what belongs to no item. Best effort: what it misses is dropped when it is met.
  void drop_orphans() noexcept;
  void show_readable(const ledger& now) noexcept;

  item_store store_;
  os::event_fd readable_;
  os::fd_line line_;
};

}  // namespace kin::detail
