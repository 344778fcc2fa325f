// SPDX-License-Identifier: BSL-1.0
// ring_queue: a queue of items without descriptors, in the family's arena (ring_layout.hpp). Producers share one lock
// and consumers another, so that one of each never meets the other but at the items. Costs no descriptor.
#pragma once

#include <kin/memory/object_ref.hpp>

#include "queue/item_ring.hpp"
#include "queue/queue_body.hpp"

namespace kin::detail {

class ring_queue final : public item_queue::body {
 public:
  ring_queue(std::uint64_t signature, std::size_t capacity);
  ring_queue(std::uint64_t signature, reader& from);
  ~ring_queue() override;

  void encode(writer& to) const override { ref_.encode(to); }
  queue_answer put(std::span<const std::byte> bytes, std::span<const unique_fd> fds, const deadline& until) override;
  queue_answer get(item_target& into, std::vector<unique_fd>& fds, const deadline& until) override;
  bool put_at_once(std::span<const std::byte> bytes) noexcept override;
  bool get_at_once(std::span<std::byte> into) noexcept override;
  void task_done() override;
  bool join(const deadline& until) override;
  void close() override;
  bool closed() override { return is_closed(); }
  std::size_t size() override;
  [[nodiscard]] std::size_t capacity() const noexcept override { return header_.capacity; }
  int native_handle() override;
  [[nodiscard]] bool same_as(const body& other) const noexcept override {
    return ref_ == static_cast<const ring_queue&>(other).ref_;
  }

 private:
  [[nodiscard]] bool is_closed() const noexcept { return header_.closed.load(std::memory_order_acquire) != 0; }
  [[nodiscard]] bool is_polled() const noexcept { return header_.polled.load(std::memory_order_acquire) != 0; }
  [[nodiscard]] bell& bell_of(std::uint32_t which) const noexcept { return header_.more[which]; }
  [[gnu::noinline]] bool ring_after_put(bool done) noexcept;
  [[gnu::noinline]] bool ring_after_get(bool done) noexcept;
  [[nodiscard]] spinning for_room() const noexcept;
  void ring_everybody() noexcept;

  // The eventfd of native_handle(), which everybody keeps up to date once somebody has asked for it.
  int readable();
  template <class Change>
  void change_readable(claim me, Change change);
  void show_readable();
  void show(int flag) noexcept;

  object_ref ref_;
  ring_header& header_;
  item_ring items_;
  unique_fd flag_;
  int flag_taken_in_ = -1;  // the process that is known to use it
};

}  // namespace kin::detail
