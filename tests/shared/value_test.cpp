// SPDX-License-Identifier: BSL-1.0
// value: numbers that are atomic, and other types with a lock; between threads and processes, under kill.
#include <kin/pipe.hpp>
#include <kin/pool.hpp>
#include <kin/process.hpp>
#include <kin/queue.hpp>
#include <kin/value.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "support/leaves_nothing_behind.hpp"
#include "sync/forked.hpp"

namespace {

using namespace std::chrono_literals;
using kin_test::forked;

const bool warm = kin_test::warm_up([] {
  const kin::value<int> v;
  kin::process([] {}).join();
});

enum class colour { red, green };
struct account {
  long total = 0;
  int changes = 0;
};
class celsius {  // private members: nobody can look inside, and yet it can be copied byte by byte
 public:
  explicit celsius(double degrees = 0) : degrees_(degrees) {}
  [[nodiscard]] double degrees() const { return degrees_; }

 private:
  double degrees_;
};

struct lambda_calculus {  // no closure, whatever its name
  int terms = 0;
};

void add(const kin::value<long>& sum, int n) {
  for (int i = 0; i < n; ++i) sum.fetch_add(1);
}
void deposit(kin::value<account> to, int n) {
  for (int i = 0; i < n; ++i) {
    const std::scoped_lock hold(to);
    to->total += 5;
    ++to->changes;
  }
}

TEST(value, may_be_of_a_struct_whose_name_has_lambda_in_it) {
  const kin::value<lambda_calculus> v;
  v->terms = 3;
  EXPECT_EQ(v->terms, 3);
  constexpr auto closure = [n = 1] { return n; };
  static_assert(kin::detail::is_closure<decltype(closure)>());
  static_assert(!kin::detail::is_closure<lambda_calculus>());
}

TEST(value, of_a_number_has_the_members_of_an_atomic) {
  const kin::value<int> v{5};
  EXPECT_EQ(v, 5);
  EXPECT_EQ(v.fetch_add(2), 5);
  EXPECT_EQ(v.fetch_sub(1), 7);
  EXPECT_EQ(++v, 7);
  EXPECT_EQ(v++, 7);
  EXPECT_EQ(--v, 7);
  EXPECT_EQ(v--, 7);
  EXPECT_EQ(v += 10, 16);
  EXPECT_EQ(v -= 1, 15);
  EXPECT_EQ(v &= 6, 6);
  EXPECT_EQ(v |= 9, 15);
  EXPECT_EQ(v ^= 1, 14);
  EXPECT_EQ(v = 3, 3);
  EXPECT_EQ(v.exchange(4), 3);
  int expected = 0;
  EXPECT_FALSE(v.compare_exchange_strong(expected, 9));
  EXPECT_EQ(expected, 4);
  EXPECT_TRUE(v.compare_exchange_strong(expected, 9));
  EXPECT_EQ((*v).load(), 9);
  const int copy = v;
  EXPECT_EQ(copy, 9);
}

TEST(value, begins_as_its_type_does) {
  EXPECT_EQ(kin::value<int>(), 0);
  EXPECT_EQ(kin::value<bool>(true), true);
  EXPECT_EQ(kin::value<colour>(colour::green).load(), colour::green);
  EXPECT_EQ(kin::value<account>().load().total, 0);
  EXPECT_EQ(kin::value<account>({3, 1})->total, 3);
}

TEST(value, of_floating_point_adds) {
  const kin::value<double> v{0.5};
  EXPECT_EQ(v.fetch_add(1), 0.5);
  EXPECT_EQ(v += 1, 2.5);
}

TEST(value, names_the_same_number_when_copied) {
  const kin::value<int> a{1};
  const kin::value<int> b = a;
  b = 7;
  EXPECT_EQ(a, 7);
}

TEST(value, counts_right_between_processes_and_threads) {
  const kin::value<long> sum;
  {
    const kin::process spawned(add, sum, 5000);
    const kin::process copy(kin::start::fork, [&] { add(sum, 5000); });
    std::jthread thread([&] { add(sum, 5000); });
  }
  EXPECT_EQ(sum, 15000);
}

TEST(value, with_a_lock_counts_right_between_processes_and_threads) {
  const kin::value<account> acc;
  {
    const kin::process spawned(deposit, acc, 2000);
    const kin::process copy(kin::start::fork, [&] { deposit(acc, 2000); });
    std::jthread thread([&] { deposit(acc, 2000); });
  }
  EXPECT_EQ(acc->total, 30000);
  EXPECT_EQ((*acc).changes, 6000);
}

TEST(value, is_copied_and_stored_under_its_lock) {
  const kin::value<account> acc({1, 2});
  acc = account{3, 4};
  account copy = acc;
  EXPECT_EQ(copy.total, 3);
  const std::scoped_lock hold(acc);
  copy = acc;  // this thread has the lock
  acc = account{copy.total + 1, 0};
  EXPECT_EQ(acc->total, 4);
  EXPECT_THROW(acc.lock(), std::system_error);
  std::jthread([&] {
    EXPECT_FALSE(acc.try_lock());
    EXPECT_FALSE(acc.try_lock_for(1ms));
    EXPECT_THROW(acc.unlock(), std::system_error);
  });
}

TEST(value, of_a_class_that_cannot_be_looked_into) {
  const kin::value<celsius> v(celsius(36.6));
  kin::process([](const kin::value<celsius>& mine) { mine = celsius(mine.load().degrees() + 1); }, v).join();
  EXPECT_DOUBLE_EQ(v.load().degrees(), 37.6);
}

TEST(value, travels_any_way_a_value_does) {
  const kin::value<int> v{0};
  kin::pool workers(2);
  workers.map([](const kin::value<int>& mine) { ++mine; }, std::vector(10, v));
  EXPECT_EQ(v, 10);
  auto [here, there] = kin::pipe();
  here.send(std::map<std::string, kin::value<int>>{{"v", v}});
  there.recv<std::map<std::string, kin::value<int>>>().at("v") = 11;
  EXPECT_EQ(v, 11);
  const kin::queue<kin::value<int>> q;
  kin::process([](const kin::queue<kin::value<int>>& to) { to.put(kin::value<int>(12)); }, q).join();
  EXPECT_EQ(q.get(), 12);  // its maker has ended
}

template <class T>
concept recovers_a_temporary = requires { T().recover(); };
static_assert(!recovers_a_temporary<kin::value<int>>, "the lock would outlive the handle");

TEST(value, of_a_killed_holder_is_abandoned_until_somebody_recovers_it) {
  const kin::value<account> acc({1, 1});
  forked holder([&] {
    acc.lock();
    acc->total = 99;
    pause();
  });
  while (acc.get()->total != 99) std::this_thread::yield();
  forked waiter([&] {
    try {
      acc.lock();
      _exit(3);
    } catch (const kin::owner_died&) {
    }
  });
  waiter.wait_until_asleep();
  holder.kill();
  EXPECT_EQ(waiter.join(), 0);
  EXPECT_THROW(acc.lock(), kin::owner_died);
  EXPECT_THROW((void)acc.load(), kin::owner_died);
  {
    const auto hold = acc.recover();
    acc->total = 1;
  }
  EXPECT_EQ(acc.load().total, 1);
}

TEST(value, is_not_what_damaged_bytes_say) {
  const kin::value<account> v;
  const auto whole = kin::detail::encode(v).bytes;
  std::mt19937_64 chance(1);
  for (int i = 0; i < 3000; ++i) {
    kin::detail::parcel message;
    message.bytes = whole;
    message.bytes[chance() % whole.size()] ^= static_cast<std::byte>(1 + chance() % 255);
    EXPECT_THROW((void)kin::detail::decode<kin::value<account>>(std::move(message)), kin::decode_error);
  }
  using larger = std::array<account, 100>;
  EXPECT_THROW((void)kin::detail::decode<kin::value<larger>>(kin::detail::encode(v)), kin::decode_error);
  EXPECT_THROW((void)kin::detail::decode<kin::value<int>>(kin::detail::encode(v)), kin::decode_error);
}

}  // namespace
