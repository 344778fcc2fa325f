// SPDX-License-Identifier: BSL-1.0
// steps: a fuzzer's input as a list of steps, each as many bytes as it has; what is left over at the end is none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace kin_fuzz {

/// One that changes shared memory, or uses what lies there.
struct step {
  std::uint8_t what, where, size, small;
  std::uint32_t offset;
  std::uint64_t value;
};
static_assert(sizeof(step) == 16);

template <class Step, class Take>
void each_step(const std::uint8_t* data, std::size_t size, Take&& take) {
  for (; size >= sizeof(Step); data += sizeof(Step), size -= sizeof(Step)) {
    Step s;
    std::memcpy(&s, data, sizeof s);
    take(s);
  }
}

}  // namespace kin_fuzz
