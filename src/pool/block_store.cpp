// SPDX-License-Identifier: BSL-1.0
// block_store: see the header.
#include "pool/block_store.hpp"

#include <algorithm>
#include <utility>

#include <kin/core/error.hpp>
#include <kin/os/duplicate.hpp>

#include "os/memory_file.hpp"
#include "os/process_id.hpp"
#include "pool/block_reference.hpp"

namespace kin::detail {
namespace {

// Each has a descriptor. Beyond them large messages go as others do.
constexpr std::size_t most_blocks = 16;
// Kept for later messages.
constexpr std::size_t most_bytes_of_blocks_kept = std::size_t{512} << 20;

block_head& head_of(const shared_buffer& buffer) noexcept { return *reinterpret_cast<block_head*>(buffer.data()); }

}  // namespace

/// Keeps its store alive, and gives its buffer back to it.
class block_store::lent_block final : public memory_block {
 public:
  lent_block(std::shared_ptr<block_store> from, std::shared_ptr<shared_buffer> buffer) noexcept
      : from_(std::move(from)), buffer_(std::move(buffer)) {}
  ~lent_block() override { from_->give_back(*buffer_, handed_over_); }
  [[nodiscard]] std::span<std::byte> room() const noexcept override {
    return std::span(buffer_->data(), buffer_->size()).subspan(block_head_size);
  }
  [[nodiscard]] const shared_buffer& buffer() const noexcept { return *buffer_; }
  void hand_over() noexcept { handed_over_ = true; }

 private:
  const std::shared_ptr<block_store> from_;
  const std::shared_ptr<shared_buffer> buffer_;
  bool handed_over_ = false;
};

bool block_store::entry::is_free() const noexcept {
  // acquire: its receiver has read there before it counted.
  return !lent && head_of(*buffer).returned.load(std::memory_order_acquire) == handed_over;
}

// What nobody reads any more need not wait for processes that somebody has forked.
bool block_store::entry::empty_if_free() const noexcept {
  if (!is_free()) return false;
  buffer->drop_memory();
  return true;
}

block_store::block_store() : owner_(os::own_pid()) {}
block_store::~block_store() {
  if (os::own_pid() != owner_) return;
  for (const entry& e : all_) (void)e.empty_if_free();
}

// The smallest that is large enough.
block_store::entry* block_store::find(std::size_t bytes) noexcept {
  entry* best = nullptr;
  for (entry& e : all_)
    if (e.buffer->size() >= bytes && (best == nullptr || e.buffer->size() < best->buffer->size()) && e.is_free())
      best = &e;
  return best;
}

block_store::entry* block_store::make(std::size_t bytes) {
  // None of those that are free is large enough.
  std::erase_if(all_, [](const entry& e) {
    return e.buffer->size() < most_bytes_of_blocks_kept / most_blocks && e.empty_if_free();
  });
  if (all_.size() >= most_blocks) std::erase_if(all_, [](const entry& e) { return e.empty_if_free(); });
  if (all_.size() >= most_blocks) return nullptr;
  all_.reserve(all_.size() + 1);
  return &all_.emplace_back(entry{std::make_shared<shared_buffer>(os::size_to_reuse(bytes))});
}

std::shared_ptr<memory_block> block_store::take(std::size_t bytes) noexcept {
  if (os::own_pid() != owner_ || bytes > SIZE_MAX / 2) return nullptr;
  bytes += block_head_size;
  try {
    const std::lock_guard hold(mutex_);
    entry* chosen = find(bytes);
    if (chosen == nullptr) chosen = make(bytes);
    if (chosen == nullptr) return nullptr;
    auto block = std::make_shared<lent_block>(shared_from_this(), chosen->buffer);
    chosen->lent = true;
    return block;
  } catch (const std::exception&) {
    return nullptr;  // no memory of this kind: the message goes as others do
  }
}

void block_store::give_back(const shared_buffer& buffer, bool with_receiver) noexcept {
  if (os::own_pid() != owner_) return;
  const std::lock_guard hold(mutex_);
  const auto it = std::find_if(all_.begin(), all_.end(), [&](const entry& e) { return e.buffer.get() == &buffer; });
  it->lent = false;
  if (with_receiver) ++it->handed_over;
  std::size_t kept = 0;
  for (const entry& e : all_) kept += e.buffer->size();
  if (kept <= most_bytes_of_blocks_kept) return;
  // Its receiver has it mapped, or is to: what it has not read yet stays there.
  (void)it->empty_if_free();
  all_.erase(it);
}

std::shared_ptr<parcel> block_store::refer_or_leave(parcel& message) {
  if (!message.block) return nullptr;
  const auto& block = static_cast<const lent_block&>(*message.block);
  const block_reference where{block.buffer().number(), block.buffer().size(), message.in_block};
  auto result = std::make_shared<parcel>();
  const auto bytes = std::as_bytes(std::span(&where, 1));
  result->bytes.assign(bytes.begin(), bytes.end());
  try {
    result->fds.push_back(block.buffer().file());
  } catch (const os_error&) {
    message.leave_block();
    return nullptr;
  }
  for (const unique_fd& each : message.fds) result->fds.push_back(os::duplicate(each.get()));
  std::rotate(result->fds.begin(), result->fds.begin() + 1, result->fds.end());  // the block's is the last
  return result;
}

void block_store::hand_over(const parcel& message) noexcept { static_cast<lent_block&>(*message.block).hand_over(); }

}  // namespace kin::detail
