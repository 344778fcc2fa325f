// SPDX-License-Identifier: BSL-1.0
// spare: a copy of the fork server that has done beforehand what can be done, and sleeps until it takes an order.
#pragma once

#include <cstdint>

namespace kin::detail {

/// The server's own descriptors have numbers from here on; spares close them all.
inline constexpr int first_private_fd = 32;

struct spare_ties {
  std::uint64_t serial;
  int server;  ///< its pid
  int notes;   ///< where it is told who has been taken
  int asker;   ///< the asker's pidfd
  bool server_gives_way;
};
/// Goes the way of an order once, with one of its own. What it touches is then this process's own, and what it calls
/// has been found: the first order finds both, where it would have to wait for a hundred page faults otherwise.
enum class rehearsal { server, spare };
void rehearse_order(rehearsal where);
/// In the fresh copy. Tied to the server until it is taken, and to the asker from now on.
[[noreturn]] void live_as_spare(const spare_ties& ties);

}  // namespace kin::detail
