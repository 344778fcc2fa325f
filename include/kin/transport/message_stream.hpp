// SPDX-License-Identifier: BSL-1.0
// message_stream: a large message that is decoded while it arrives, so that its receiver holds it once: as the value
// that it becomes. Station 3 of the journey of a message (docs/data_flow.md).
//
// Invariant: afterwards the channel is behind the message, whatever became of the value, or closed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <kin/core/deadline.hpp>
#include <kin/core/export.hpp>
#include <kin/os/unique_fd.hpp>
#include <kin/transport/channel.hpp>
#include <kin/wire/reader.hpp>

namespace kin::detail {

class KIN_EXPORT message_stream final : public byte_source {
 public:
  /// Begins the message that `from`, which comes_in_parts(), showed last. Throws like channel::take.
  explicit message_stream(channel& from, const deadline& until = deadline::never());
  /// Waits for the rest of a message that could not be decoded.
  ~message_stream() override;

  /// The message, as one T. Throws what a decoder throws; closed_error when the sender dies before it was sent.
  template <class T>
  T take() {
    T value = in_.take<T>();
    in_.finish();
    return value;
  }
  std::span<const std::byte> next() override;

 private:
  message_stream(channel& from, std::uint64_t size, const deadline& until);

  channel& from_;
  deadline until_;
  std::vector<unique_fd> fds_;
  std::shared_ptr<const void> memory_;  // where the parts lie, should a decoder close the connection
  reader in_;
};

}  // namespace kin::detail
