// SPDX-License-Identifier: BSL-1.0
// span_store: the root's book of large memory, alone.
#include "memory/span_store.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <random>
#include <vector>

#include <kin/core/error.hpp>

#include "os/memory_file.hpp"
#include "support/leaves_nothing_behind.hpp"

namespace {

using kin::detail::span_owner;
using kin::detail::span_store;

TEST(span_store, gives_whole_pages_to_an_owner_by_number) {
  span_store store;
  const span_owner a{64, 1}, b{128, 2};
  const auto& first = store.make(a, 1);
  const auto& second = store.make(b, 4097);
  EXPECT_EQ(first.size, 4096U);
  EXPECT_EQ(second.size, 8192U);
  EXPECT_NE(first.offset, second.offset);
  EXPECT_EQ(store.find(a, first.number), &first);
  EXPECT_EQ(store.find(b, first.number), nullptr) << "another's";
  EXPECT_EQ(store.find({64, 9}, first.number), nullptr) << "what lay there before";
  EXPECT_EQ(store.find(a, 99), nullptr);
}

TEST(span_store, keeps_one_of_an_owner_and_frees_its_others) {
  span_store store;
  const span_owner a{64, 1}, b{128, 2};
  const auto one = store.make(a, 1).number, two = store.make(a, 1).number, other = store.make(b, 1).number;
  store.keep_only(a, two);
  EXPECT_EQ(store.find(a, one), nullptr);
  EXPECT_NE(store.find(a, two), nullptr);
  store.keep_only(a, 0);
  EXPECT_EQ(store.find(a, two), nullptr);
  EXPECT_NE(store.find(b, other), nullptr);
  store.drop_if([&](span_owner owner) { return owner == b; });
  EXPECT_EQ(store.find(b, other), nullptr);
}

TEST(span_store, refuses_sizes_that_cannot_be) {
  span_store store;
  EXPECT_THROW((void)store.make({64, 1}, 0), kin::os_error);
  EXPECT_THROW((void)store.make({64, 1}, std::size_t{1} << 60), kin::os_error);
  EXPECT_THROW((void)store.make({64, 1}, ~std::size_t{0}), kin::os_error);
  EXPECT_EQ(store.make({64, 1}, 5).offset, 0U) << "and nothing is lost by it";
}

// Random life of many spans: they never overlap, begin zeroed, and the file is no longer than it was ever needed.
TEST(span_store, uses_again_what_was_freed_and_zeroes_it) {
  span_store store;
  std::mt19937 chance(3);
  std::map<std::uint64_t, const span_store::span*> living;  // by owner
  std::size_t in_use = 0, most_in_use = 0, file = 0;
  for (std::uint64_t round = 1; round < 2000; ++round) {
    if (living.size() < 20 || chance() % 2 == 0) {
      const auto& made = store.make({round * 64, round}, 1 + chance() % 100'000);
      kin::os::allocate_memory(store.file(made), made.offset, made.size);
      const kin::os::mapping view(store.file(made), made.offset, made.size, kin::os::access::write);
      for (std::size_t i = 0; i < made.size; ++i) ASSERT_EQ(view.data()[i], std::byte{0});
      std::memset(view.data(), 0xff, view.size());
      for (const auto& [owner, other] : living)
        ASSERT_TRUE(other->offset + other->size <= made.offset || made.offset + made.size <= other->offset);
      living[round] = &made;
      in_use += made.size;
      file = kin::os::memory_file_size(store.file(made));
    } else {
      auto victim = std::next(living.begin(), static_cast<long>(chance() % living.size()));
      in_use -= victim->second->size;
      store.keep_only(victim->second->owner, 0);
      living.erase(victim);
    }
    most_in_use = std::max(most_in_use, in_use);
  }
  EXPECT_LT(file, 3 * most_in_use) << "first fit, with neighbours joined";
}

}  // namespace
