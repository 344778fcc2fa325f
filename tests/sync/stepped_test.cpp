// SPDX-License-Identifier: BSL-1.0
// What the tests that kill at every instruction rest on: a copy that goes at full speed to near its kill point, and one
// that is stepped there, have done the same.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#include "sync/stepped.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <numeric>

#include "sync/shared_page.hpp"

namespace {

using bytes = std::array<unsigned char, 600>;

struct work {
  std::array<unsigned long, 8> sums;
  bytes from, to;
};

// Loops in loops, calls, and what repeats itself.
[[gnu::noinline]] void add(volatile unsigned long& sum, unsigned long n) { sum = sum * 31 + n; }
void do_work(work& w) {
  for (unsigned long i = 0; i < 60; ++i) {
    for (unsigned long k = 0; k < 4; ++k) add(w.sums[(i + k) % w.sums.size()], i * k);
    if (i % 7 == 0) std::memcpy(w.to.data() + i, w.from.data() + i, 500);
  }
}

work killed_after(long n, kin_test::course& way) {
  kin_test::shared_page<work> page;
  std::iota(page->from.begin(), page->from.end(), static_cast<unsigned char>(1));
  kin_test::stepped copy([] {}, [&] { do_work(*page); });
  copy.step_and_die(n, way);
  return *page;
}

TEST(stepped, is_killed_where_its_steps_lead_also_when_it_goes_there_at_full_speed) {
  kin_test::course way;
  const work whole = killed_after(1'000'000, way);
  const long length = way.made;
  ASSERT_GT(length, 1000);
  int marks = 0;
  for (long n = 0; n <= length; n += n < 60 ? 1 : 97) {
    if (const auto mark = way.mark_before(n)) {
      ++marks;
      EXPECT_LE(mark->after, n);
    }
    kin_test::course steps;
    steps.close();
    const work by_steps = killed_after(n, steps), by_mark = killed_after(n, way);
    ASSERT_FALSE(way.lost) << n;
    ASSERT_EQ(way.made, n);
    ASSERT_EQ(std::memcmp(&by_steps, &by_mark, sizeof(work)), 0) << "after " << n << " of " << length;
  }
  EXPECT_GT(marks, 50);
  const work again = killed_after(1'000'000, way);
  EXPECT_EQ(std::memcmp(&whole, &again, sizeof(work)), 0);
}

TEST(stepped, that_went_another_way_is_stepped) {
  kin_test::shared_page<bool> other_way;
  kin_test::shared_page<work> page;
  const auto kill_after = [&](long n, kin_test::course& way) {
    kin_test::stepped copy([] {},
                           [&] {
                             if (!*other_way) do_work(*page);
                           });
    return copy.step_and_die(n, way);
  };
  kin_test::course way;
  ASSERT_FALSE(kill_after(1'000'000, way));
  const long length = way.made;
  *other_way = true;
  int times = 0;
  EXPECT_FALSE(way.follow([&](kin_test::course& to) { return ++times, kill_after(length / 2, to); }));
  EXPECT_EQ(times, 2);
}

}  // namespace
#endif
