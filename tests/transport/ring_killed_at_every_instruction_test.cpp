// SPDX-License-Identifier: BSL-1.0
// the rings of a pipe: a process is stopped after 1, 2, 3 … n instructions of one send or one recv, and killed there
// (ptrace). What the other side then gets must be whole messages in order and the end of file, at once, also when it
// slept; and what a forked copy of the dead one's end does next must be right.
// Not under sanitizers: their instructions are not ours, and a hundred times as many.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#include <kin/transport/connection.hpp>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sync/scenario_part.hpp"
#include "sync/stepped.hpp"

namespace {

struct scenario {
  std::string name;
  bool sends = true;
  std::size_t before = 0, size = 10;  // messages that lie in the pipe before, and how long each is
  bool with_fd = false, with_sleeper = false, polled = false;
  bool in_place = false;    // a loan
  bool twice_held = false;  // the test itself also holds the end whose user is killed
  long parts = 1;           // that all of its instructions are shared out to
};

struct message {
  std::string text;
  std::vector<kin::unique_fd> fds;
};
message make_message(char letter, std::size_t size, bool with_fd) {
  message made{std::string(size, letter), {}};
  if (with_fd) made.fds.emplace_back(dup(0));
  return made;
}
bool is_message(const message& m, char letter, std::size_t size, bool with_fd) {
  return m.text == std::string(size, letter) && m.fds.size() == (with_fd ? 1u : 0u);
}

void send_one(kin::connection& to, const scenario& s, char letter) {
  if (!s.in_place) return to.send(make_message(letter, s.size, s.with_fd));
  auto room = to.loan(s.size);
  std::memset(room.bytes().data(), letter, s.size);  // few instructions
  room.commit();
}
message recv_one(kin::connection& from, const scenario& s) {
  if (!s.in_place) return from.recv<message>();
  const auto got = from.recv_view();
  return {std::string(reinterpret_cast<const char*>(got.bytes().data()), got.bytes().size()), {}};
}

// What is said of a copy that fails: it is killed at the end in any case.
template <class Body>
void or_say(Body body) {
  try {
    body();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "in the victim: %s\n", e.what());
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

// Another process that sleeps in recv, and tells by its exit what it got: a message, the end of file, or rubbish.
class sleeper {
 public:
  enum result { message_whole, end_of_file, wrong };
  sleeper(const scenario& s, kin::connection& here, kin::connection& there) : pid_(fork()) {
    if (pid_ == 0) {
      there.close();
      try {
        const auto got = recv_one(here, s);
        _exit(is_message(got, 'z', s.size, s.with_fd) ? message_whole : wrong);
      } catch (const kin::closed_error&) {
        _exit(end_of_file);
      } catch (...) {
        _exit(wrong);
      }
    }
    wait_until_asleep(pid_);
  }
  sleeper(const sleeper&) = delete;
  sleeper& operator=(const sleeper&) = delete;
  ~sleeper() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  // -1: still asleep after the limit.
  int answer() {
    for (int i = 0; i < 100'000; ++i) {
      int status = 0;
      if (waitpid(pid_, &status, WNOHANG) == pid_) {
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : wrong;
      }
      usleep(100);
    }
    return -1;
  }

 private:
  pid_t pid_;
};

// The sender is killed: whole messages in order, then the end.
void check_receiver(const scenario& s, kin::connection& from) {
  const auto next = [&]() -> std::optional<message> {
    EXPECT_TRUE(from.poll(std::chrono::seconds(10))) << "neither a message nor the end";
    if (s.polled) {
      pollfd entry{from.native_handle(), POLLIN, 0};
      EXPECT_EQ(poll(&entry, 1, 0), 1) << "a poller is not told";
    }
    try {
      return recv_one(from, s);
    } catch (const kin::closed_error&) {
      return std::nullopt;
    }
  };
  for (std::size_t i = 0; i < s.before; ++i) {
    const auto got = next();
    ASSERT_TRUE(got && is_message(*got, static_cast<char>('a' + i), s.size, s.with_fd)) << i;
  }
  if (const auto got = next()) {
    ASSERT_TRUE(is_message(*got, 'z', s.size, s.with_fd));
    ASSERT_FALSE(next());
  }
}

bool kill_a_sender(const scenario& s, long steps, kin_test::course& way) {
  auto [here, there] = kin::pipe();
  const int handle = s.polled ? here.native_handle() : -1;
  for (std::size_t i = 0; i < s.before; ++i) send_one(there, s, static_cast<char>('a' + i));
  message mine = make_message('z', s.size, s.with_fd);
  kin_test::stepped v([] {},
                      [&, &here = here, &there = there] {
                        or_say([&] {
                          here.close();
                          if (s.in_place)
                            send_one(there, s, 'z');
                          else
                            there.send(std::move(mine));
                        });
                      });
  std::optional<sleeper> other;
  if (s.with_sleeper) other.emplace(s, here, there);
  if (!s.twice_held) there.close();
  const bool inside = v.step_and_die(steps, way);
  if (s.twice_held) {
    // A copy of the end goes on: at most the dead one's message is missing.
    send_one(there, s, s.with_sleeper ? 'z' : 'y');
    if (other) {
      EXPECT_EQ(other->answer(), sleeper::message_whole);
      return inside;
    }
    there.close();
    const auto first = recv_one(here, s);
    const bool whole = is_message(first, 'z', s.size, s.with_fd);
    EXPECT_TRUE(whole || is_message(first, 'y', s.size, s.with_fd));
    if (whole) {
      EXPECT_TRUE(is_message(recv_one(here, s), 'y', s.size, s.with_fd));
    }
    EXPECT_THROW((void)recv_one(here, s), kin::closed_error);
    return inside;
  }
  if (other) {
    const int got = other->answer();
    EXPECT_TRUE(got == sleeper::message_whole || got == sleeper::end_of_file) << got;
    return inside;
  }
  if (handle >= 0) {
    pollfd entry{handle, POLLIN, 0};
    EXPECT_EQ(poll(&entry, 1, 10'000), 1) << "a poller is not told";
  }
  check_receiver(s, here);
  return inside;
}

// The receiver is killed: the sender hears of it; or the copy of the end goes on with whole messages.
bool kill_a_receiver(const scenario& s, long steps, kin_test::course& way) {
  auto [here, there] = kin::pipe();
  for (std::size_t i = 0; i < s.before; ++i) send_one(there, s, static_cast<char>('a' + i));
  kin_test::stepped v([] {},
                      [&, &here = here, &there = there] {
                        or_say([&] {
                          there.close();
                          if (s.polled) (void)here.native_handle();
                          (void)recv_one(here, s);
                        });
                      });
  if (!s.twice_held) here.close();
  const bool inside = v.step_and_die(steps, way);
  if (!s.twice_held) {
    EXPECT_THROW(for (int i = 0; i < 16; ++i) send_one(there, s, 'y'), kin::closed_error);
    return inside;
  }
  send_one(there, s, 'y');
  there.close();
  std::string letters;
  try {
    for (;;) {
      const auto got = recv_one(here, s);
      const char letter = got.text.empty() ? '?' : got.text[0];
      EXPECT_TRUE(is_message(got, letter, s.size, s.with_fd));
      letters += letter;
    }
  } catch (const kin::closed_error&) {
  }
  std::string all;
  for (std::size_t i = 0; i < s.before; ++i) all += static_cast<char>('a' + i);
  all += 'y';
  EXPECT_TRUE(letters == all || letters == all.substr(1)) << letters;
  return inside;
}

bool one_kill(const scenario& s, long steps, kin_test::course& way) {
  return s.sends ? kill_a_sender(s, steps, way) : kill_a_receiver(s, steps, way);
}

// `which`(length): the points.
template <class Which>
void kill_at_each(const scenario& s, Which which) {
  kin_test::course way;
  ASSERT_FALSE(one_kill(s, 10'000'000, way));
  const long length = way.made;
  const long points =
      kill_at(which(length), way, length, [&](long n, kin_test::course& to) { return one_kill(s, n, to); });
  std::printf("             %-50s %6ld instructions, %5ld kills\n", s.name.c_str(), length, points);
}

const std::vector<scenario> scenarios = {
    {.name = "send"},
    {.name = "send behind others", .before = 3},
    {.name = "send that grows the ring", .before = 3, .size = 1200},
    {.name = "send in pieces", .size = 140'000, .parts = 16},
    {.name = "send with a descriptor", .before = 1, .with_fd = true},
    {.name = "send for one who sleeps", .with_sleeper = true},
    {.name = "send with a descriptor for one who sleeps", .with_fd = true, .with_sleeper = true},
    {.name = "send for one who polls", .polled = true},
    {.name = "send beside a copy of the end", .twice_held = true},
    {.name = "send beside a copy of the end, for one who sleeps", .with_sleeper = true, .twice_held = true},
    {.name = "loan", .before = 1, .size = 20'000, .in_place = true},
    {.name = "loan that makes a block", .size = 20'000, .in_place = true},
    {.name = "loan for one who sleeps", .size = 20'000, .with_sleeper = true, .in_place = true},
    {.name = "loan beside a copy of the end", .size = 20'000, .in_place = true, .twice_held = true},
    {.name = "recv of the only message", .sends = false, .before = 1},
    {.name = "recv of the first message", .sends = false, .before = 3},
    {.name = "recv of a large message", .sends = false, .before = 2, .size = 60'000},
    {.name = "recv with a descriptor", .sends = false, .before = 2, .with_fd = true},
    {.name = "recv beside a poller", .sends = false, .before = 1, .polled = true},
    {.name = "recv of a loan", .sends = false, .before = 2, .size = 20'000, .in_place = true},
    {.name = "recv of a loan beside a copy of the end",
     .sends = false,
     .before = 2,
     .size = 20'000,
     .in_place = true,
     .twice_held = true},
    {.name = "recv beside a copy of the end", .sends = false, .before = 2, .twice_held = true},
};

class ring_killed_at : public testing::TestWithParam<scenario> {};

TEST_P(ring_killed_at, some_instructions_leaves_the_other_side_right) {
  // A large message takes 100'000 instructions each time.
  const long kills = GetParam().size > 100'000 ? 4 : 12;
  kill_at_each(GetParam(), [=](long length) { return kin_test::about(kills, length); });
}

INSTANTIATE_TEST_SUITE_P(in, ring_killed_at, testing::ValuesIn(scenarios), kin_test::scenario_name);

class long_ring_killed_at : public testing::TestWithParam<kin_test::scenario_part<scenario>> {};

TEST_P(long_ring_killed_at, every_instruction_leaves_the_other_side_right) {
  const auto& p = GetParam();
  kill_at_each(p.whole, [&](long) { return p.points(); });
}

INSTANTIATE_TEST_SUITE_P(in, long_ring_killed_at, testing::ValuesIn(kin_test::parts_of(scenarios)),
                         kin_test::part_name);

}  // namespace

#endif
