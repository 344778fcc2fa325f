// SPDX-License-Identifier: BSL-1.0
// delivery: what a transport promises about the messages that it carries, so that the handles in them are accounted for
// (docs/decisions/0012-an-object-goes-with-its-last-holder.md); and what a message keeps for them meanwhile.
#pragma once

#include <kin/core/export.hpp>

namespace kin::detail {

/// Part of a handle's form on the wire: never renumbered.
enum class delivery : unsigned char {
  kept,  ///< decoded nobody knows when, or how often: what handles name lives as long as the family
  once,  ///< decoded once at most, in any process
  lent,  ///< decoded any number of times, while the sender keeps what the parcel carries
};

/// What a parcel carries for a handle in its bytes.
class KIN_EXPORT passenger {
 public:
  passenger() = default;
  passenger(const passenger&) = delete;
  passenger& operator=(const passenger&) = delete;
  virtual ~passenger();
  /// The bytes are where they will be decoded from. Destroyed without this, they never will be.
  virtual void arrive() noexcept = 0;
};

}  // namespace kin::detail
