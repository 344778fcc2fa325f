// SPDX-License-Identifier: BSL-1.0
// object_ref: how long an object lives: as long as a handle in any process, or in a message that will be decoded.
#include <kin/array.hpp>
#include <kin/memory/object_ref.hpp>
#include <kin/pipe.hpp>
#include <kin/process.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "memory/family.hpp"
#include "memory/watched_object.hpp"
#include "support/eventually.hpp"
#include "support/family_memory.hpp"
#include "support/leaves_nothing_behind.hpp"
#include "sync/forked.hpp"
#include "sync/shared_page.hpp"

namespace kin_test {
namespace {

const bool warm = warm_up([] {
  (void)object_ref::make(object_kind::array, 64).make_span(1);
  kin::process([] {}).join();
});

TEST(object_life, ends_with_the_last_handle_though_it_was_in_a_message_before) {
  auto it = with_span();
  {
    auto message = sent(*it.object, delivery::once);
    message.arrived();
    const auto again = received(message);
    it.object.reset();
    EXPECT_TRUE(it.lives());
  }
  EXPECT_FALSE(it.lives());
}

TEST(object_life, goes_on_in_a_message_that_is_to_be_decoded) {
  auto it = with_span();
  auto message = sent(*it.object, delivery::once);
  message.arrived();
  it.object.reset();
  it.look();
  EXPECT_TRUE(it.lives());
  {
    const auto again = received(message);
    it.look();
    EXPECT_TRUE(it.lives());
  }
  EXPECT_FALSE(it.lives());
  EXPECT_THROW((void)received(message), kin::decode_error);
}

TEST(object_life, ends_with_a_message_that_is_not_sent) {
  auto it = with_span();
  {
    const auto message = sent(*it.object, delivery::once);
    it.object.reset();
    it.look();
    EXPECT_TRUE(it.lives()) << "it may still be";
  }
  EXPECT_FALSE(it.lives());
}

TEST(object_life, goes_on_while_the_lender_of_a_message_keeps_what_it_carries) {
  auto it = with_span();
  std::optional<parcel> message = sent(*it.object, delivery::lent);
  it.object.reset();
  EXPECT_TRUE(it.lives());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(received(*message).get(), it.header);
  EXPECT_TRUE(it.lives());
  const std::vector<std::byte> bytes = message->bytes;
  message.reset();
  EXPECT_FALSE(it.lives());
  EXPECT_THROW((void)received({bytes, {}}), kin::decode_error);
}

TEST(object_life, goes_on_in_what_is_lent_until_that_has_been_decoded_though_it_arrived_before) {
  auto it = with_span();
  auto message = sent(*it.object, delivery::lent);
  it.object.reset();
  message.arrived();
  EXPECT_TRUE(it.lives());
  EXPECT_EQ(received(message).get(), it.header);

  constexpr std::size_t large = 1 << 16;
  std::optional<kin::array<int>> numbers(std::in_place, large);
  auto with_numbers = kin::detail::encode(*numbers, delivery::lent);
  numbers.reset();
  EXPECT_EQ(kin::detail::decode<kin::array<int>>(std::move(with_numbers)).size(), large);
}

TEST(object_life, is_the_familys_once_a_handle_is_where_anybody_may_decode_it) {
  auto it = with_span();
  const auto message = sent(*it.object, delivery::kept);
  it.object.reset();
  EXPECT_TRUE(it.lives());
  for (int i = 0; i < 3; ++i) (void)received(message);
  it.look();
  EXPECT_TRUE(it.lives());
}

TEST(object_life, goes_on_where_a_message_was_decoded_more_often_than_it_said) {
  auto it = with_span();
  const auto other = sent(*it.object, delivery::once);
  auto message = sent(*it.object, delivery::once);
  message.arrived();
  const auto first = received(message), second = received(message), third = received(message);
  it.object.reset();
  EXPECT_TRUE(it.lives()) << "three handles, whatever was counted";
}

TEST(object_life, is_counted_by_processes_that_end_and_that_are_killed) {
  for (const bool killed : {false, true}) {
    auto it = with_span();
    const shared_page<std::atomic<int>> holding;
    std::vector<forked> holders;
    for (int i = 0; i < 4; ++i)
      holders.emplace_back([&] {
        (void)kin::detail::family::self();
        ++*holding;
        while (!killed && *holding < 5) usleep(100);
        if (killed) pause();
      });
    ASSERT_TRUE(eventually([&] { return *holding == 4; }));
    it.object.reset();
    if (!killed) {
      EXPECT_TRUE(it.lives());
      ++*holding;
      for (forked& holder : holders) EXPECT_EQ(holder.join(), 0);
    }
    for (forked& holder : holders) {
      EXPECT_TRUE(it.lives() || !killed);
      holder.kill();
    }
    EXPECT_TRUE(eventually([&] { return !it.lives(); }));
  }
}

TEST(object_life, goes_on_in_a_copy_that_kin_forked_until_that_ends) {
  auto it = with_span();
  auto [ours, theirs] = kin::pipe();
  {
    kin::process copy(kin::start::fork, [&] {
      theirs.send(1);
      (void)theirs.recv<int>();
      theirs.send(int{it.lives() && it.object.has_value()});
      (void)theirs.recv<int>();
    });
    (void)ours.recv<int>();
    it.object.reset();
    EXPECT_TRUE(it.lives());
    ours.send(1);
    EXPECT_EQ(ours.recv<int>(), 1);
    EXPECT_TRUE(it.lives());
    copy.kill();
  }
  EXPECT_TRUE(eventually([&] { return !it.lives(); }));
}

TEST(object_life, is_over_for_what_only_killed_processes_had) {
  const auto [reader, writer] = kin::pipe(kin::simplex);
  const std::size_t before = family_memory();
  for (int round = 0; round < 20; ++round) {
    forked maker([&] {
      std::vector<object_ref> all;
      for (int i = 0; i < 300; ++i) all.push_back(stamped(1, 1024));
      for (int i = 0; i < 8; ++i) {
        (void)all[static_cast<std::size_t>(i)].make_span(1 << 20);
        (void)all[static_cast<std::size_t>(i)].make_part(1 << 16);
        auto message = sent(all[static_cast<std::size_t>(i)], delivery::lent);
      }
      raise(SIGKILL);
    });
    EXPECT_EQ(maker.join(), -SIGKILL);
  }
  EXPECT_TRUE(eventually([&] { return family_memory() <= before + (2 << 20); })) << family_memory();
}

// How many places objects have had of which there were 500 at a time, 50 times; 0: one was not as it was made.
std::size_t places_of_many() {
  std::set<std::uint64_t> places;
  for (int round = 0; round < 50; ++round) {
    std::vector<object_ref> all;
    for (int i = 0; i < 500; ++i) {
      all.push_back(stamped(7, 192));
      auto message = sent(all.back(), delivery::once);
      message.arrived();
      (void)received(message);
      if (!has_stamp(all.back(), 7)) return 0;
      places.insert(all.back().offset());
    }
  }
  return places.size();
}

TEST(object_life, gives_small_memory_back_to_its_maker) {
  const std::size_t places = places_of_many();
  EXPECT_GE(places, 500U);
  EXPECT_LT(places, 2000U);
}

TEST(object_life, of_a_members_objects_gives_memory_back_to_that_member) {
  forked member([] {
    const std::size_t places = places_of_many();
    _exit(places >= 500 && places < 5000 ? 0 : 4);
  });
  EXPECT_EQ(member.join(), 0);
}

}  // namespace
}  // namespace kin_test
