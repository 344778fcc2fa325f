// SPDX-License-Identifier: BSL-1.0
// client_references: the references that one client of a server has, counted. Lives as long as any of its sessions:
// when the client ends, however it does, the kernel closes its sockets, and its references go.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

#include <kin/manager/hosted_object.hpp>

namespace kin::detail {

/// Thread-safe.
class client_references {
 public:
  void add(std::shared_ptr<hosted> object);
  /// One fewer; a number that the client has no reference to is ignored.
  void release(std::uint64_t object);

 private:
  struct counted {
    std::shared_ptr<hosted> object;
    std::uint64_t references = 0;
  };
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, counted> objects_;
};

}  // namespace kin::detail
