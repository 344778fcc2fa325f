// SPDX-License-Identifier: BSL-1.0
// ring_queue: what another process has scribbled over costs an error, at the first use too, when nothing is mapped yet.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include <kin/core/error.hpp>
#include <kin/wire/codec.hpp>

#include "memory/family.hpp"
#include "queue/ring_queue.hpp"

namespace {

using namespace kin::detail;

ring_header& memory_of(const ring_queue& queue) {
  kin::writer to;
  queue.encode(to);
  const parcel handle = to.take();
  std::array<std::uint64_t, 4> parts{};  // see object_ref::encode()
  std::memcpy(parts.data(), handle.bytes.data(), std::min(sizeof parts, handle.bytes.size()));
  return *reinterpret_cast<ring_header*>(family::at(parts[1], parts[3] % (1 << 24)));
}

TEST(queue, whose_first_segment_is_nowhere_throws_at_its_first_use) {
  for (const std::uint64_t place : {~std::uint64_t{0}, ~std::uint64_t{0} / 64 * 64, std::uint64_t{1}}) {
    ring_queue queue(1, 0);
    ring_header& memory = memory_of(queue);
    for (auto& ledger : memory.tails) ledger.segment.store(place);
    for (auto& ledger : memory.heads) ledger.segment.store(place);
    EXPECT_THROW((void)queue.put(std::vector<std::byte>(8), {}, kin::deadline::now()), kin::decode_error);
    memory.tail.store(memory.tail.load() + 2);  // as if one had been put
    std::vector<std::byte> bytes;
    item_target into(bytes);
    std::vector<kin::unique_fd> none;
    EXPECT_THROW((void)queue.get(into, none, kin::deadline::now()), kin::decode_error);
  }
}

}  // namespace
