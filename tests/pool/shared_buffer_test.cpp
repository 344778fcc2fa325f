// SPDX-License-Identifier: BSL-1.0
// shared_buffer: what a request says of its place is checked before anything is read or written there.
#include <kin/pool/map_place.hpp>

#include <gtest/gtest.h>

#include <cstdint>

#include <kin/core/error.hpp>

namespace kin::detail {
namespace {

TEST(shared_buffer, lends_the_same_memory_to_whoever_runs_a_task) {
  const shared_buffer items(65536), results(65536);
  items.data()[128] = std::byte{7};
  const placed_memory here({place_in(items, 128), place_in(results, 4096), 10}, 4, 8);
  EXPECT_EQ(here.items()[0], std::byte{7});
  here.results()[3] = std::byte{9};
  EXPECT_EQ(results.data()[4096 + 3], std::byte{9});
}

TEST(shared_buffer, lends_what_there_is) {
  const shared_buffer results(65536);
  const placed_memory here({{}, place_in(results, 64), 10}, 0, 8);
  EXPECT_EQ(here.items(), nullptr);
  here.results()[0] = std::byte{9};
  EXPECT_EQ(results.data()[64], std::byte{9});
}

TEST(shared_buffer, has_items_that_cannot_be_written_to_where_a_task_runs) {
  const shared_buffer items(65536), results(65536);
  const placed_memory here({place_in(items, 0), place_in(results, 0), 10}, 4, 8);
  EXPECT_DEATH(*const_cast<volatile std::byte*>(here.items()) = std::byte{1}, "");
}

TEST(shared_buffer, refuses_places_that_cannot_be) {
  const shared_buffer buffer(65536);
  const auto refused = [&](std::uint64_t items_at, std::uint64_t results_at, std::uint64_t count, std::uint64_t bytes) {
    map_place place{place_in(buffer, items_at), place_in(buffer, results_at), count};
    place.items.bytes = place.results.bytes = bytes;
    EXPECT_THROW(placed_memory(place, 4, 8), decode_error) << items_at << ' ' << results_at << ' ' << count;
  };
  refused(0, 0, 8193, 65536);                // results reach beyond the end
  refused(65536 + 16, 0, 0, 65536);          // begins beyond it
  refused(0, 65536, 1, 65536);               //
  refused(1, 0, 1, 65536);                   // not aligned
  refused(0, 0, UINT64_MAX / 4 + 2, 65536);  // whose size overflows
  refused(0, 0, 1, 0);                       // of nothing
  refused(0, 0, 1, 131072);                  // larger than the memory
  const map_place good{place_in(buffer, 0), place_in(buffer, 0), 8192};
  EXPECT_NO_THROW(placed_memory(good, 4, 8));
}

TEST(shared_buffer, is_used_again_when_it_is_large_enough) {
  shared_buffers free;
  auto first = free.take(100'000);
  const auto* const memory = first->data();
  free.give_back(std::move(first));
  EXPECT_EQ(free.take(50'000)->data(), memory);
}

}  // namespace
}  // namespace kin::detail
