// SPDX-License-Identifier: BSL-1.0
// opened_blocks: the large messages of one sender, decoded where they lie. block_store is the other end.
#pragma once

#include <kin/wire/parcel.hpp>

#include "pool/buffer_views.hpp"

namespace kin::detail {

class opened_blocks {
 public:
  enum class role : bool { reads, reads_and_returns };
  explicit opened_blocks(role mine) noexcept;

  /// The message that `reference` refers to. Throws decode_error for what no block_store writes, os_error.
  [[nodiscard]] parcel open(parcel reference);

 private:
  class opened;
  const role mine_;
  buffer_views views_;
};

}  // namespace kin::detail
