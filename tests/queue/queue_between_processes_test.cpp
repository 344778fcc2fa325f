// SPDX-License-Identifier: BSL-1.0
// queue: as an argument, in a message, as an item, after a fork; and items that own descriptors.
// Not under ThreadSanitizer, which is blind between processes.
#ifndef __SANITIZE_THREAD__
#include <kin/kin.hpp>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#include <kin/process/process.hpp>
#include <kin/transport/connection.hpp>
#include <kin/transport/wait.hpp>

#include "support/leaves_nothing_behind.hpp"

namespace {

using namespace std::chrono_literals;
using blob = std::vector<std::uint8_t>;

const bool warm = kin_test::warm_up([] { kin::process(+[] {}).join(); });

std::size_t open_descriptors() { return kin_test::belongings::now().descriptors.size(); }

void add_one(const kin::queue<int>& in, const kin::queue<int>& out) {
  for (const int n : in) out.put(n + 1);
}

TEST(queue, goes_to_a_spawned_process_as_an_argument) {
  const kin::queue<int> in, out(3);
  kin::process child(add_one, in, out);
  for (int i = 0; i < 100; ++i) {
    in.put(i);
    ASSERT_EQ(out.get_for(30s), i + 1);
  }
  in.close();
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
}

TEST(queue, binds_to_values_and_references) {
  const kin::queue<std::string> words;
  kin::process(
      +[](kin::queue<std::string> q) { q.put("value"); }, words)
      .join();
  kin::process(
      +[](kin::queue<std::string>& q) { q.put("reference"); }, words)
      .join();
  kin::process(
      +[](const kin::queue<std::string>& q) { q.put("constant"); }, words)
      .join();
  EXPECT_EQ(words.try_get(), "value");
  EXPECT_EQ(words.try_get(), "reference");
  EXPECT_EQ(words.try_get(), "constant");
}

TEST(queue, works_on_both_sides_of_a_fork) {
  const kin::queue<int> in, out;
  kin::process child(kin::start::fork, [&] { add_one(in, out); });
  for (int i = 0; i < 100; ++i) {
    in.put(i);
    ASSERT_EQ(out.get_for(30s), i + 1);
  }
  in.close();
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
}

TEST(queue, works_after_a_fork_of_the_users) {
  const kin::queue<std::string> to_child, to_parent(1);
  to_child.put("before the fork");
  const pid_t pid = fork();
  if (pid == 0) {
    const std::string word = to_child.get();
    to_parent.put(word);
    to_parent.put(std::string(100'000, 'x'));
    _exit(0);
  }
  EXPECT_EQ(to_parent.get(), "before the fork");
  EXPECT_EQ(to_parent.get().size(), 100'000u);
  waitpid(pid, nullptr, 0);
}

TEST(queue, gives_what_a_process_put_before_it_ended) {
  const kin::queue<blob> blobs;
  kin::process producer(
      +[](const kin::queue<blob>& out) {
        blob big(64 << 20);
        std::iota(big.begin(), big.end(), std::uint8_t{0});
        out.put(big);
      },
      blobs);
  producer.join();
  EXPECT_EQ(producer.exitcode(), 0);
  const blob big = blobs.get();
  ASSERT_EQ(big.size(), std::size_t{64} << 20);
  for (std::size_t i = 0; i < big.size(); i += 4093) ASSERT_EQ(big[i], static_cast<std::uint8_t>(i));
}

TEST(queue, grows_in_one_process_and_is_read_in_another) {
  const kin::queue<blob> there(4), back;
  kin::process echo(
      +[](const kin::queue<blob>& in, const kin::queue<blob>& out) {
        for (blob& b : in) out.put(b);
      },
      there, back);
  for (std::size_t size = 1; size <= (4u << 20); size *= 4) {
    const blob sent(size, static_cast<std::uint8_t>(size % 251));
    there.put(sent);
    ASSERT_TRUE(back.get() == sent) << size;
  }
  there.close();
}

TEST(queue, spreads_items_over_processes_once_each) {
  const kin::queue<int> tasks(8), results;
  std::vector<kin::process> workers;
  for (int i = 0; i < 4; ++i) workers.emplace_back(add_one, tasks, results);
  for (int i = 0; i < 2000; ++i) tasks.put(i);
  tasks.close();
  workers.clear();
  std::vector<bool> seen(2001);
  while (const auto n = results.try_get()) {
    ASSERT_FALSE(seen[static_cast<std::size_t>(*n)]);
    seen[static_cast<std::size_t>(*n)] = true;
  }
  for (std::size_t i = 1; i <= 2000; ++i) ASSERT_TRUE(seen[i]) << i;
}

TEST(queue, goes_through_a_connection) {
  auto [here, there] = kin::pipe();
  const kin::queue<int> numbers;
  here.send(numbers);
  const auto same = there.recv<kin::queue<int>>();
  numbers.put(5);
  EXPECT_EQ(same.get(), 5);
  here.send(numbers);
  EXPECT_THROW((void)there.recv<kin::queue<std::string>>(), kin::type_mismatch);
}

TEST(queue, is_equal_to_its_copies_whichever_way_they_came) {
  auto [here, there] = kin::pipe();
  const kin::queue<int> numbers, others;
  here.send(numbers);
  const auto same = there.recv<kin::queue<int>>();
  EXPECT_TRUE(same == numbers);
  EXPECT_FALSE(same == others);
  kin::process child([](const kin::queue<int>& a, const kin::queue<int>& b,
                        const kin::queue<int>& c) { std::exit(a == b && a != c ? 0 : 1); },
                     numbers, same, others);
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
}

TEST(queue, is_an_item_of_another_queue) {
  const kin::queue<kin::queue<std::string>> mailboxes;
  const std::size_t before = open_descriptors();
  {
    const kin::queue<std::string> answers;
    mailboxes.put(answers);
    kin::process(
        +[](const kin::queue<kin::queue<std::string>>& in) { in.get().put("an answer"); }, mailboxes)
        .join();
    EXPECT_EQ(answers.try_get(), "an answer");
  }
  // The family keeps a descriptor of each member until it has heard of its end.
  for (const auto end = std::chrono::steady_clock::now() + 20s; open_descriptors() != before;) {
    ASSERT_LT(std::chrono::steady_clock::now(), end);
    ::usleep(100);
  }
}

struct question {
  std::string text;
  kin::queue<question> answers;
};
static_assert(!kin::detail::may_have_descriptors<question>);

TEST(queue, takes_items_that_hold_queues_of_such_items) {
  const kin::queue<question> questions, answers;
  const kin::process child(
      +[](const kin::queue<question>& in) {
        for (const question& q : in) q.answers.put({q.text + "!", in});
      },
      questions);
  questions.put({"why", answers});
  const question answer = answers.get();
  EXPECT_EQ(answer.text, "why!");
  EXPECT_TRUE(answer.answers == questions);
  questions.close();
}

TEST(queue, hands_on_handles_whose_maker_was_killed) {
  using item = std::tuple<kin::value<int>, kin::shared_list<std::string>, kin::array<int>, kin::mutex, kin::event>;
  const kin::queue<item> handles;
  const std::size_t before = open_descriptors();
  const kin::queue<item> copy = handles;
  EXPECT_EQ(open_descriptors(), before);
  kin::process maker(
      [](const kin::queue<item>& out) {
        const kin::shared_list<std::string> words;
        words.push_back("left behind");
        kin::array<int> numbers(3);
        numbers[2] = 9;
        const kin::mutex mutex;
        mutex.lock();
        out.put({kin::value<int>(5), words, numbers, mutex, kin::event()});
        ::raise(SIGKILL);
      },
      handles);
  maker.join();
  const auto [number, words, numbers, mutex, event] = handles.get();
  EXPECT_EQ(number.load(), 5);
  EXPECT_EQ(words[0], "left behind");
  EXPECT_EQ(numbers[2], 9);
  EXPECT_THROW(mutex.lock(), kin::owner_died);
  event.set();
  EXPECT_TRUE(event.is_set());
}

TEST(queue, keeps_an_object_that_only_an_item_names) {
  const kin::queue<kin::joinable_queue<int>> queues;
  kin::process(
      +[](const kin::queue<kin::joinable_queue<int>>& out) {
        const kin::joinable_queue<int> made_here;
        made_here.put(42);
        out.put(made_here);
      },
      queues)
      .join();
  EXPECT_EQ(queues.get().get(), 42);
}

TEST(queue, carries_connections_in_order_with_their_items) {
  const kin::queue<std::pair<int, std::optional<kin::connection>>> items;
  std::vector<kin::connection> kept;
  for (int i = 0; i < 60; ++i) {
    if (i % 3 == 0) {
      items.put({i, std::nullopt});
      continue;
    }
    auto [mine, given] = kin::pipe();
    mine.send(i);
    kept.push_back(std::move(mine));
    items.put({i, std::move(given)});
  }
  for (int i = 0; i < 60; ++i) {
    auto [n, end] = items.get();
    ASSERT_EQ(n, i);
    ASSERT_EQ(end.has_value(), i % 3 != 0);
    if (!end) continue;
    ASSERT_EQ(end->recv<int>(), i);
  }
}

TEST(queue, owns_what_was_moved_into_it) {
  auto [mine, given] = kin::pipe();
  {
    const kin::queue<kin::connection> ends;
    ends.put(std::move(given));
    EXPECT_TRUE(given.closed());
    EXPECT_FALSE(mine.poll());
    EXPECT_EQ(ends.size(), 1u);
  }
  EXPECT_TRUE(mine.poll()) << "the queue is gone, and with it the end it owned";
  EXPECT_THROW((void)mine.recv<int>(), kin::closed_error);
}

TEST(queue, carries_many_descriptors_and_says_when_there_are_too_many) {
  const kin::queue<std::vector<kin::unique_fd>> items;
  const auto some = [](std::size_t n) {
    std::vector<kin::unique_fd> fds;
    for (std::size_t i = 0; i < n; ++i) fds.emplace_back(dup(0));
    return fds;
  };
  items.put(some(253));
  EXPECT_THROW(items.put(some(254)), kin::os_error);
  items.put(some(0));
  EXPECT_EQ(items.get().size(), 253u);
  EXPECT_EQ(items.get().size(), 0u);
  EXPECT_TRUE(items.empty());
}

TEST(queue, has_few_descriptors) {
  const std::size_t before = open_descriptors();
  const kin::queue<kin::unique_fd> with_line;
  EXPECT_LE(open_descriptors(), before + 6);
}

TEST(queue, of_plain_items_has_no_descriptor_however_many_there_are) {
  const std::size_t before = open_descriptors();
  {
    std::vector<kin::queue<std::string>> queues(1000);
    kin::process(kin::start::fork, [&] {
      for (auto& q : queues) q.put("from another process");
    }).join();
    for (auto& q : queues) ASSERT_EQ(q.get(), "from another process");
    EXPECT_LE(open_descriptors(), before + 8);
  }
  // Polled, each has one while somebody uses it.
  {
    const kin::queue<int> polled;
    (void)polled.native_handle();
    EXPECT_LE(open_descriptors(), before + 8 + 2);
  }
  EXPECT_LE(open_descriptors(), before + 8);
}

// Resident kibibytes of the arena in this process.
std::size_t resident_arena() {
  std::ifstream maps("/proc/self/smaps");
  std::size_t sum = 0;
  bool ours = false;
  for (std::string line; std::getline(maps, line);) {
    std::size_t n = 0;
    if (line.find(" rw-") != std::string::npos) ours = line.find("memfd:kin-arena") != std::string::npos;
    if (ours && std::sscanf(line.c_str(), "Rss: %zu kB", &n) == 1) sum += n;
  }
  return sum;
}

TEST(queue, takes_little_memory_while_it_is_empty) {
  const kin::queue<int> first;
  const std::size_t before = resident_arena();
  std::vector<kin::queue<int>> queues(3000);  // more than others have made and left
  for (auto& q : queues) q.put(1), (void)q.get();
  const std::size_t each = (resident_arena() - before) / queues.size();
  EXPECT_GT(each, 0u);
  EXPECT_LE(each, 64u);
  std::printf("             %zu KiB resident each\n", each);
}

TEST(queue, gives_its_memory_back_when_only_this_process_had_it) {
  const auto one_round = [] {
    const kin::queue<std::string> q;
    for (int i = 0; i < 20; ++i) q.put(std::string(100'000, 'x'));
    for (int i = 0; i < 20; ++i) ASSERT_EQ(q.get().size(), 100'000u);
  };
  one_round();
  const std::size_t after_one = resident_arena();
  for (int i = 0; i < 20; ++i) one_round();
  EXPECT_EQ(resident_arena(), after_one);
}

void join_through(const kin::joinable_queue<int>& work) {
  for ([[maybe_unused]] const int n : work) work.task_done();
}

TEST(joinable_queue, is_joined_when_other_processes_have_done_everything) {
  const kin::joinable_queue<int> work;
  kin::process a(join_through, work), b(join_through, work);
  for (int i = 0; i < 500; ++i) work.put(i);
  work.join();
  work.close();
}

}  // namespace

#endif
