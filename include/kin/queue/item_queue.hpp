// SPDX-License-Identifier: BSL-1.0
// item_queue: a queue of parcels between any number of processes and threads. What queue<T> and joinable_queue<T> are
// typed views of.
//
// Invariant: an item is in the queue from the one store that commits its put to the one store that commits its get,
// whoever is killed, wherever. No lock is held while user code runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include <kin/core/deadline.hpp>
#include <kin/core/export.hpp>
#include <kin/wire/parcel.hpp>

namespace kin {
class writer;
class reader;
}  // namespace kin

namespace kin::detail {

/// Copies a small item without a call. Whoever puts one has just written it in pieces, and a load wider than they would
/// have to wait until they have left the processor's store buffer; so it is read by words. It is written by pairs of
/// words, which whoever reads it soon after may read as it likes.
inline constexpr std::size_t small_item = 256;
[[gnu::always_inline]] inline void copy_small(std::byte* to, const std::byte* from, std::size_t n) noexcept {
  using pair [[gnu::vector_size(16)]] = std::uint64_t;
  for (; n >= sizeof(pair); n -= sizeof(pair), to += sizeof(pair), from += sizeof(pair)) {
    std::uint64_t first, second;
    std::memcpy(&first, from, sizeof first);
    std::memcpy(&second, from + sizeof first, sizeof second);
    asm("" : "+r"(first), "+r"(second));  // or the compiler makes one load of two
    const pair both{first, second};
    std::memcpy(to, &both, sizeof both);
  }
  for (; n >= sizeof(std::uint32_t); n -= sizeof(std::uint32_t), to += sizeof(std::uint32_t)) {
    std::memcpy(to, from, sizeof(std::uint32_t));
    from += sizeof(std::uint32_t);
  }
  for (; n != 0; --n) {
    *to++ = *from++;
    asm("" : "+r"(to));
  }
}

/// Where the bytes of a taken item go: to a vector of any size, or to an object of exactly their size.
class item_target {
 public:
  explicit item_target(std::vector<std::byte>& into) noexcept : growing_(&into) {}
  explicit item_target(std::span<std::byte> into) noexcept : fixed_(into) {}

  /// An item of `size` bytes follows. Throws bad_alloc.
  void begin(std::size_t size) {
    if (growing_) {
      growing_->clear();
      growing_->reserve(size);
    } else {
      next_ = fixed_.data();
      fits_ = size == fixed_.size();
    }
  }
  void add(const std::byte* from, std::size_t n) {
    if (growing_) {
      growing_->insert(growing_->end(), from, from + n);
    } else if (fits_) {
      if (n <= small_item)
        copy_small(next_, from, n);
      else
        std::memcpy(next_, from, n);
      next_ += n;
    }
  }
  /// False: the item was of another size, and is lost.
  [[nodiscard]] bool fits() const noexcept { return fits_; }

 private:
  std::vector<std::byte>* growing_ = nullptr;
  std::span<std::byte> fixed_;
  std::byte* next_ = nullptr;
  bool fits_ = true;
};

enum class queue_answer { done, timed_out, closed };

/// All methods may be called by any number of threads and processes at once, and after fork in both processes.
class KIN_EXPORT item_queue {
 public:
  /// Whether items may have descriptors, which need a memory file, an eventfd and two sockets of the queue's own.
  enum class descriptors { none, some };

  /// An empty queue; `capacity` 0 is unbounded. `signature` is that of the item's type. Throws os_error.
  item_queue(std::uint64_t signature, std::size_t capacity, descriptors in_items);
  /// The same queue in another process: what encode() wrote. Throws decode_error, type_mismatch, os_error.
  item_queue(std::uint64_t signature, descriptors in_items, reader& from);
  ~item_queue();
  void encode(writer& to) const;

  /// Appends an item, waiting for room until `until`. Throws os_error: no memory, no room for its descriptors.
  queue_answer put(std::span<const std::byte> bytes, std::span<const unique_fd> fds, const deadline& until);
  /// Takes the first item, waiting for one until `until`; closed: and nothing is left. Throws os_error (EMFILE: the
  /// item stays the first), decode_error when the memory is damaged.
  queue_answer get(item_target into, std::vector<unique_fd>& fds, const deadline& until);

  /// What nearly every put and get of a stream of small items is: with nothing to wait for. False: nothing was done,
  /// and put() or get() is to see to it.
  bool put_at_once(std::span<const std::byte> bytes) noexcept;
  bool get_at_once(std::span<std::byte> into) noexcept;

  /// Throws std::logic_error when there is no unfinished item.
  void task_done();
  /// False at the deadline.
  bool join(const deadline& until);

  void close();
  bool closed();
  std::size_t size();
  [[nodiscard]] std::size_t capacity() const noexcept;
  int native_handle();
  /// Whether it is the same queue, of the same type of items. Where items may have descriptors, only the same object
  /// is.
  [[nodiscard]] bool same_as(const item_queue& other) const noexcept;

  class body;

 private:
  std::unique_ptr<body> body_;
};

/// To encode an item into, and to receive one into: with memory that this thread has used before and given back, so
/// that a small item costs no allocation. User code that puts while it is encoded finds none, and allocates.
KIN_EXPORT writer item_writer();
KIN_EXPORT parcel item_parcel();
KIN_EXPORT void give_back(parcel& used) noexcept;

/// What the typed views throw.
[[noreturn]] KIN_EXPORT void throw_closed_queue(const char* operation);

}  // namespace kin::detail
