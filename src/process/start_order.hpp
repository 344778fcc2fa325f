// SPDX-License-Identifier: BSL-1.0
// start_order: what an asker tells a spare process of its fork server: one packet with descriptors, which any spare
// may take. What makes the order long (an environment) follows on the new child's own channel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <kin/os/unique_fd.hpp>
#include <kin/wire/parcel.hpp>

#include "os/own_image.hpp"
#include "process/bootstrap.hpp"

namespace kin::detail {

struct start_order {
  introduction who;
  /// As image_changes; empty where the child keeps what the server had from init().
  std::vector<std::string> environment;
  std::string working_directory;
  std::vector<std::pair<int, rlimit>> limits;
  std::vector<int> affinity;

  [[nodiscard]] bool changes_surroundings() const {
    return !environment.empty() || !working_directory.empty() || !limits.empty() || !affinity.empty();
  }
};
parcel encode_order(const start_order& order);
start_order decode_order(parcel message);

/// The packet: this head, and the encoded order when it fits.
struct order_packet {
  static constexpr std::uint64_t magic_value = 0x6b696e2d6f726472;  // "kin-ordr"
  static constexpr std::size_t room = 3500;
  std::uint64_t magic = magic_value;
  std::uint64_t number = 0;                              ///< the asker's, to cancel it by
  std::uint8_t has_out = 0, has_err = 0, has_crash = 0;  ///< descriptors that follow the channel's end, in this order
  std::uint8_t on_channel = 0;                           ///< the order comes as an introduction_frame
  std::uint32_t size = 0;
  std::byte order[room];
  [[nodiscard]] std::size_t bytes_used() const { return offsetof(order_packet, order) + (on_channel ? 0 : size); }
};

/// What the server tells its asker of the children's ends.
struct server_report {
  std::uint64_t serial;
  std::int32_t pid;
  std::int32_t code, signal, core_dumped;
  std::int32_t kept;  ///< 1: it stays a zombie until the asker sends its serial back
  std::int32_t reserved;
  std::uint64_t peak_memory;
  std::int64_t user_time, system_time;  ///< microseconds
};

/// What the asker tells the server.
struct server_request {
  enum class verb : std::uint64_t { release, cancel };
  verb what;
  std::uint64_t number;  ///< release: the serial of a child that may be forgotten; cancel: of an order nobody waits for
};

/// What a spare tells its server when it has been taken.
struct taken_note {
  std::uint64_t serial, order;
  std::uint64_t keeps_group;  ///< 1: it leads a process group, whose number must not be free before the asker says so
};

/// The hello of a served child, and (serial 0) of the server itself. A pidfd comes with it.
struct served_hello {
  std::uint64_t serial;
  std::int64_t pid;
};

}  // namespace kin::detail
