// SPDX-License-Identifier: BSL-1.0
// server_session: one session of one client, in the server: reads its frames, runs its calls, answers (station "server"
// of a manager call in docs/data_flow.md). Runs in a thread of its own, so that a silent or slow client holds up
// nobody.
#pragma once

#include <atomic>
#include <memory>

#include <kin/transport/channel.hpp>

#include "manager/client_references.hpp"
#include "manager/object_table.hpp"

namespace kin::detail {

class server_session {
 public:
  server_session(object_table& table, channel link, std::shared_ptr<client_references> client) noexcept
      : table_(table), link_(std::move(link)), client_(std::move(client)) {
    link_.do_without_descriptors();
  }

  /// Until the client closes the session, what comes is no frame of ours, or `over` is set and the session's sockets
  /// are shut down. Never throws.
  void serve(const std::atomic<bool>& over) noexcept;

 private:
  void take_frame();
  void answer(parcel request);

  object_table& table_;
  channel link_;
  std::shared_ptr<client_references> client_;
};

}  // namespace kin::detail
