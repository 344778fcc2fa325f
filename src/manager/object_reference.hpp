// SPDX-License-Identifier: BSL-1.0
// object_reference: what copies of a handle share: one reference to an object, counted by its server.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include <kin/manager/hosted_object.hpp>
#include <kin/manager/object_handle.hpp>

#include "manager/server_link.hpp"

namespace kin::detail {

/// Thread-safe.
class object_reference {
 public:
  /// The server itself, which is not counted.
  static constexpr std::uint64_t the_server = 0;

  /// A reference that the server counts already.
  object_reference(std::shared_ptr<server_link> link, std::uint64_t number) noexcept;
  /// In the server.
  explicit object_reference(std::shared_ptr<hosted> object) noexcept;
  object_reference(const object_reference&) = delete;
  object_reference& operator=(const object_reference&) = delete;
  ~object_reference();

  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  /// The object where this process is its server, else null.
  [[nodiscard]] const std::shared_ptr<hosted>& local() const noexcept { return local_; }
  [[nodiscard]] server_id server() const noexcept;
  /// Where it is not. In a forked copy of the process that made this reference, the server first learns of the copy:
  /// closed_error when the server or the object has gone meanwhile.
  [[nodiscard]] const std::shared_ptr<server_link>& link() const;

 private:
  void adopt_in_forked_copy() const;

  const std::uint64_t number_;
  const std::shared_ptr<hosted> local_;
  mutable std::shared_ptr<server_link> link_;
  mutable std::atomic<unsigned> generation_;  // process_generation() of the process to which link_ belongs
};

}  // namespace kin::detail
