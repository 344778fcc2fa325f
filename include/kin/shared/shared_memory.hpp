// SPDX-License-Identifier: BSL-1.0
// shared_memory: bytes that processes share. A handle: a copy names the same bytes; hand it to processes, tasks and
// queues like any value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <kin/core/count.hpp>
#include <kin/core/export.hpp>
#include <kin/shared/shared_object.hpp>
#include <kin/wire/access.hpp>

namespace kin {

struct shared_memory_options {
  /// Empty: anonymous. Else strangers can open it, too: it is /dev/shm/NAME, as with shm_open(3) and Python's
  /// SharedMemory(NAME), for this user alone.
  std::string name;
};

/// Memory goes with its last handle in any process. The name of named memory goes with it, too, at the latest when the
/// family's first process ends, be it by SIGKILL: from the first name on a small process waits for that. It leaves
/// names that were made before kin::init(), or without it, to unlink().
class KIN_EXPORT shared_memory {
 public:
  using kin_handle = void;

  /// Zeroed, and allocated: a full memory is an os_error here, never a signal later. Throws os_error (ENOMEM, ENOSPC,
  /// EFBIG; EEXIST when the name is taken; ECONNRESET when the process for names does not start), std::invalid_argument
  /// (a name with a slash inside, named memory of no size).
  explicit shared_memory(count size, shared_memory_options options = {});
  /// What somebody, kin or not, has made under this name. Throws os_error (ENOENT). What its maker cuts off is gone:
  /// touching it then is SIGBUS.
  [[nodiscard]] static shared_memory open(const std::string& name);
  /// Removes the name; those who have the memory keep it. False, and no error: there is none (any more).
  static bool unlink(const std::string& name);
  bool unlink() const { return unlink(name()); }

  /// At the beginning of a page; null if size() is 0.
  [[nodiscard]] std::byte* data() const noexcept { return object_.data; }
  [[nodiscard]] std::size_t size() const noexcept { return object_.count; }
  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return {data(), size()}; }
  /// Without the slash that it may have been given with; empty for anonymous memory.
  [[nodiscard]] std::string name() const;

  friend bool operator==(const shared_memory& a, const shared_memory& b) noexcept {
    return a.object_.ref == b.object_.ref;
  }

 private:
  friend struct codec<shared_memory>;
  explicit shared_memory(detail::shared_elements object) noexcept : object_(std::move(object)) {}
  detail::shared_elements object_;
};

template <>
struct KIN_EXPORT codec<shared_memory> {
  static constexpr bool has_descriptors = false;
  static constexpr std::string_view structure = "shared_memory";
  static void encode(writer& to, const shared_memory& memory);
  static shared_memory decode(reader& from);
};

}  // namespace kin
