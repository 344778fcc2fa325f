// SPDX-License-Identifier: BSL-1.0
// packet: small whole messages with descriptors over a unix SOCK_SEQPACKET pair, whose ends many processes may share.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include <kin/os/unique_fd.hpp>

namespace kin::os {

/// Two connected close-on-exec ends.
std::pair<unique_fd, unique_fd> packet_pair();

enum class packet_wait { block, no };
inline constexpr std::size_t most_packet_fds = 4;

/// Sends one message; false when nobody is at the other end any more, or (packet_wait::no) there is no room.
bool send_packet(int socket, std::span<const std::byte> bytes, std::span<const int> fds, packet_wait wait);

struct packet {
  std::size_t size = 0;   ///< 0: nobody is at the other end any more, or nothing is there
  bool fds_lost = false;  ///< the kernel could not give us a descriptor (EMFILE)
  std::vector<unique_fd> fds;
};
/// Receives one message of at most into.size() bytes. Throws os_error. `room`: for its descriptors; one that has been
/// in an earlier packet needs no memory any more.
packet recv_packet(int socket, std::span<std::byte> into, packet_wait wait, std::vector<unique_fd> room = {});

}  // namespace kin::os
