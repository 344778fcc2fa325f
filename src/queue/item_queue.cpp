// SPDX-License-Identifier: BSL-1.0
// item_queue: which of the two kinds of queue it is. The type of the items decides, so that all processes agree and
// the items of one producer stay in order.
#include <kin/queue/item_queue.hpp>

#include <string>

#include <kin/core/error.hpp>
#include <kin/wire/writer.hpp>

#include "queue/line_queue.hpp"
#include "queue/ring_queue.hpp"

namespace kin::detail {
namespace {

// More than this is not kept for the next item.
constexpr std::size_t most_capacity_kept = 64 << 10;

// Outlives the buffer: other thread_local objects may use queues in their destructors.
thread_local constinit bool no_more = false;
struct kept_buffer {
  std::vector<std::byte> bytes;
  ~kept_buffer() { no_more = true; }
};
thread_local kept_buffer kept_item;

}  // namespace

writer item_writer() { return no_more ? writer(delivery::once) : writer(delivery::once, std::move(kept_item.bytes)); }

parcel item_parcel() {
  parcel made;
  if (!no_more) made.bytes = std::move(kept_item.bytes);
  return made;
}

void give_back(parcel& used) noexcept {
  if (!no_more && used.bytes.capacity() <= most_capacity_kept) kept_item.bytes = std::move(used.bytes);
}

item_queue::item_queue(std::uint64_t signature, std::size_t capacity, descriptors in_items) {
  if (in_items == descriptors::some)
    body_ = std::make_unique<line_queue>(signature, capacity);
  else
    body_ = std::make_unique<ring_queue>(signature, capacity);
}

item_queue::item_queue(std::uint64_t signature, descriptors in_items, reader& from) {
  if (in_items == descriptors::some)
    body_ = std::make_unique<line_queue>(signature, from);
  else
    body_ = std::make_unique<ring_queue>(signature, from);
}

item_queue::~item_queue() = default;

void item_queue::encode(writer& to) const { body_->encode(to); }
queue_answer item_queue::put(std::span<const std::byte> bytes, std::span<const unique_fd> fds, const deadline& until) {
  return body_->put(bytes, fds, until);
}
queue_answer item_queue::get(item_target into, std::vector<unique_fd>& fds, const deadline& until) {
  const queue_answer answer = body_->get(into, fds, until);
  if (!into.fits()) throw decode_error("kin: this item was not of the queue's type, and is lost");
  return answer;
}
bool item_queue::put_at_once(std::span<const std::byte> bytes) noexcept { return body_->put_at_once(bytes); }
bool item_queue::get_at_once(std::span<std::byte> into) noexcept { return body_->get_at_once(into); }
void item_queue::task_done() { body_->task_done(); }
bool item_queue::join(const deadline& until) { return body_->join(until); }
void item_queue::close() { body_->close(); }
bool item_queue::closed() { return body_->closed(); }
std::size_t item_queue::size() { return body_->size(); }
std::size_t item_queue::capacity() const noexcept { return body_->capacity(); }
int item_queue::native_handle() { return body_->native_handle(); }
bool item_queue::same_as(const item_queue& other) const noexcept { return body_->same_as(*other.body_); }

void throw_closed_queue(const char* operation) {
  throw closed_error(std::string("kin: ") + operation + ": the queue is closed");
}

}  // namespace kin::detail
