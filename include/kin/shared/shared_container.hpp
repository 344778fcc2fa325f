// SPDX-License-Identifier: BSL-1.0
// shared_container: what shared_list and shared_dict have in common: a lock, and a version of their contents in shared
// memory (shared/version.hpp) that any process can write to, and replace by a larger one. Speaks of bytes; the
// templates above it encode and decode.
//
// A process killed while it holds the lock loses it to the next one who comes, who finds the contents whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <kin/core/export.hpp>
#include <kin/memory/object_ref.hpp>

namespace kin::detail {

using byte_view = std::span<const std::byte>;

/// How entries look, in words of 8 bytes.
struct container_form {
  bool is_dict, inline_keys;  // a key of at most 8 bytes, always equally long, lies in its word
  std::uint8_t value_words;   // a value, if it lies in the entry too; 0: values lie in blocks
  std::uint8_t words;         // an entry

  static constexpr std::size_t most_inline = 64;
  static constexpr container_form list(bool inline_values) { return {false, false, inline_values, 2}; }
  /// value_size 0: in blocks.
  static constexpr container_form dict(bool inline_keys, std::size_t value_size) {
    const auto n = static_cast<std::uint8_t>((value_size + 7) / 8);
    const auto before = static_cast<std::uint8_t>(inline_keys ? 2 : 3);
    return {true, inline_keys, n, static_cast<std::uint8_t>(before + (n == 0 ? 1 : n))};
  }
};

class version;
struct opened_version;
struct container_beside;
struct container_object;

class KIN_EXPORT shared_container {
 public:
  shared_container(object_kind kind, container_form form);
  // Copied where others would be moved from: there is no handle that names nothing.
  shared_container(const shared_container&) = default;
  shared_container& operator=(const shared_container&) = default;
  ~shared_container() = default;
  static shared_container decode(reader& from, object_kind kind, container_form form);
  void encode(writer& to) const { ref_.encode(to); }
  // Of a dict, under its lock.
  /// Copies a value of exactly this size. False: it is not there.
  bool read(byte_view key, std::span<std::byte> value) const;
  void set(byte_view key, byte_view value) const;
  friend bool operator==(const shared_container& a, const shared_container& b) noexcept { return a.ref_ == b.ref_; }

 private:
  friend class container_access;
  shared_container(object_ref ref, container_form form);
  container_object& object() const noexcept;
  [[gnu::noinline]] bool read_holding(byte_view key, std::span<std::byte> value, std::uint64_t me) const;
  [[gnu::noinline]] void set_holding(byte_view key, byte_view value, std::uint64_t me) const;
  bool read_slowly(byte_view key, std::span<std::byte> value) const;
  object_ref ref_;
  std::shared_ptr<container_beside> beside_;
  container_form form_;
};

/// The lock, held; and what can be done under it. Views stay valid until the next change.
class KIN_EXPORT container_access {
 public:
  /// Throws std::system_error (resource_deadlock_would_occur) when this thread has it already: within update().
  explicit container_access(const shared_container& all);
  container_access(const container_access&) = delete;
  container_access& operator=(const container_access&) = delete;
  ~container_access();

  /// After user code has run: throws closed_error in a copy of this process that was forked there, which does not
  /// have the lock.
  void require_lock() const;
  [[nodiscard]] std::size_t size() const noexcept;
  void clear();

  // Dict. Null data: not there.
  [[nodiscard]] byte_view find(byte_view key) const;
  void set(byte_view key, byte_view value);
  bool erase(byte_view key);
  /// The item that was added last; false: there is none.
  bool last(byte_view& key, byte_view& value) const;
  /// f(key, value) for each, in the order of insertion.
  template <class F>
  void each(F&& f) const {
    byte_view key, value;
    for (std::size_t entry = 0; next(entry, key, value); ++entry) f(key, value);
  }

  // List. An index that is not below size() is the caller's fault: it has looked. Where the memory has been damaged
  // meanwhile, or sizes cannot be, these throw decode_error.
  [[nodiscard]] byte_view at(std::size_t index) const;
  [[nodiscard]] std::vector<byte_view> values() const;
  void set_at(std::size_t index, byte_view value);
  void append(std::span<const byte_view> values);
  void pop_back();
  /// These and nothing else from now on; they may be views of this list.
  void assign(std::span<const byte_view> values);

 private:
  // From `entry` on the first that is alive.
  bool next(std::size_t& entry, byte_view& key, byte_view& value) const;
  void tidy_up();
  void open();
  void know(std::unique_ptr<opened_version> opened) noexcept;
  void write_anew(std::size_t entries, std::size_t heap_bytes, void (*fill)(version&, void*), void* argument);
  void make_room(std::size_t heap_bytes);

  const shared_container& all_;
  container_object& object_;
  const std::uint64_t me_;  // the claim that took the lock
  version* now_ = nullptr;
};

[[noreturn]] KIN_EXPORT void throw_damaged_element();
[[noreturn]] KIN_EXPORT void throw_beyond_end();
[[noreturn]] KIN_EXPORT void throw_missing_key(const std::string& key);

}  // namespace kin::detail
