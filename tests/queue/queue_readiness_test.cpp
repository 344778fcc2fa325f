// SPDX-License-Identifier: BSL-1.0
// queue: its native handle, for poll, epoll and kin::wait.
#include <kin/queue.hpp>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <chrono>

#include <kin/pipe.hpp>
#include <kin/process.hpp>
#include <kin/wait.hpp>

#include "support/leaves_nothing_behind.hpp"

namespace {

using namespace std::chrono_literals;

#ifndef __SANITIZE_THREAD__
const bool warm = kin_test::warm_up([] { kin::process(+[] {}).join(); });
#endif

bool readable(const kin::queue<int>& q) {
  pollfd entry{q.native_handle(), POLLIN, 0};
  return poll(&entry, 1, 0) == 1;
}

TEST(queue, polls_readable_while_an_item_waits_or_it_is_closed) {
  const kin::queue<int> q;
  q.put(1);
  EXPECT_TRUE(readable(q)) << "put before anybody asked for the handle";
  q.put(2);
  (void)q.get();
  EXPECT_TRUE(readable(q)) << "one is left";
  (void)q.get();
  EXPECT_FALSE(readable(q));
  q.put(3);
  EXPECT_TRUE(readable(q));
  EXPECT_TRUE(readable(q)) << "level-triggered";
  q.close();
  (void)q.get();
  EXPECT_TRUE(readable(q)) << "closed";
}

TEST(queue, is_something_to_wait_for) {
  const kin::queue<int> a, b;
  auto [here, there] = kin::pipe();
  EXPECT_TRUE(kin::wait({a, b, here}, 10ms).empty());
  b.put(1);
  const auto ready = kin::wait({a, b, here});
  EXPECT_TRUE(ready.contains(b));
  EXPECT_FALSE(ready.contains(a));
  EXPECT_EQ(ready.size(), 1u);
}

#ifndef __SANITIZE_THREAD__  // which is blind between processes

TEST(queue, wakes_an_epoll_when_another_process_puts) {
  const kin::queue<int> q;
  const kin::unique_fd set(epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{.events = EPOLLIN, .data = {}};
  ASSERT_EQ(epoll_ctl(set.get(), EPOLL_CTL_ADD, q.native_handle(), &event), 0);
  EXPECT_EQ(epoll_wait(set.get(), &event, 1, 0), 0);
  kin::process producer(
      +[](const kin::queue<int>& out) { out.put(5); }, q);
  EXPECT_EQ(epoll_wait(set.get(), &event, 1, 30'000), 1);
  EXPECT_EQ(q.try_get(), 5);
  EXPECT_EQ(epoll_wait(set.get(), &event, 1, 0), 0);
}

TEST(queue, serves_many_who_poll) {
  const kin::queue<int> q, done;
  std::vector<kin::process> pollers;
  for (int i = 0; i < 3; ++i)
    pollers.emplace_back(
        +[](const kin::queue<int>& in, const kin::queue<int>& out) {
          try {
            for (;;) {
              (void)kin::wait({in});
              if (const auto n = in.try_get()) out.put(*n);
            }
          } catch (const kin::closed_error&) {
          }
        },
        q, done);
  for (int i = 0; i < 300; ++i) q.put(i);
  int sum = 0;
  for (int i = 0; i < 300; ++i) sum += done.get();
  EXPECT_EQ(sum, 300 * 299 / 2);
  q.close();
}

#endif

}  // namespace
