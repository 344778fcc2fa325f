// SPDX-License-Identifier: BSL-1.0
// object_ref: how long an object lives: as long as a handle in any process, or in a message that will be decoded.
// White box: a header stays mapped for ever, and says whether its object still is there.
#include <kin/memory/object_ref.hpp>
#include <kin/pipe.hpp>
#include <kin/process.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <kin/wire/codec.hpp>

#include "memory/family.hpp"
#include "memory/object_header.hpp"
#include "memory/passage.hpp"
#include "support/eventually.hpp"
#include "support/family_memory.hpp"
#include "support/leaves_nothing_behind.hpp"
#include "sync/forked.hpp"
#include "sync/shared_page.hpp"
#include "sync/stepped.hpp"

namespace {

using kin::detail::delivery;
using kin::detail::object_header;
using kin::detail::object_kind;
using kin::detail::object_ref;
using kin::detail::parcel;
using kin_test::eventually;
using kin_test::forked;

const bool warm = kin_test::warm_up([] {
  (void)object_ref::make(object_kind::array, 64).make_span(1);
  kin::process([] {}).join();
});

constexpr std::size_t body = sizeof(object_header);

object_ref stamped(std::uint64_t stamp, std::size_t size = 128) {
  object_ref made = object_ref::make(object_kind::array, size);
  auto* words = reinterpret_cast<std::uint64_t*>(reinterpret_cast<std::byte*>(made.get()) + body);
  for (std::size_t i = 0; i < (size - body) / sizeof stamp; ++i) std::atomic_ref(words[i]).store(stamp);
  return made;
}
bool has_stamp(const object_ref& object, std::uint64_t stamp) {
  auto* words = reinterpret_cast<std::uint64_t*>(reinterpret_cast<std::byte*>(object.get()) + body);
  for (std::size_t i = 0; i < (object.size() - body) / sizeof stamp; ++i)
    if (std::atomic_ref(words[i]).load() != stamp) return false;
  return true;
}
parcel sent(const object_ref& object, delivery how) {
  kin::writer out(how);
  object.encode(out);
  return out.take();
}
object_ref received(const parcel& message, std::size_t size = 128) {
  std::vector<kin::unique_fd> none;
  kin::reader in(message.bytes, none);
  return object_ref::decode(in, object_kind::array, size);
}

// An object whose last handle may go; and whether it is still there.
struct watched {
  explicit watched(object_ref made) : serial(made.get()->serial.load()), header(made.get()), object(std::move(made)) {}
  [[nodiscard]] bool lives() const { return header->serial.load() == serial && header->kind.load() != 0; }
  const std::uint64_t serial;
  const object_header* header;
  std::optional<object_ref> object;
};
// With a span, so that the root looks at once when it seems to be unused.
watched with_span() {
  auto object = object_ref::make(object_kind::array, 128);
  (void)object.make_span(1);
  return watched(std::move(object));
}

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
  EXPECT_TRUE(it.lives());
  {
    const auto again = received(message);
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

TEST(object_life, is_the_familys_once_a_handle_is_where_anybody_may_decode_it) {
  auto it = with_span();
  const auto message = sent(*it.object, delivery::kept);
  it.object.reset();
  EXPECT_TRUE(it.lives());
  for (int i = 0; i < 3; ++i) (void)received(message);
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
    const kin_test::shared_page<std::atomic<int>> holding;
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
  const std::size_t before = kin_test::family_memory();
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
  EXPECT_TRUE(eventually([&] { return kin_test::family_memory() <= before + (2 << 20); })) << kin_test::family_memory();
}

TEST(object_life, gives_small_memory_back_to_its_maker) {
  std::vector<std::uint64_t> places;
  for (int round = 0; round < 50; ++round) {
    std::vector<object_ref> all;
    for (int i = 0; i < 500; ++i) {
      all.push_back(stamped(7, 192));
      auto message = sent(all.back(), delivery::once);
      message.arrived();
      (void)received(message);
      places.push_back(all.back().offset());
    }
  }
  std::sort(places.begin(), places.end());
  places.erase(std::unique(places.begin(), places.end()), places.end());
  EXPECT_LT(places.size(), 2000U);
}

TEST(object_life, of_a_members_objects_gives_memory_back_to_that_member) {
  forked member([] {
    std::vector<std::uint64_t> places;
    for (int round = 0; round < 50; ++round) {
      std::vector<object_ref> all;
      for (int i = 0; i < 500; ++i) {
        all.push_back(stamped(7, 192));
        auto message = sent(all.back(), delivery::once);
        message.arrived();
        (void)received(message);
        if (!has_stamp(all.back(), 7)) _exit(3);
        places.push_back(all.back().offset());
      }
    }
    std::sort(places.begin(), places.end());
    places.erase(std::unique(places.begin(), places.end()), places.end());
    _exit(places.size() < 5000 ? 0 : 4);
  });
  EXPECT_EQ(member.join(), 0);
}

// What ThreadSanitizer watches: handles go between threads in messages, and the root frees what nobody has.
TEST(object_life, is_right_when_threads_pass_handles_around) {
  struct item {
    parcel message;
    std::uint64_t stamp;
  };
  std::mutex mutex;
  std::vector<item> under_way;
  std::atomic<std::uint64_t> stamps{1}, wrong{0};
  const auto work = [&](unsigned seed) {
    std::mt19937 chance(seed);
    std::vector<std::pair<object_ref, std::uint64_t>> mine;
    for (int i = 0; i < 3000; ++i) {
      const auto pick = mine.empty() ? 0 : chance() % mine.size();
      switch (chance() % 4) {
        case 0: {
          const std::uint64_t stamp = ++stamps;
          mine.emplace_back(stamped(stamp), stamp);
          if (chance() % 8 == 0) (void)mine.back().first.make_span(1);
          break;
        }
        case 1:
          if (!mine.empty()) {
            item one{sent(mine[pick].first, chance() % 8 == 0 ? delivery::lent : delivery::once), mine[pick].second};
            if (chance() % 8 == 0) break;  // not sent after all
            const std::lock_guard hold(mutex);
            under_way.push_back(std::move(one));
          }
          break;
        case 2: {
          std::unique_lock hold(mutex);
          if (under_way.empty()) break;
          item one = std::move(under_way.back());
          under_way.pop_back();
          hold.unlock();
          one.message.arrived();
          mine.emplace_back(received(one.message), one.stamp);
          break;
        }
        default:
          if (!mine.empty()) {
            if (!has_stamp(mine[pick].first, mine[pick].second)) ++wrong;
            std::swap(mine[pick], mine.back());
            mine.pop_back();
          }
      }
    }
    for (const auto& [object, stamp] : mine)
      if (!has_stamp(object, stamp)) ++wrong;
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 4; ++i) threads.emplace_back(work, i);
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(wrong, 0U);
}

// A worker that is being killed may decode a lent handle when its lender has let go already.
TEST(object_life, of_which_a_handle_is_decoded_too_late_is_over_or_goes_on) {
  std::atomic<bool> done{false};
  std::mutex mutex;
  std::pair<parcel, std::uint64_t> offered;
  std::atomic<std::uint64_t> wrong{0}, late{0}, alive{0};
  std::thread reader([&] {
    while (!done) {
      std::unique_lock hold(mutex);
      const parcel message{offered.first.bytes, {}};
      const std::uint64_t stamp = offered.second;
      hold.unlock();
      if (stamp == 0) continue;
      try {
        const auto object = received(message);
        ++alive;
        for (int i = 0; i < 50; ++i)
          if (!has_stamp(object, stamp)) ++wrong;
      } catch (const kin::decode_error&) {
        ++late;
      }
    }
  });
  for (std::uint64_t stamp = 1; stamp < 4000; ++stamp) {
    std::optional<object_ref> object = stamped(stamp);
    (void)object->make_span(1);
    parcel message = sent(*object, delivery::lent);
    {
      const std::lock_guard hold(mutex);
      offered = {parcel{message.bytes, {}}, stamp};
    }
    message.carried.clear();
    object.reset();
  }
  done = true;
  reader.join();
  EXPECT_EQ(wrong, 0U);
  EXPECT_GT(late, 0U);
}

struct scenario {
  std::string name;
  bool may_leak;  // a message that is lost
  std::function<void(std::optional<object_ref>&, const parcel&)> stepped;
};

// The victim has a handle by its fork, and has joined; the parent has one as well.
bool one_kill(const scenario& s, long steps, long& made) {
  auto it = with_span();
  auto message = sent(*it.object, s.name == "decode once" ? delivery::once : delivery::lent);
  if (s.name == "decode once") message.arrived();
  bool inside = false;
  {
    kin_test::stepped victim(
        [&] {
          (void)kin::detail::family::self();
          message.carried.clear();
        },
        [&] { s.stepped(it.object, message); });
    inside = victim.step_and_die(steps, made);
    EXPECT_TRUE(it.lives());
    EXPECT_EQ(received({message.bytes, {}}).get(), it.header);
  }
  message.carried.clear();
  it.object.reset();
  if (!s.may_leak) {
    EXPECT_TRUE(eventually([&] { return !it.lives(); }));
  }
  return inside;
}

void kill_everywhere(const scenario& s, long kills) {
  long length = 0, made = 0;
  ASSERT_FALSE(one_kill(s, 10'000'000, length));
  const long stride = std::max(1L, length / kills);
  long points = 0;
  for (long n = kills >= length ? 0 : stride / 2; n <= length && !testing::Test::HasFailure(); n += stride, ++points) {
    SCOPED_TRACE("killed after instruction " + std::to_string(n) + " of " + std::to_string(length));
    one_kill(s, n, made);
  }
  std::printf("             %-40s %6ld instructions, %5ld kills\n", s.name.c_str(), length, points);
}

const std::vector<scenario> scenarios = {
    {"drop", false, [](auto& object, const parcel&) { object.reset(); }},
    {"encode lent", false, [](auto& object, const parcel&) { (void)sent(*object, delivery::lent); }},
    {"encode once, not sent", true, [](auto& object, const parcel&) { (void)sent(*object, delivery::once); }},
    {"decode lent", false,
     [](auto& object, const parcel& message) {
       object.reset();
       (void)received({message.bytes, {}});
     }},
    {"decode once", true,
     [](auto& object, const parcel& message) {
       object.reset();
       (void)received({message.bytes, {}});
     }},
    {"make", false, [](auto&, const parcel&) { (void)stamped(1); }},
};

class object_killed_at : public testing::TestWithParam<scenario> {};
class long_object_killed_at : public object_killed_at {};

TEST_P(object_killed_at, some_instructions_leaves_the_others_right) { kill_everywhere(GetParam(), 12); }
TEST_P(long_object_killed_at, every_instruction_leaves_the_others_right) { kill_everywhere(GetParam(), 10'000); }

INSTANTIATE_TEST_SUITE_P(in, object_killed_at, testing::ValuesIn(scenarios), kin_test::scenario_name);
INSTANTIATE_TEST_SUITE_P(in, long_object_killed_at, testing::ValuesIn(scenarios), kin_test::scenario_name);

}  // namespace
