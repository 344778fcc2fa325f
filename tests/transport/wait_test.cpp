// SPDX-License-Identifier: BSL-1.0
// wait: for any of several things, of any kind.
#include <kin/process/process.hpp>
#include <kin/transport/connection.hpp>
#include <kin/transport/wait.hpp>

#include <gtest/gtest.h>

#include <unistd.h>

#include <chrono>
#include <list>
#include <ranges>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

namespace {

void wait_for_end_of_file(kin::connection from) { (void)from.poll(60s); }

TEST(wait, tells_which_of_several_things_are_ready) {
  auto [a, b] = kin::pipe();
  auto [c, d] = kin::pipe();
  auto [hold, held] = kin::pipe();
  kin::process child(wait_for_end_of_file, std::move(held));
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const kin::unique_fd reading(ends[0]), writing(ends[1]);
  const kin::fd descriptor(reading.get());

  EXPECT_TRUE(kin::wait({b, d, child, descriptor}, 20ms).empty());
  a.send(1);
  auto ready = kin::wait({b, d, child, descriptor}, 1s);
  EXPECT_TRUE(ready.contains(b));
  EXPECT_FALSE(ready.contains(d));
  EXPECT_FALSE(ready.contains(child));
  EXPECT_FALSE(ready.contains(descriptor));
  EXPECT_EQ(ready.size(), 1u);
  ASSERT_EQ(::write(writing.get(), "x", 1), 1);
  c.close();
  hold.close();
  child.join();
  ready = kin::wait({b, d, child, kin::fd(reading.get())});
  EXPECT_EQ(ready.size(), 4u);
  EXPECT_TRUE(ready.contains(kin::fd(reading.get())));
  EXPECT_TRUE(ready.contains(child));
}

void send_descriptors(kin::connection end, int n) {
  for (int i = 0; i < n; ++i) {
    end.send(kin::unique_fd(::dup(0)));
    (void)end.recv<int>();
  }
}

// Who rings has not always put the bell back when its byte is there, and that is nothing to wait for.
TEST(wait, is_followed_at_once_by_a_message_with_a_descriptor) {
  constexpr int n = 1000;
  auto [a, b] = kin::pipe();
  kin::process child(send_descriptors, std::move(b), n);
  int slow = 0;
  for (int i = 0; i < n; ++i) {
    EXPECT_TRUE(kin::wait({a}).contains(a));
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_TRUE(a.recv<kin::unique_fd>());
    slow += std::chrono::steady_clock::now() - begin >= 95ms;
    a.send(i);
  }
  EXPECT_LT(slow, n / 100);
}

TEST(wait, takes_a_range) {
  std::vector<kin::connection> readers;
  std::list<kin::connection> writers;
  for (int i = 0; i < 3; ++i) {
    auto [reader, writer] = kin::pipe(kin::simplex);
    readers.push_back(std::move(reader));
    writers.push_back(std::move(writer));
  }
  EXPECT_TRUE(kin::wait(readers, 1ms).empty());
  writers.back().send(1);
  const auto ready = kin::wait(readers);
  EXPECT_EQ(ready.size(), 1u);
  EXPECT_TRUE(ready.contains(readers[2]));
  const auto some = kin::wait(readers | std::views::drop(1), 1min);
  EXPECT_TRUE(some.contains(readers[2]));
}

TEST(wait, sees_a_process_that_ends) {
  auto [hold, held] = kin::pipe();
  kin::process child(wait_for_end_of_file, std::move(held));
  std::thread later([&, &c = hold] {
    std::this_thread::sleep_for(50ms);
    c.close();
  });
  const auto ready = kin::wait({child}, 30s);
  EXPECT_TRUE(ready);
  EXPECT_TRUE(ready.contains(child));
  later.join();
}

TEST(wait, takes_a_vector_of_things) {
  std::vector<kin::pipe_ends> pipes;
  for (int i = 0; i < 50; ++i) pipes.push_back(kin::pipe());
  std::vector<kin::waitable> things;
  for (const auto& p : pipes) things.emplace_back(p.second);
  pipes[17].first.send(1);
  pipes[33].first.send(1);
  const auto ready = kin::wait(things, 1s);
  for (std::size_t i = 0; i < pipes.size(); ++i) EXPECT_EQ(ready.contains(pipes[i].second), i == 17 || i == 33);
}

TEST(wait, keeps_its_time) {
  auto [a, b] = kin::pipe();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(kin::wait({a, b}, 80ms));
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_GE(took, 80ms);
  EXPECT_LT(took, 5s);
  EXPECT_FALSE(kin::wait({a, b}, 0s));
  EXPECT_FALSE(kin::wait({a, b}, -5s));
}

TEST(wait, is_ready_while_a_message_of_another_type_waits) {
  auto [a, b] = kin::pipe();
  a.send(std::string("x"));
  EXPECT_THROW((void)b.recv<int>(), kin::type_mismatch);
  EXPECT_TRUE(kin::wait({b}, 0s).contains(b));
}

TEST(wait, refuses_what_is_closed) {
  auto [a, b] = kin::pipe();
  a.close();
  EXPECT_THROW((void)kin::wait({a, b}, 1s), kin::closed_error);
  EXPECT_THROW((void)kin::wait({kin::fd(987)}, 1s), kin::os_error);
  EXPECT_THROW((void)kin::wait({kin::process()}, 1s), kin::closed_error);
}

}  // namespace
