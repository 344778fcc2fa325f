// SPDX-License-Identifier: BSL-1.0
// object_ref: this process's hold on one object in the family's arena. What every shared handle (mutex, event, value …)
// has as its only member. A copy holds the same object; it crosses to other processes of the family as a number.
//
// The object lives as long as a handle in any process, and as a message that may bring one (decision 0012). So do its
// spans: large memory that belongs to it (memory/span_store.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include <kin/core/export.hpp>

namespace kin {
class reader;
class writer;

namespace detail {

struct object_header;
struct object_hold;

/// Part of a handle's form on the wire: never renumbered.
enum class object_kind : std::uint32_t {
  mutex = 1,
  recursive_mutex = 2,
  counting_semaphore = 3,
  bounded_semaphore = 4,
  condition_variable = 5,
  event = 6,
  barrier = 7,
  value = 8,
  guarded_value = 9,
  array = 10,
  shared_memory = 11,
  shared_list = 12,
  shared_dict = 13,
  queue = 20,
  queue_segment = 21,
  range_claims = 22,
};

class KIN_EXPORT object_ref {
 public:
  // Copied where others would be moved from: there is no handle that names nothing.
  object_ref(const object_ref&) = default;
  object_ref& operator=(const object_ref&) = default;
  ~object_ref() = default;

  /// A new object of `size` bytes (its header included), zeroed but for the header. Throws os_error.
  static object_ref make(object_kind kind, std::size_t size);
  /// Throws decode_error for bytes that name no living object of this kind and of at least `size` bytes.
  static object_ref decode(reader& from, object_kind kind, std::size_t size);
  /// As the writer's delivery says.
  void encode(writer& to) const;

  [[nodiscard]] object_header* get() const noexcept { return header_; }
  /// Where the object lies in the arena, as in family::at().
  [[nodiscard]] std::uint64_t offset() const noexcept;
  /// Bytes of the object as they were made, rounded up; never from shared memory.
  [[nodiscard]] std::size_t size() const noexcept;
  friend bool operator==(const object_ref& a, const object_ref& b) noexcept { return a.get() == b.get(); }

  /// New memory of `size` bytes, zeroed, that belongs to this object and replaces what it had, but for the span `kept`:
  /// returns its number; it is mapped in this process as long as `memory` lives. With a name: see shared_memory.
  struct span {
    std::uint64_t number = 0;
    std::byte* data = nullptr;
    std::size_t size = 0;  ///< never from shared memory
    std::shared_ptr<void> memory;
  };
  [[nodiscard]] span make_span(std::size_t size, std::uint64_t kept = 0, const std::string& name = {}) const;
  [[nodiscard]] span open_named_span(const std::string& name) const;
  /// Throws decode_error when it has no such span.
  [[nodiscard]] span open_span(std::uint64_t number) const;
  /// Frees its spans but `kept`.
  void keep_span(std::uint64_t kept) const noexcept;
  /// New memory of the arena, zeroed but for what lies there as a header, that belongs to this object: `size` is a
  /// power of two from 16 KiB to 1 MiB. Throws os_error.
  struct part {
    std::uint64_t offset;
    std::byte* data;
  };
  [[nodiscard]] part make_part(std::size_t size) const;
  /// What this process keeps beside the object until the last handle here goes: the first that was offered, or null.
  std::shared_ptr<void> keep_beside(std::shared_ptr<void> offered) const;

  /// Lets `leave` be called when the last handle of this process goes (not in a forked copy's stead).
  void on_last_handle(void (*leave)(object_header&, std::size_t size) noexcept) const;

 private:
  explicit object_ref(std::shared_ptr<object_hold> hold) noexcept;
  object_header* header_;
  std::shared_ptr<object_hold> hold_;
};

}  // namespace detail
}  // namespace kin
