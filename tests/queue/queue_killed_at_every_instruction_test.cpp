// SPDX-License-Identifier: BSL-1.0
// queue: a process is stopped after 1, 2, 3 … n instructions of one put or get, and killed there (ptrace). What is left
// must be a queue: each item whole, once, in order, and whoever slept wakes if there is something for it.
// Not under sanitizers: their instructions are not ours, and a hundred times as many.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#include <kin/mutex.hpp>
#include <kin/queue.hpp>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "sync/stepped.hpp"

namespace {

// One kind of queue for items that may have descriptors, another for those that cannot.
struct item {
  std::string text;
  std::vector<kin::unique_fd> fds;
};
struct plain_item {
  std::string text;
};
// This one lies in the queue as it lies in memory.
using flat_item = std::array<char, 64>;

template <class Item>
Item make_item(char letter, std::size_t size, [[maybe_unused]] bool with_fd) {
  Item made;
  if constexpr (std::is_same_v<Item, flat_item>)
    made.fill(letter);
  else
    made.text = std::string(size, letter);
  if constexpr (std::is_same_v<Item, item>)
    if (with_fd) made.fds.emplace_back(dup(0));
  return made;
}
template <class Item>
bool is_item(const Item& i, char letter, std::size_t size, [[maybe_unused]] bool with_fd) {
  if constexpr (std::is_same_v<Item, item>)
    if (i.fds.size() != (with_fd ? 1u : 0u)) return false;
  if constexpr (std::is_same_v<Item, flat_item>)
    return i == make_item<Item>(letter, size, false);
  else
    return i.text == std::string(size, letter);
}
template <class Item>
char letter_of(const Item& i) {
  if constexpr (std::is_same_v<Item, flat_item>)
    return i[0];
  else
    return i.text.empty() ? '?' : i.text[0];
}

struct scenario {
  std::string name;
  std::size_t capacity = 0, before = 0, size = 10;  // items "a", "b" … of `size` that lie in it before
  bool puts = true, with_fd = false, with_sleeper = false, polled = false, plain = false;
  bool joins = false;  // the steps include becoming a member of the family
  bool flat = false;
  // Who has the bias of both locks (queue/turn.hpp): the victim, or somebody who lives; else nobody.
  enum { nobody, victim, another } bias = nobody;
};

// Takes both biases, and leaves the items as they were.
template <class Item>
void take_biases(const kin::queue<Item>& q, const scenario& s) {
  for (std::size_t i = 0; i < 240; ++i)
    if (s.before == 0) {
      q.put(make_item<Item>('x', s.size, false));
      (void)q.get();
    } else {
      q.put(q.get());
    }
}

void wait_until_asleep(pid_t pid) {
  for (char state = 'R'; state != 'S';) {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    std::getline(stat, text);
    state = text[text.rfind(')') + 2];
  }
}

// Another process that waits at the other end of the queue, and writes a byte when it has been served.
class sleeper {
 public:
  template <class Item>
  sleeper(const scenario& s, const kin::queue<Item>& q) {
    if (pipe(served_) != 0) std::abort();
    int ready[2];
    if (pipe(ready) != 0) std::abort();
    pid_ = fork();
    if (pid_ == 0) {
      (void)!write(ready[1], "r", 1);
      if (s.puts)
        (void)q.get();
      else
        q.put(make_item<Item>('s', s.size, s.with_fd));
      (void)!write(served_[1], "s", 1);
      _exit(0);
    }
    char byte;
    (void)!read(ready[0], &byte, 1);
    for (const int fd : {ready[0], ready[1], served_[1]}) close(fd);
    wait_until_asleep(pid_);
  }
  ~sleeper() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    close(served_[0]);
  }
  bool served(int milliseconds) const {
    pollfd entry{served_[0], POLLIN, 0};
    return poll(&entry, 1, milliseconds) == 1;
  }

 private:
  int served_[2];
  pid_t pid_;
};

template <class Item>
void check_what_is_left(const scenario& s, const kin::queue<Item>& q, int handle, const std::function<bool()>& served) {
  // What must have happened by itself, before anybody else touches the queue.
  const bool woken = s.with_sleeper && served();
  std::string letters;
  if (s.with_sleeper && !woken) {
    // Then it had nothing to be woken for.
    ASSERT_EQ(q.size(), s.before) << "there is something for it, and it waits";
  }
  if (s.polled) {
    pollfd entry{handle, POLLIN, 0};
    const bool readable = poll(&entry, 1, 0) == 1;
    const bool waiting = q.size() > 0;
    ASSERT_TRUE(readable || !waiting) << "an item waits, and the handle does not say so";
    ASSERT_EQ(poll(&entry, 1, 0) == 1, waiting) << "nobody set it right";
  }
  if (s.with_sleeper && !s.puts && !woken) return;  // it goes on beside us: the accounts would race
  while (auto got = q.try_get()) {
    letters += letter_of(*got);
    ASSERT_TRUE(is_item(*got, letters.back(), s.size, s.with_fd)) << letters;
  }
  std::string all;
  for (std::size_t i = 0; i < s.before; ++i) all += static_cast<char>('a' + i);
  const std::string without = s.with_sleeper && s.puts ? "" : s.with_sleeper ? all.substr(1) + "s" : all;
  const std::string with = s.with_sleeper ? without : s.puts ? all + "z" : all.substr(1);
  ASSERT_TRUE(letters == without || letters == with) << letters;
  if (s.with_sleeper && !woken) return;
  // No memory belongs to two.
  const std::size_t more = s.capacity == 0 ? 6 : s.capacity;
  for (std::size_t i = 0; i < more; ++i)
    ASSERT_TRUE(q.try_put(make_item<Item>(static_cast<char>('A' + i), s.size, s.with_fd)));
  for (std::size_t i = 0; i < more; ++i)
    ASSERT_TRUE(is_item(q.get(), static_cast<char>('A' + i), s.size, s.with_fd)) << i;
}

// One kill; false when the operation was over first.
template <class Item>
bool one_kill(const scenario& s, long steps, kin_test::course& way) {
  const kin::queue<Item> q(s.capacity);
  const int handle = s.polled ? q.native_handle() : -1;
  q.put(make_item<Item>('x', s.size, s.with_fd));  // so that there is free memory of both kinds
  (void)q.get();
  for (std::size_t i = 0; i < s.before; ++i) q.put(make_item<Item>(static_cast<char>('a' + i), s.size, s.with_fd));
  if (s.bias == scenario::another) take_biases(q, s);
  Item mine = make_item<Item>('z', s.size, s.with_fd);
  kin_test::stepped victim(
      [&] {
        // A member, and with the handle of the queue that it will set.
        if (!s.joins) (void)kin::mutex();
        if (s.polled) (void)q.native_handle();
        if (s.bias == scenario::victim) take_biases(q, s);
      },
      [&] {
        if (s.puts)
          q.put(std::move(mine));
        else
          (void)q.get();
      });
  std::optional<sleeper> other;
  if (s.with_sleeper) other.emplace(s, q);
  const bool inside = victim.step_and_die(steps, way);
  check_what_is_left(s, q, handle, [&] {
    // A consumer or producer with something to do is on its way; one without is left alone for a moment only.
    return other->served(2) || (s.puts ? q.size() != 0 : q.size() < s.before) ? other->served(5000) : false;
  });
  // Who was not served yet is by the next one.
  if (s.with_sleeper && !testing::Test::HasFatalFailure() && !other->served(0))
    [&] {
      if (s.puts)
        q.put(make_item<Item>('y', s.size, false));
      else
        (void)q.get();
      ASSERT_TRUE(other->served(10'000)) << "the next one does not wake who sleeps";
    }();
  return inside;
}

void kill_everywhere(const scenario& s, long kills) {
  SCOPED_TRACE(s.name);
  kin_test::course way;
  const auto one_kill = s.flat ? ::one_kill<flat_item> : s.plain ? ::one_kill<plain_item> : ::one_kill<item>;
  ASSERT_FALSE(one_kill(s, 10'000'000, way));
  const long length = way.made;
  const long points = kill_at(kin_test::about(kills, length), way, length,
                              [&](long n, kin_test::course& to) { return one_kill(s, n, to); });
  std::printf("             %-45s %6ld instructions, %5ld kills\n", s.name.c_str(), length, points);
}

const std::vector<scenario> scenarios = {
    {.name = "put into an empty queue"},
    {.name = "put behind others", .before = 2},
    {.name = "put that grows the file", .before = 5, .size = 20'000},
    {.name = "put of many extents", .before = 1, .size = 70'000},
    {.name = "put with a descriptor", .before = 1, .with_fd = true},
    {.name = "put for one who waits", .with_sleeper = true},
    {.name = "put for one who waits, with a descriptor", .with_fd = true, .with_sleeper = true},
    {.name = "put for one who polls", .polled = true},
    {.name = "get of the only item", .before = 1, .puts = false},
    {.name = "get of the first item", .before = 3, .puts = false},
    {.name = "get of many extents", .before = 2, .size = 70'000, .puts = false},
    {.name = "get with a descriptor", .before = 2, .puts = false, .with_fd = true},
    {.name = "get for one who waits for room", .capacity = 2, .before = 2, .puts = false, .with_sleeper = true},
    {.name = "get of the only item, polled", .before = 1, .puts = false, .polled = true},
    {.name = "plain put into an empty queue", .plain = true},
    {.name = "plain put behind others", .before = 2, .plain = true},
    {.name = "plain put by one who is no member yet", .plain = true, .joins = true},
    {.name = "plain put that needs a segment", .before = 1, .size = 10'000, .plain = true},
    {.name = "plain put of many segments", .before = 1, .size = 70'000, .plain = true},
    {.name = "plain put for one who waits", .with_sleeper = true, .plain = true},
    {.name = "plain put for one who polls", .polled = true, .plain = true},
    {.name = "plain get of the only item", .before = 1, .puts = false, .plain = true},
    {.name = "plain get of the first item", .before = 3, .puts = false, .plain = true},
    {.name = "plain get from the next segment", .before = 2, .size = 10'000, .puts = false, .plain = true},
    {.name = "plain get of many segments", .before = 2, .size = 70'000, .puts = false, .plain = true},
    {.name = "plain get for one who waits for room",
     .capacity = 2,
     .before = 2,
     .puts = false,
     .with_sleeper = true,
     .plain = true},
    {.name = "plain get of the only item, polled", .before = 1, .puts = false, .polled = true, .plain = true},
    {.name = "plain put with the bias", .before = 2, .plain = true, .bias = scenario::victim},
    {.name = "plain get with the bias", .before = 3, .puts = false, .plain = true, .bias = scenario::victim},
    {.name = "flat put with the bias", .before = 2, .flat = true, .bias = scenario::victim},
    {.name = "flat get with the bias", .before = 3, .puts = false, .flat = true, .bias = scenario::victim},
    {.name = "flat put with the bias, polled", .polled = true, .flat = true, .bias = scenario::victim},
    {.name = "flat put with the bias for one who waits", .with_sleeper = true, .flat = true, .bias = scenario::victim},
    {.name = "flat get with the bias for one who waits for room",
     .capacity = 2,
     .before = 2,
     .puts = false,
     .with_sleeper = true,
     .flat = true,
     .bias = scenario::victim},
    {.name = "flat put that takes the bias away", .before = 2, .flat = true, .bias = scenario::another},
    {.name = "flat get that takes the bias away", .before = 3, .puts = false, .flat = true, .bias = scenario::another},
};

class queue_killed_at : public testing::TestWithParam<scenario> {};
class long_queue_killed_at : public queue_killed_at {};

TEST_P(queue_killed_at, a_few_instructions_is_whole) { kill_everywhere(GetParam(), 9); }
TEST_P(long_queue_killed_at, every_instruction_is_whole) { kill_everywhere(GetParam(), 1'000'000); }

INSTANTIATE_TEST_SUITE_P(in, queue_killed_at, testing::ValuesIn(scenarios), kin_test::scenario_name);
INSTANTIATE_TEST_SUITE_P(in, long_queue_killed_at, testing::ValuesIn(scenarios), kin_test::scenario_name);

}  // namespace

#endif
