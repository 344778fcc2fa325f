// SPDX-License-Identifier: BSL-1.0
// object_handle: which object of which server. What every proxy consists of, and how it travels.
// exchange: one call to the server of an object, from the encoding of its arguments to the decoding of its result.
//
// Invariant: as long as a handle exists in any process, or in a message on its way, the server keeps the object.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <kin/core/export.hpp>
#include <kin/wire/codec.hpp>

namespace kin::detail {

class object_reference;
struct exchange_scope;

/// Names an object; copies share it. Thread-safe like a shared_ptr: any number of threads may use copies, and one and
/// the same as long as nobody assigns to it. In a forked copy of the process it makes itself known to the server when
/// it is first used.
class KIN_EXPORT object_handle {
 public:
  object_handle() noexcept = default;
  explicit object_handle(std::shared_ptr<const object_reference> reference) noexcept
      : reference_(std::move(reference)) {}
  [[nodiscard]] explicit operator bool() const noexcept { return reference_ != nullptr; }

  /// Its number in its server. Throws closed_error for an empty handle.
  [[nodiscard]] std::uint64_t number() const;
  /// Throws closed_error for an empty handle.
  [[nodiscard]] const object_reference& get() const;

  void encode(writer& out) const;
  static object_handle decode(reader& in);
  /// The same object, in whichever process.
  friend KIN_EXPORT bool operator==(const object_handle& a, const object_handle& b) noexcept;

 private:
  std::shared_ptr<const object_reference> reference_;
};

/// While it exists, handles of the server's objects that the calling thread encodes or decodes belong to one message
/// to or from that server, and need no descriptors to keep their objects alive.
class KIN_EXPORT exchange {
 public:
  /// Throws closed_error for an empty handle.
  explicit exchange(const object_handle& with);
  exchange(const exchange&) = delete;
  exchange& operator=(const exchange&) = delete;
  ~exchange();

  /// Has the request (made by encode_call) run in the server, and waits for its outcome. In the server itself it runs
  /// in the calling thread. Throws closed_error when the server has ended or ends meanwhile, os_error.
  parcel run(parcel request);
  /// For decode_outcome.
  [[nodiscard]] static const std::string& server_name();

 private:
  const object_reference* with_;
  std::unique_ptr<exchange_scope> scope_;
};

}  // namespace kin::detail
