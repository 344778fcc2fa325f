// SPDX-License-Identifier: BSL-1.0
// exchange_scope: what the calling thread is encoding or decoding belongs to a message between a server and one of its
// clients. Read by the codec of handles.
#pragma once

#include <memory>
#include <vector>

#include <kin/manager/hosted_object.hpp>

#include "manager/server_link.hpp"

namespace kin::detail {

struct exchange_scope {
  server_id server;
  std::shared_ptr<server_link> link;             ///< in a client; null in the server itself
  std::vector<std::shared_ptr<hosted>> granted;  ///< in the server: handles that an outcome contains
  exchange_scope* outer = nullptr;
};

/// The innermost of the calling thread, or null.
exchange_scope*& current_scope() noexcept;

/// Puts a scope in force.
class entered_scope {
 public:
  explicit entered_scope(exchange_scope& scope) noexcept : scope_(scope) {
    scope.outer = current_scope();
    current_scope() = &scope;
  }
  entered_scope(const entered_scope&) = delete;
  entered_scope& operator=(const entered_scope&) = delete;
  ~entered_scope() { current_scope() = scope_.outer; }

 private:
  exchange_scope& scope_;
};

}  // namespace kin::detail
