// SPDX-License-Identifier: BSL-1.0
// unique_fd: a descriptor as a value of a process, a pool, a queue and a connection: moved, never leaked.
#include <kin/os/duplicate.hpp>
#include <kin/os/unique_fd.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <string>
#include <thread>

#include <kin/event.hpp>
#include <kin/pipe.hpp>
#include <kin/process.hpp>
#include <kin/queue.hpp>

#include "contracts/pool_contract.hpp"

namespace kin_test {
namespace {
class unique_fd_value : public pool_contract {};
KIN_POOL_CONTRACT(unique_fd_value);

struct raw_pipe {
  raw_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::system_error(errno, std::system_category());
    reader = kin::unique_fd(ends[0]);
    writer = kin::unique_fd(ends[1]);
  }
  kin::unique_fd reader, writer;
};

bool write_byte(const kin::unique_fd& to, char c) { return ::write(to.get(), &c, 1) == 1; }
/// A byte, or 0 at the end of file: nobody has the writing end any more.
char read_byte(const kin::unique_fd& from) {
  char c = 0;
  return ::read(from.get(), &c, 1) == 1 ? c : '\0';
}
bool at_end(const kin::unique_fd& from) {
  pollfd entry{from.get(), POLLIN, 0};
  return ::poll(&entry, 1, 20000) == 1 && read_byte(from) == '\0';
}
int open_here() { return static_cast<int>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {})); }

// --- moved: when the receiver is done with it, nobody has it ---------------------------------------------------------

TEST_P(unique_fd_value, moves_into_a_process) {
  raw_pipe p;
  kin::process_options o;
  o.start = GetParam();
  // A forked child has the user's descriptors besides: there the end of file comes with its end.
  kin::process child(
      o, [](const kin::unique_fd& to) { return write_byte(to, 'p'); }, std::move(p.writer));
  EXPECT_FALSE(p.writer);  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(read_byte(p.reader), 'p');
  child.join();
  EXPECT_TRUE(at_end(p.reader));
}

TEST_P(unique_fd_value, moved_into_a_task_is_closed_when_the_task_closes_it) {
  kin::pool workers(options(1));
  workers.apply(square, 1);
  const kin::event may_end;
  raw_pipe p;
  auto [here, there] = kin::pipe();
  const auto task = workers.apply_async(
      [](kin::unique_fd fd, kin::connection end, const kin::event& told) {
        fd.reset();
        end.send(1);
        end.close();
        return told.wait_for(20s);
      },
      std::move(p.writer), std::move(there), may_end);
  EXPECT_TRUE(at_end(p.reader));
  EXPECT_EQ(here.recv<int>(), 1);
  EXPECT_THROW((void)here.recv<int>(), kin::closed_error);
  EXPECT_FALSE(task.ready());
  may_end.set();
  EXPECT_TRUE(task.get());
}

// A worker's word that it has a task's descriptors may be heard when that task has been answered and the next one is
// with it, not begun: those are still the caller's, for whoever begins that task should the worker die.
TEST_P(unique_fd_value, of_the_next_task_is_left_alone_by_a_late_word) {
  kin::pool workers(options(1));
  int lost = 0;
  for (int round = 0; round < 100; ++round) {
    raw_pipe first, second;
    const auto dies_soon =
        workers.apply_async([](const kin::unique_fd&) { std::thread([] { ::kill(::getpid(), SIGKILL); }).detach(); },
                            std::move(first.writer));
    const auto next =
        workers.apply_async([](const kin::unique_fd& to) { return write_byte(to, 'n'); }, std::move(second.writer));
    const std::string end = failure_of(next);
    EXPECT_THAT(end, testing::AnyOf("value", testing::StartsWith("worker_lost"))) << round;
    lost += end != "value";
    (void)dies_soon.wait_for(20s);
  }
  std::printf("%d of 100 were lost with the worker\n", lost);
}

TEST_P(unique_fd_value, moves_into_a_task_and_back) {
  kin::pool workers(options(1));
  workers.apply(square, 1);
  const int before = workers.apply(open_here), before_here = open_here();
  for (int round = 0; round < 20; ++round) {
    raw_pipe p;
    EXPECT_TRUE(workers.apply([](const kin::unique_fd& to) { return write_byte(to, 't'); }, std::move(p.writer)));
    EXPECT_EQ(read_byte(p.reader), 't');
    EXPECT_TRUE(at_end(p.reader));
    // And a descriptor that the task has made comes to the caller, and stays with nobody else.
    auto made = workers.apply([] {
      raw_pipe q;
      write_byte(q.writer, 'r');
      return std::pair(std::move(q.reader), std::move(q.writer));
    });
    EXPECT_EQ(read_byte(made.first), 'r');
    made.second.reset();
    EXPECT_TRUE(at_end(made.first));
  }
  EXPECT_LE(workers.apply(open_here), before);
  EXPECT_LE(open_here(), before_here);
}

TEST_P(unique_fd_value, moves_in_a_map_and_is_closed_with_a_task_that_never_ran) {
  kin::pool workers(options(1));
  workers.apply(square, 1);  // a worker that is forked later has the descriptors of that moment
  std::vector<raw_pipe> pipes(8);
  std::vector<kin::unique_fd> writers;
  for (auto& p : pipes) writers.push_back(std::move(p.writer));
  const auto done = workers.map(
      [](const kin::unique_fd& to) { return write_byte(to, 'm'); },
      std::ranges::subrange(std::make_move_iterator(writers.begin()), std::make_move_iterator(writers.end())),
      {.chunk = 3});
  EXPECT_EQ(done, std::vector<bool>(8, true));
  for (auto& p : pipes) {
    EXPECT_EQ(read_byte(p.reader), 'm');
    EXPECT_TRUE(at_end(p.reader));
  }
  raw_pipe killed;
  auto dies = workers.apply_async([](const kin::unique_fd&) { return die_by(SIGKILL); }, std::move(killed.writer));
  EXPECT_THROW((void)dies.get(), kin::worker_lost);
  EXPECT_TRUE(at_end(killed.reader));
  workers.apply(square, 1);
  raw_pipe cancelled;
  workers.apply_async([](const kin::unique_fd&) { return nap(60000); }, std::move(cancelled.writer)).cancel();
  EXPECT_TRUE(at_end(cancelled.reader));
}

TEST(unique_fd_moved, moves_through_a_queue_even_after_its_producer_has_ended) {
  const kin::queue<kin::unique_fd> queue;
  raw_pipe p;
  kin::process producer([](const kin::queue<kin::unique_fd>& q, kin::unique_fd fd) { q.put(std::move(fd)); }, queue,
                        std::move(p.writer));
  producer.join();
  {
    const kin::unique_fd got = queue.get();
    EXPECT_TRUE(write_byte(got, 'q'));
    EXPECT_EQ(read_byte(p.reader), 'q');
  }
  EXPECT_TRUE(at_end(p.reader));
  const int before = open_here();
  for (int round = 0; round < 50; ++round) {
    raw_pipe each;
    queue.put(std::move(each.writer));
    (void)queue.get();
    EXPECT_TRUE(at_end(each.reader));
  }
  EXPECT_LE(open_here(), before);  // fewer, if the family had not heard of the producer's end by then
}

TEST(unique_fd_moved, goes_with_a_queue_that_nobody_emptied) {
  raw_pipe p;
  {
    const kin::queue<kin::unique_fd> queue;
    queue.put(std::move(p.writer));
  }
  EXPECT_TRUE(at_end(p.reader));
}

TEST(unique_fd_moved, moves_through_a_connection_and_goes_with_it) {
  auto [a, b] = kin::pipe();
  raw_pipe p, unread;
  a.send(std::pair(std::string("take this"), std::move(p.writer)));
  a.send(std::move(unread.writer));
  {
    const auto got = b.recv<std::pair<std::string, kin::unique_fd>>();
    EXPECT_TRUE(write_byte(got.second, 'c'));
    EXPECT_EQ(read_byte(p.reader), 'c');
  }
  EXPECT_TRUE(at_end(p.reader));
  a.close();
  b.close();
  EXPECT_TRUE(at_end(unread.reader));
}

// --- too many for the receiver: that message fails, and nothing is leaked --------------------------------------------

std::vector<kin::unique_fd> some_descriptors(int n) {
  std::vector<kin::unique_fd> all;
  for (int i = 0; i < n; ++i) all.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  return all;
}

TEST_P(unique_fd_value, fails_the_task_whose_worker_has_no_room_for_it) {
  auto o = options(1);
  o.process.limits.open_files = 64;
  kin::pool workers(std::move(o));
  const auto count = [](const std::vector<kin::unique_fd>& fds) { return fds.size(); };
  EXPECT_EQ(workers.apply(count, some_descriptors(10)), 10u);
  auto before = workers.apply_async(square, 3);
  auto too_many = workers.apply_async(count, some_descriptors(100));
  auto after = workers.apply_async(square, 4);
  EXPECT_EQ(before.get(), 9);
  EXPECT_ANY_THROW((void)too_many.get());
  EXPECT_EQ(after.get(), 16);
  EXPECT_EQ(workers.apply(count, some_descriptors(10)), 10u);
}

TEST(unique_fd_moved, stays_in_a_queue_when_who_gets_it_has_no_room_for_it) {
  const kin::queue<std::vector<kin::unique_fd>> queue;
  const kin::queue<std::string> story;
  kin::process_options low;
  low.limits.open_files = 64;
  for (const int n : {3, 100, 5}) queue.put(some_descriptors(n));
  kin::process consumer(
      low,
      [](const kin::queue<std::vector<kin::unique_fd>>& q, const kin::queue<std::string>& tell) {
        const int before = open_here();
        for (int i = 0; i < 3; ++i) try {
            tell.put(std::to_string(q.get().size()));
          } catch (const kin::os_error& e) {
            tell.put(e.code().value() == EMFILE ? "no room" : e.what());
          }
        tell.put(std::to_string(open_here() - before));
      },
      queue, story);
  consumer.join();
  for (const std::string expected : {"3", "no room", "no room", "0"}) EXPECT_EQ(story.try_get(), expected);
  EXPECT_EQ(queue.get().size(), 100u);
  EXPECT_EQ(queue.get().size(), 5u);
}

TEST(unique_fd_moved, fails_the_receive_that_has_no_room_for_it) {
  auto [a, b] = kin::pipe();
  auto [tell, told] = kin::pipe();
  kin::process_options low;
  low.limits.open_files = 64;
  kin::process receiver(
      low,
      [](kin::connection from, kin::connection to) {
        const int before = open_here();
        for (int i = 0; i < 2; ++i) try {
            to.send(std::to_string(from.recv<std::vector<kin::unique_fd>>().size()));
          } catch (const kin::os_error& e) {
            to.send(std::string(e.code().value() == EMFILE ? "no room" : e.what()));
          }
        to.send(open_here() <= before);
      },
      std::move(b), std::move(told));
  for (const int n : {3, 100}) a.send(some_descriptors(n));
  EXPECT_EQ(tell.recv<std::string>(), "3");
  EXPECT_EQ(tell.recv<std::string>(), "no room");
  EXPECT_TRUE(tell.recv<bool>());
}

}  // namespace
}  // namespace kin_test
