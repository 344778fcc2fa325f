// SPDX-License-Identifier: BSL-1.0
// array: as a container, as a handle, and what becomes of its memory.
#include <kin/array.hpp>
#include <kin/pipe.hpp>
#include <kin/pool.hpp>
#include <kin/process.hpp>
#include <kin/queue.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <list>
#include <mutex>
#include <numeric>
#include <random>
#include <ranges>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "os/gate.hpp"
#include "support/family_memory.hpp"
#include "support/leaves_nothing_behind.hpp"
#include "sync/forked.hpp"

namespace {

using kin_test::family_memory;
using kin_test::forked;

const bool warm = kin_test::warm_up([] {
  const kin::array<char> large(100'000);
  kin::process([] {}).join();
});

static_assert(std::ranges::contiguous_range<kin::array<int>>);
static_assert(std::ranges::contiguous_range<const kin::array<int>>);
static_assert(std::ranges::sized_range<kin::array<int>>);

struct alignas(256) wide {
  int n = 3;
};
struct no_zero {
  int n = 7;
};

TEST(array, is_made_as_a_vector_is) {
  EXPECT_TRUE(kin::array<int>().empty());
  EXPECT_EQ(kin::array<int>(3).size(), 3U);
  EXPECT_TRUE(std::ranges::equal(kin::array<int>(3), std::vector{0, 0, 0}));
  EXPECT_TRUE(std::ranges::equal(kin::array<int>(3, 8), std::vector{8, 8, 8}));
  EXPECT_TRUE(std::ranges::equal(kin::array<int>{3, 8}, std::vector{3, 8}));
  EXPECT_TRUE(std::ranges::equal(kin::array(std::list{1, 2}), std::vector{1, 2}));
  EXPECT_TRUE(std::ranges::equal(kin::array<long>(std::views::iota(0, 3)), std::vector{0, 1, 2}));
  std::istringstream words("4 5 6");
  EXPECT_TRUE(std::ranges::equal(kin::array<int>(std::istream_iterator<int>(words), {}), std::vector{4, 5, 6}));
  const std::vector<double> source{1.5, 2.5};
  const kin::array copy(source.begin(), source.end());
  static_assert(std::is_same_v<decltype(copy), const kin::array<double>>);
  EXPECT_TRUE(std::ranges::equal(copy, source));
  EXPECT_EQ(kin::array<no_zero>(2)[1].n, 7);
}

TEST(array, is_a_contiguous_range) {
  const kin::array<int> a(1000);
  std::iota(a.begin(), a.end(), 0);
  EXPECT_EQ(std::accumulate(a.begin(), a.end(), 0), 499500);
  const std::span<int> view(a);
  view[5] = 500;
  EXPECT_EQ(a[5], 500);
  std::ranges::sort(a, std::greater<>());
  EXPECT_EQ(a.front(), 999);
  EXPECT_EQ(*a.rbegin(), a.back());
  EXPECT_EQ(a.at(999), 0);
  EXPECT_THROW((void)a.at(1000), std::out_of_range);
  a.fill(1);
  EXPECT_EQ(std::ranges::count(a, 1), 1000);
}

TEST(array, keeps_the_alignment_of_its_elements) {
  for (const std::size_t n : {1U, 7U, 100U}) {
    const kin::array<wide> a(n);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a.data()) % alignof(wide), 0U);
    EXPECT_EQ(a.back().n, 3);
  }
}

TEST(array, of_a_size_that_cannot_be_is_refused) {
  EXPECT_THROW(kin::array<int>(-1), std::out_of_range);
  constexpr std::size_t most = kin::array<double>::max_size();
  EXPECT_THROW((void)kin::array<double>(most + 1), std::length_error);
  EXPECT_THROW((void)kin::array<double>(most), kin::os_error);
  EXPECT_THROW(kin::array<char>(std::size_t{1} << 45), kin::os_error) << "more than there is";
  EXPECT_EQ(kin::array<char>(100'000).size(), 100'000U) << "and nothing is lost by it";
}

TEST(array, shares_its_elements_with_processes_and_threads) {
  for (const int n : {10, 100'000}) {  // in the arena; in a span
    const kin::array<int> a(n);
    kin::process([](const kin::array<int>& mine) { std::iota(mine.begin(), mine.end(), 0); }, a).join();
    EXPECT_EQ(a.back(), n - 1);
    kin::process(kin::start::fork, [&] { a.back() = -5; }).join();
    EXPECT_EQ(a.back(), -5);
    kin::process([](kin::array<int> mine) { kin::process([](kin::array<int> its) { its[0] = 6; }, mine).join(); }, a)
        .join();
    EXPECT_EQ(a[0], 6);
  }
}

TEST(array, has_a_lock_for_those_who_take_it) {
  const kin::array<long> a(1);
  const auto work = [](const kin::array<long>& mine) {
    for (int i = 0; i < 2000; ++i) {
      const std::scoped_lock hold(mine.get_lock());
      ++mine[0];
    }
  };
  {
    const kin::process spawned(work, a);
    const kin::process copy(kin::start::fork, [&] { work(a); });
    std::jthread thread([&] { work(a); });
  }
  EXPECT_EQ(a[0], 6000);
}

TEST(array, travels_any_way_a_value_does) {
  const kin::array<int> a(100'000);
  kin::pool workers(2);
  const auto mark = [](const kin::array<int>& mine, int at) { mine[static_cast<std::size_t>(at)] = at; };
  workers.starmap(mark, std::vector<std::tuple<kin::array<int>, int>>{{a, 1}, {a, 2}, {a, 99'999}});
  EXPECT_EQ(a[1] + a[2] + a[99'999], 100'002);
  auto made = workers.apply([](int n) { return kin::array<int>(static_cast<std::size_t>(n), 4); }, 50'000);
  EXPECT_EQ(made[49'999], 4);
  auto [here, there] = kin::pipe();
  here.send(std::vector{a, made});
  const auto both = there.recv<std::vector<kin::array<int>>>();
  EXPECT_EQ(both[0], a);
  EXPECT_EQ(both[1].data(), made.data()) << "mapped once";
}

TEST(array, outlives_the_process_that_made_it) {
  const kin::queue<kin::array<int>> q;
  kin::process([](const kin::queue<kin::array<int>>& to) { to.put(kin::array<int>(100'000, 3)); }, q).join();
  EXPECT_EQ(q.get()[99'999], 3);
}

TEST(array, gives_its_memory_back_when_it_has_never_left) {
  const std::size_t before = family_memory();
  for (int i = 0; i < 200; ++i) {
    const kin::array<char> a(1 << 20, 'x');
    ASSERT_EQ(a.back(), 'x');
  }
  EXPECT_LT(family_memory(), before + (100u << 20)) << "200 MiB were made, one after the other";
}

TEST(array, of_a_killed_process_gives_its_memory_back) {
  const kin::array<char> anchor(100'000);  // this process is the root
  const std::size_t before = family_memory();
  for (int i = 0; i < 50; ++i) {
    forked maker([] {
      const kin::array<char> a(4 << 20, 'x');
      raise(SIGKILL);
    });
    ASSERT_EQ(maker.join(), -SIGKILL);
  }
  // Noted by the root when it has buried the last: ask it for something after that.
  for (int i = 0; i < 20'000 && family_memory() > before + (100u << 20); ++i) usleep(1000);
  EXPECT_LT(family_memory(), before + (100u << 20)) << "200 MiB were made";
}

TEST(array, is_zeroed_even_where_others_have_been) {
  for (int i = 0; i < 10; ++i) {
    const kin::array<int> a(20'000), b(50'000);
    ASSERT_EQ(std::ranges::count(a, 0), 20'000);
    ASSERT_EQ(std::ranges::count(b, 0), 50'000);
    a.fill(1);
    b.fill(2);
  }
}

TEST(array, for_which_there_is_no_memory_is_an_error_and_leaves_nothing) {
  const kin::array<char> anchor(100'000);
  for (const char* call : {"fallocate", "mmap"}) {
    kin::os::inject_fault(call, 1, ENOMEM);
    EXPECT_THROW(kin::array<char>(100'000), kin::os_error) << call;
    kin::os::inject_fault(nullptr, 0, 0);
    EXPECT_EQ(std::ranges::count(kin::array<char>(100'000), 0), 100'000) << call;
  }
}

TEST(array, is_not_what_damaged_bytes_say) {
  const kin::array<int> small(5), large(100'000);
  for (const auto& a : {small, large}) {
    const auto whole = kin::detail::encode(a).bytes;
    std::mt19937_64 chance(1);
    for (int i = 0; i < 3000; ++i) {
      kin::detail::parcel message;
      message.bytes = whole;
      message.bytes[chance() % whole.size()] ^= static_cast<std::byte>(1 + chance() % 255);
      EXPECT_THROW((void)kin::detail::decode<kin::array<int>>(std::move(message)), kin::decode_error);
    }
    EXPECT_THROW((void)kin::detail::decode<kin::array<double>>(kin::detail::encode(a)), kin::decode_error);
  }
}

TEST(array, a_hundred_large_ones_cost_no_descriptor_each) {
  std::vector<kin::array<char>> many;
  const auto before = kin_test::belongings::now().descriptors.size();
  for (int i = 0; i < 100; ++i) many.emplace_back(10'000);
  EXPECT_LE(kin_test::belongings::now().descriptors.size(), before);
}

}  // namespace
