// SPDX-License-Identifier: BSL-1.0
// object_ref, single-stepped: a process is stopped after 1, 2, 3 … n instructions of making, encoding, decoding or
// letting go of a handle, and killed there. The others keep their object, and it goes with their last handle.
#include <kin/memory/object_ref.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "memory/family.hpp"
#include "memory/watched_object.hpp"
#include "support/eventually.hpp"
#include "support/leaves_nothing_behind.hpp"
#include "sync/stepped.hpp"

namespace kin_test {
namespace {

struct scenario {
  std::string name;
  bool may_leak;  // a message that is lost
  std::function<void(std::optional<object_ref>&, const parcel&)> stepped;
};

// The victim has a handle by its fork, and has joined; the parent has one as well.
bool one_kill(const scenario& s, long steps, course& way) {
  auto it = with_span();
  auto message = sent(*it.object, s.name == "decode once" ? delivery::once : delivery::lent);
  if (s.name == "decode once") message.arrived();
  bool inside = false;
  {
    stepped victim(
        [&] {
          (void)kin::detail::family::self();
          message.carried.clear();
        },
        [&] { s.stepped(it.object, message); });
    inside = victim.step_and_die(steps, way);
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
  course way;
  ASSERT_FALSE(one_kill(s, 10'000'000, way));
  const long length = way.made;
  const long points =
      kill_at(about(kills, length), way, length, [&](long n, course& to) { return one_kill(s, n, to); });
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

INSTANTIATE_TEST_SUITE_P(in, object_killed_at, testing::ValuesIn(scenarios), scenario_name);
INSTANTIATE_TEST_SUITE_P(in, long_object_killed_at, testing::ValuesIn(scenarios), scenario_name);

}  // namespace
}  // namespace kin_test
