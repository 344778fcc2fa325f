// SPDX-License-Identifier: BSL-1.0
// manager_server: the process behind a kin::manager. Its main thread waits for clients at the door, for tokens of
// proxies in flight to hang up, and for the end of the manager; every session has a thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <kin/manager/manager_stats.hpp>
#include <kin/os/unique_fd.hpp>
#include <kin/transport/channel.hpp>

#include "manager/client_references.hpp"
#include "manager/object_table.hpp"
#include "os/event_fd.hpp"

namespace kin::detail {

class manager_server {
 public:
  /// `door` is the server's end, `way_in` the clients'. At most one in a process.
  manager_server(const server_id& server, unique_fd door, unique_fd way_in);
  manager_server(const manager_server&) = delete;
  manager_server& operator=(const manager_server&) = delete;
  ~manager_server();

  /// Until `parent` (the channel to the manager's process) hangs up; then ends every session and waits for the calls
  /// that are running.
  void serve(int parent);

  /// Of the server that this process is; the manager calls it.
  static manager_stats stats();

 private:
  struct session {
    std::vector<int> sockets;
    std::thread thread;
    bool ended = false;
    std::atomic<bool> over{false};
  };
  void open_door();
  void admit(channel link, std::uint64_t client);
  void run_session(session& s, channel link, std::shared_ptr<client_references> references);
  void join_ended_sessions();
  std::shared_ptr<client_references> client(std::uint64_t number);

  object_table table_;
  unique_fd door_;
  os::event_fd changed_;
  std::mutex mutex_;
  std::list<session> sessions_;
  std::map<std::uint64_t, std::weak_ptr<client_references>> clients_;
};

/// What the server's process runs.
void manager_server_main(server_id server, unique_fd door, unique_fd way_in);

}  // namespace kin::detail
