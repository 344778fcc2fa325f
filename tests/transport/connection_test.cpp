// SPDX-License-Identifier: BSL-1.0
// connection: messages, ranges, types, ends of file and deaths, between two ends in one process and between processes.
#include <kin/process/process.hpp>
#include <kin/transport/connection.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <map>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

namespace {

std::vector<std::byte> bytes_of(const std::string& text) {
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  return {first, first + text.size()};
}

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

kin::unique_fd open_null() { return kin::unique_fd(::open("/dev/null", O_RDWR | O_CLOEXEC)); }

struct point {
  int x = 0, y = 0;
  bool operator==(const point&) const = default;
};

// --- values ---------------------------------------------------------------------------------------------------------

TEST(connection, carries_values_in_order_and_both_ways) {
  auto [a, b] = kin::pipe();
  a.send(std::vector{1, 2, 3});
  a.send("text");
  a.send(point{1, 2});
  b.send(std::map<std::string, double>{{"pi", 3.14}});
  EXPECT_EQ(b.recv<std::vector<int>>(), (std::vector{1, 2, 3}));
  EXPECT_EQ(b.recv<std::string>(), "text");
  EXPECT_EQ(b.recv<point>(), (point{1, 2}));
  EXPECT_EQ((a.recv<std::map<std::string, double>>().at("pi")), 3.14);
}

TEST(connection, sends_string_views_and_literals_as_strings) {
  auto [a, b] = kin::pipe();
  const char* pointer = "pointer";
  a.send(std::string_view("view"));
  a.send(pointer);
  a.send("grüße");
  EXPECT_EQ(b.recv<std::string>(), "view");
  EXPECT_EQ(b.recv<std::string>(), "pointer");
  EXPECT_EQ(b.recv<std::string>(), "grüße");
}

TEST(connection, leaves_an_lvalue_as_it_was) {
  auto [a, b] = kin::pipe();
  const std::vector<int> constant{1};
  std::vector<int> variable{2};
  a.send(constant);
  a.send(variable);
  EXPECT_EQ(variable, std::vector{2});
  EXPECT_EQ(b.recv<std::vector<int>>(), constant);
  EXPECT_EQ(b.recv<std::vector<int>>(), variable);
}

TEST(connection, gives_a_moved_descriptor_away) {
  auto [a, b] = kin::pipe();
  kin::unique_fd file = open_null();
  a.send(std::move(file));
  EXPECT_FALSE(file);  // NOLINT(bugprone-use-after-move): that is the claim
  kin::unique_fd there = b.recv<kin::unique_fd>();
  EXPECT_EQ(::write(there.get(), "x", 1), 1);
}

TEST(connection, refuses_a_message_of_another_type_and_keeps_it) {
  auto [a, b] = kin::pipe();
  a.send(std::string("mine"));
  EXPECT_THROW((void)b.recv<int>(), kin::type_mismatch);
  EXPECT_THROW((void)b.recv<std::vector<int>>(), kin::type_mismatch);
  EXPECT_THROW((void)b.recv_bytes(), kin::type_mismatch);
  std::byte room[8];
  EXPECT_THROW((void)b.recv_bytes_into(room), kin::type_mismatch);
  EXPECT_TRUE(b.poll());
  EXPECT_EQ(b.recv<std::string>(), "mine");
  EXPECT_FALSE(b.poll());
}

TEST(connection, refuses_raw_bytes_as_a_value_and_keeps_them) {
  auto [a, b] = kin::pipe();
  a.send_bytes(bytes_of("raw"));
  try {
    (void)b.recv<std::string>();
    FAIL() << "raw bytes were received as a string";
  } catch (const kin::type_mismatch& e) {
    EXPECT_NE(std::string(e.what()).find("recv_bytes"), std::string::npos) << e.what();
  }
  EXPECT_EQ(text_of(b.recv_bytes()), "raw");
}

TEST(connection, says_by_its_name_which_type_the_next_message_is_not) {
  auto [a, b] = kin::pipe();
  a.send(std::string("text"));
  try {
    (void)b.recv<std::uint32_t>();
    FAIL() << "a string was received as a number";
  } catch (const kin::type_mismatch& e) {
    EXPECT_NE(std::string(e.what()).find("not unsigned int, on the wire u32"), std::string::npos) << e.what();
  }
}

TEST(connection, keeps_a_refused_message_with_descriptors_whole) {
  auto [a, b] = kin::pipe();
  std::vector<kin::unique_fd> many;
  for (int i = 0; i < 300; ++i) many.push_back(open_null());
  a.send(std::move(many));
  EXPECT_THROW((void)b.recv<std::string>(), kin::type_mismatch);
  const auto there = b.recv<std::vector<kin::unique_fd>>();
  ASSERT_EQ(there.size(), 300u);
  for (const auto& fd : there) EXPECT_TRUE(::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC);
}

TEST(connection, carries_300_descriptors_in_one_message) {
  auto [a, b] = kin::pipe();
  std::vector<kin::unique_fd> many;
  for (int i = 0; i < 300; ++i) many.push_back(open_null());
  a.send(std::move(many));
  a.send(7);
  EXPECT_EQ(b.recv<std::vector<kin::unique_fd>>().size(), 300u);
  EXPECT_EQ(b.recv<int>(), 7);
}

TEST(connection, keeps_no_descriptor_of_a_message_that_nobody_received) {
  auto [a, b] = kin::pipe();
  std::vector<kin::unique_fd> many(2);
  for (auto& fd : many) fd = open_null();
  a.send(std::move(many));
  EXPECT_THROW((void)b.recv<int>(), kin::type_mismatch);
}

void receive_what_was_refused(kin::connection from, kin::connection answer) {
  const auto first = from.recv<std::string>();
  answer.send(first + from.recv<std::string>());
}

TEST(connection, takes_a_refused_message_along_to_another_process) {
  auto [a, b] = kin::pipe();
  auto [answer, to_us] = kin::pipe();
  a.send(std::string(100'000, 'x'));
  a.send("second");
  EXPECT_THROW((void)b.recv<int>(), kin::type_mismatch);
  kin::process child(receive_what_was_refused, std::move(b), std::move(to_us));
  EXPECT_EQ(answer.recv<std::string>(), std::string(100'000, 'x') + "second");
}

TEST(connection, takes_a_refused_message_with_descriptors_along) {
  auto [a, b] = kin::pipe();
  auto [c, d] = kin::pipe();
  std::vector<kin::unique_fd> many;
  for (int i = 0; i < 300; ++i) many.push_back(open_null());
  a.send(std::move(many));
  EXPECT_THROW((void)b.recv<int>(), kin::type_mismatch);
  c.send(std::move(b));
  auto moved = d.recv<kin::connection>();
  EXPECT_EQ(moved.recv<std::vector<kin::unique_fd>>().size(), 300u);
}

TEST(connection, keeps_its_direction_when_it_is_moved_to_another_process) {
  auto [reader, writer] = kin::pipe(kin::simplex);
  auto [c, d] = kin::pipe();
  c.send(std::move(reader));
  c.send(std::move(writer));
  auto r = d.recv<kin::connection>();
  auto w = d.recv<kin::connection>();
  EXPECT_TRUE(r.readable() && !r.writable());
  EXPECT_TRUE(w.writable() && !w.readable());
  w.send(1);
  EXPECT_EQ(r.recv<int>(), 1);
}

TEST(connection, refuses_to_send_a_closed_connection_and_sends_nothing) {
  auto [a, b] = kin::pipe();
  EXPECT_THROW(a.send(kin::connection()), kin::encode_error);
  EXPECT_FALSE(b.poll());
}

// --- raw bytes ------------------------------------------------------------------------------------------------------

TEST(connection, sends_the_range_of_bytes_that_was_asked_for) {
  auto [a, b] = kin::pipe();
  const auto digits = bytes_of("0123456789");
  a.send_bytes(digits);
  a.send_bytes(digits, 3);
  a.send_bytes(digits, 3, 4);
  a.send_bytes(digits, 10);
  a.send_bytes(digits, 0, 0);
  a.send_bytes(digits, 10, 0);
  for (const char* expected : {"0123456789", "3456789", "3456", "", "", ""})
    EXPECT_EQ(text_of(b.recv_bytes()), expected);
}

TEST(connection, refuses_a_range_outside_of_the_buffer_and_sends_nothing) {
  auto [a, b] = kin::pipe();
  const auto digits = bytes_of("0123456789");
  EXPECT_THROW(a.send_bytes(digits, 11), std::out_of_range);
  EXPECT_THROW(a.send_bytes(digits, 4, 7), std::out_of_range);
  EXPECT_THROW(a.send_bytes(digits, 11, 0), std::out_of_range);
  EXPECT_THROW(a.send_bytes(digits, -1), std::out_of_range);
  EXPECT_THROW(a.send_bytes(digits, 0, -1), std::out_of_range);
  EXPECT_THROW(a.send_bytes(digits, 5, SIZE_MAX), std::out_of_range);
  EXPECT_THROW(a.send_bytes(digits, SIZE_MAX, 1), std::out_of_range);
  EXPECT_FALSE(b.poll(10ms));
}

TEST(connection, refuses_a_message_longer_than_allowed_and_keeps_it) {
  auto [a, b] = kin::pipe();
  a.send_bytes(bytes_of("0123456789"));
  try {
    (void)b.recv_bytes(9);
    FAIL();
  } catch (const kin::os_error& e) {
    EXPECT_EQ(e.code().value(), EMSGSIZE);
  }
  EXPECT_THROW((void)b.recv_bytes(-1), std::out_of_range);
  EXPECT_EQ(text_of(b.recv_bytes(10)), "0123456789");
  a.send_bytes({});
  EXPECT_EQ(b.recv_bytes(0).size(), 0u);
}

TEST(connection, receives_into_a_buffer_from_an_offset_on) {
  auto [a, b] = kin::pipe();
  std::vector<std::byte> room(10, std::byte{'.'});
  a.send_bytes(bytes_of("abc"));
  EXPECT_EQ(b.recv_bytes_into(room), 3u);
  EXPECT_EQ(text_of(room), "abc.......");
  a.send_bytes(bytes_of("xyz"));
  EXPECT_EQ(b.recv_bytes_into(room, 7), 3u);
  EXPECT_EQ(text_of(room), "abc....xyz");
  a.send_bytes({});
  EXPECT_EQ(b.recv_bytes_into(room, 10), 0u);
}

TEST(connection, hands_over_the_message_that_a_buffer_is_too_short_for) {
  auto [a, b] = kin::pipe();
  std::vector<std::byte> room(10, std::byte{'.'});
  a.send_bytes(bytes_of("four"));
  a.send(1);
  try {
    (void)b.recv_bytes_into(room, 7);
    FAIL();
  } catch (const kin::buffer_too_short& e) {
    EXPECT_EQ(text_of(e.message()), "four");
  }
  EXPECT_EQ(text_of(room), "..........");
  EXPECT_EQ(b.recv<int>(), 1);
}

TEST(connection, refuses_an_offset_beyond_the_buffer_and_keeps_the_message) {
  auto [a, b] = kin::pipe();
  std::vector<std::byte> room(4);
  a.send_bytes(bytes_of("a"));
  EXPECT_THROW((void)b.recv_bytes_into(room, 5), std::out_of_range);
  EXPECT_THROW((void)b.recv_bytes_into(room, -1), std::out_of_range);
  EXPECT_EQ(b.recv_bytes_into(room), 1u);
}

TEST(connection, sends_a_loan_only_when_it_is_committed) {
  auto [a, b] = kin::pipe();
  {
    auto room = a.loan(4);
    ASSERT_EQ(room.bytes().size(), 4u);
    EXPECT_EQ(room.bytes()[3], std::byte{0});
  }
  EXPECT_FALSE(b.poll());
  auto room = a.loan(3);
  std::ranges::copy(bytes_of("abc"), room.bytes().begin());
  room.commit();
  EXPECT_THROW(room.commit(), std::logic_error);
  EXPECT_EQ(text_of(b.recv_bytes()), "abc");
  EXPECT_FALSE(b.poll());
  a.loan(0).commit();
  EXPECT_EQ(b.recv_bytes().size(), 0u);
  EXPECT_THROW((void)a.loan(-1), std::out_of_range);
}

TEST(connection, sends_a_loan_once_after_it_was_moved) {
  auto [a, b] = kin::pipe();
  auto first = a.loan(1);
  auto second = std::move(first);
  second.commit();
  EXPECT_THROW(first.commit(), std::logic_error);  // NOLINT(bugprone-use-after-move): that is the claim
  EXPECT_EQ(b.recv_bytes().size(), 1u);
  EXPECT_FALSE(b.poll());
}

// --- waiting --------------------------------------------------------------------------------------------------------

TEST(connection, polls_true_when_a_message_or_the_end_of_file_waits) {
  auto [a, b] = kin::pipe();
  EXPECT_FALSE(b.poll());
  EXPECT_FALSE(b.poll(0ms));
  EXPECT_FALSE(b.poll(-1s));
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(b.poll(50ms));
  EXPECT_GE(std::chrono::steady_clock::now() - start, 50ms);
  a.send(1);
  EXPECT_TRUE(b.poll());
  EXPECT_TRUE(b.poll(std::chrono::hours::max()));
  (void)b.recv<int>();
  EXPECT_FALSE(b.poll());
  a.close();
  EXPECT_TRUE(b.poll());
  EXPECT_THROW((void)b.recv<int>(), kin::closed_error);
}

TEST(connection, delivers_everything_sent_before_the_end_of_file) {
  auto [a, b] = kin::pipe();
  for (int i = 0; i < 100; ++i) a.send(i);
  a.close();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(b.recv<int>(), i);
  EXPECT_THROW((void)b.recv<int>(), kin::closed_error);
  EXPECT_THROW((void)b.recv<int>(), kin::closed_error);
}

TEST(connection, answers_every_use_after_close_with_closed_error) {
  auto [a, b] = kin::pipe();
  a.close();
  a.close();
  EXPECT_TRUE(a.closed());
  EXPECT_EQ(a.native_handle(), -1);
  EXPECT_THROW(a.send(1), kin::closed_error);
  EXPECT_THROW((void)a.recv<int>(), kin::closed_error);
  EXPECT_THROW((void)a.poll(), kin::closed_error);
  EXPECT_THROW(a.send_bytes({}), kin::closed_error);
  EXPECT_THROW((void)a.recv_bytes(), kin::closed_error);
  EXPECT_TRUE(kin::connection().closed());
}

TEST(connection, raises_closed_error_and_no_signal_when_it_sends_to_a_closed_end) {
  ASSERT_NE(std::signal(SIGPIPE, SIG_DFL), SIG_ERR);
  auto [a, b] = kin::pipe();
  b.close();
  EXPECT_THROW(a.send(1), kin::closed_error);
  EXPECT_THROW(a.send(std::string(1 << 20, 'x')), kin::closed_error);
  EXPECT_THROW(a.loan(5).commit(), kin::closed_error);
}

TEST(connection, that_is_simplex_has_one_direction) {
  auto [reader, writer] = kin::pipe(kin::simplex);
  EXPECT_TRUE(reader.readable() && !reader.writable());
  EXPECT_TRUE(!writer.readable() && writer.writable());
  EXPECT_THROW(reader.send(1), kin::os_error);
  EXPECT_THROW((void)writer.recv<int>(), kin::os_error);
  EXPECT_THROW((void)writer.poll(), kin::os_error);
  EXPECT_THROW((void)writer.recv_bytes(), kin::os_error);
  EXPECT_THROW(reader.send_bytes({}), kin::os_error);
  writer.send(5);
  EXPECT_EQ(reader.recv<int>(), 5);
  reader.close();
  EXPECT_THROW(writer.send(1), kin::closed_error);
}

TEST(connection, stays_readable_for_epoll_while_a_refused_message_waits) {
  auto [a, b] = kin::pipe();
  const kin::unique_fd set(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event wanted{}, got{};
  wanted.events = EPOLLIN;
  ASSERT_EQ(::epoll_ctl(set.get(), EPOLL_CTL_ADD, b.native_handle(), &wanted), 0);
  EXPECT_EQ(::epoll_wait(set.get(), &got, 1, 0), 0);
  for (const bool empty : {false, true}) {
    if (empty)
      a.send_bytes({});
    else
      a.send(std::string("x"));
    EXPECT_THROW((void)b.recv<int>(), kin::type_mismatch);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(::epoll_wait(set.get(), &got, 1, 0), 1);
    if (empty)
      (void)b.recv_bytes();
    else
      (void)b.recv<std::string>();
    EXPECT_EQ(::epoll_wait(set.get(), &got, 1, 0), 0);
  }
}

TEST(connection, serves_one_thread_per_direction) {
  auto [a, b] = kin::pipe();
  constexpr int messages = 2000;
  const auto send_all = [](kin::connection& c) {
    for (int i = 0; i < messages; ++i) c.send(std::vector<int>(static_cast<std::size_t>(i % 700), i));
  };
  const auto receive_all = [](kin::connection& c) {
    for (int i = 0; i < messages; ++i) {
      const auto v = c.recv<std::vector<int>>();
      ASSERT_EQ(v, std::vector<int>(static_cast<std::size_t>(i % 700), i));
    }
  };
  std::thread t1([&, &c = a] { send_all(c); }), t2([&, &c = b] { send_all(c); }), t3([&, &c = a] { receive_all(c); }),
      t4([&, &c = b] { receive_all(c); });
  for (auto* t : {&t1, &t2, &t3, &t4}) t->join();
}

// --- other processes ------------------------------------------------------------------------------------------------

void echo(kin::connection with) {
  try {
    for (;;) with.send(with.recv<std::vector<std::uint64_t>>());
  } catch (const kin::closed_error&) {
  }
}

TEST(connection, carries_a_message_of_64_mebibytes_there_and_back) {
  auto [a, b] = kin::pipe();
  kin::process child(echo, std::move(b));
  std::vector<std::uint64_t> numbers((64 << 20) / 8);
  std::iota(numbers.begin(), numbers.end(), 0);
  a.send(numbers);
  EXPECT_TRUE(a.recv<std::vector<std::uint64_t>>() == numbers);
  a.close();
}

TEST(long_connection, carries_a_message_of_more_than_4_gibibytes) {
  auto [a, b] = kin::pipe();
  constexpr std::size_t size = (std::size_t{4} << 30) + 5;
  std::thread sender([&, &c = a] {
    std::vector<std::byte> big(size);
    big.front() = std::byte{1};
    big.back() = std::byte{2};
    c.send_bytes(big);
  });
  const auto got = b.recv_bytes();
  sender.join();
  ASSERT_EQ(got.size(), size);
  EXPECT_EQ(got.front(), std::byte{1});
  EXPECT_EQ(got.back(), std::byte{2});
}

void send_for_ever(kin::connection to) {
  to.send(std::string("whole"));
  to.send_bytes(std::vector<std::byte>(32 << 20));
}

TEST(connection, never_delivers_a_message_cut_short_by_a_death) {
  auto [a, b] = kin::pipe();
  kin::process child(send_for_ever, std::move(b));
  EXPECT_EQ(a.recv<std::string>(), "whole");
  EXPECT_TRUE(a.poll(10s));
  EXPECT_THROW((void)a.recv<int>(), kin::type_mismatch);
  child.kill();
  child.join();
  EXPECT_THROW((void)a.recv_bytes(), kin::closed_error);
  EXPECT_THROW((void)a.recv_bytes(), kin::closed_error);
}

// One thread sends and one receives when the peer dies in the middle of what one of them does.
void dies_in_a_message(kin::connection with) {
  (void)with.poll(10s);
  ::raise(SIGKILL);
}

TEST(connection, ends_for_a_receiving_thread_when_a_send_is_cut_short_by_a_death) {
  for (int round = 0; round < 10; ++round) {
    auto [a, b] = kin::pipe();
    kin::process child(dies_in_a_message, std::move(b));
    std::thread receiver([&, &from = a] { EXPECT_THROW((void)from.recv<int>(), kin::closed_error); });
    if (round % 2 == 0)
      EXPECT_THROW(a.send_bytes(std::vector<std::byte>(8 << 20)), kin::closed_error);
    else
      EXPECT_THROW(a.send(std::vector<int>(2 << 20)), kin::closed_error);
    receiver.join();
    EXPECT_THROW(a.send(1), kin::closed_error);
    EXPECT_THROW((void)a.recv<int>(), kin::closed_error);
  }
}

void answers_and_leaves(kin::connection with, bool by_death) {
  with.send(1);
  with.send(2);
  (void)with.poll(10s);
  if (by_death) ::raise(SIGKILL);
}

TEST(connection, gives_what_was_sent_before_the_death_that_cuts_a_send_short) {
  for (const bool by_death : {false, true})
    for (const std::size_t bytes : {std::size_t{100}, std::size_t{10} << 20}) {
      auto [a, b] = kin::pipe();
      kin::process child(answers_and_leaves, std::move(b), by_death);
      const std::vector<std::byte> question(bytes);
      try {
        for (;;) a.send_bytes(question);
      } catch (const kin::closed_error&) {
      }
      EXPECT_EQ(a.recv<int>(), 1);
      EXPECT_EQ(a.recv<int>(), 2);
      EXPECT_THROW((void)a.recv<int>(), kin::closed_error);
    }
}

TEST(connection, says_each_time_that_its_reader_is_gone) {
  auto [a, b] = kin::pipe();
  a.send(0);
  b.close();
  for (int i = 0; i < 40; ++i) EXPECT_THROW(a.send(i), kin::closed_error) << i;
}

struct asks_for_its_senders_death {
  std::uint32_t value = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(value);
    if constexpr (Archive::is_loading)
      if (value == 100) ::kill(sender, SIGKILL);
  }
  static inline pid_t sender = 0;
};

void sends_many_and_takes_nothing(kin::connection to) {
  std::vector<asks_for_its_senders_death> many(2'000'000);
  for (std::uint32_t i = 0; i < many.size(); ++i) many[i].value = i;
  to.send(many);
}

TEST(connection, ends_for_a_sending_thread_when_a_receive_is_cut_short_by_a_death) {
  for (int round = 0; round < 10; ++round) {
    auto [a, b] = kin::pipe();
    kin::process child(sends_many_and_takes_nothing, std::move(b));
    asks_for_its_senders_death::sender = child.pid();
    std::thread sender([&, &to = a] {
      const std::vector<std::byte> some(60'000);
      EXPECT_THROW(for (;;) to.send_bytes(some), kin::closed_error);
    });
    EXPECT_THROW((void)a.recv<std::vector<asks_for_its_senders_death>>(), kin::closed_error);
    sender.join();
    EXPECT_TRUE(a.closed());
  }
}

void answer_a_stream(kin::connection over) {
  auto end = over.recv<kin::connection>();
  over.close();
  // The first use of it, by two threads at once.
  std::thread receiver([&] {
    for (int i = 0; i < 100; ++i) EXPECT_EQ(end.recv<int>(), i);
  });
  for (int i = 0; i < 100; ++i) end.send(i);
  receiver.join();
}

TEST(connection, that_has_come_from_elsewhere_may_be_used_first_by_two_threads_at_once) {
  for (int round = 0; round < 20; ++round) {
    auto [over, other] = kin::pipe();
    auto [end, passed] = kin::pipe();
    std::thread there([&, &from = other] { answer_a_stream(std::move(from)); });
    over.send(std::move(passed));
    for (int i = 0; i < 100; ++i) end.send(i);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(end.recv<int>(), i);
    there.join();
  }
}

void read_a_little(kin::connection from) {
  (void)from.poll(10s);
  ::raise(SIGKILL);
}

TEST(connection, ends_a_send_whose_reader_dies_in_the_middle) {
  auto [a, b] = kin::pipe();
  kin::process child(read_a_little, std::move(b));
  EXPECT_THROW(a.send_bytes(std::vector<std::byte>(32 << 20)), kin::closed_error);
}

void hand_back(kin::connection over) {
  auto end = over.recv<kin::connection>();
  end.send(std::string("from there"));
  over.send(std::move(end));
}

TEST(connection, travels_inside_a_message_there_and_back) {
  auto [a, b] = kin::pipe();
  auto [c, d] = kin::pipe();
  kin::process child(hand_back, std::move(b));
  a.send(std::move(c));
  EXPECT_TRUE(c.closed());  // NOLINT(bugprone-use-after-move): that is the claim
  EXPECT_EQ(d.recv<std::string>(), "from there");
  auto back = a.recv<kin::connection>();
  back.send(1);
  EXPECT_EQ(d.recv<int>(), 1);
}

// --- a peer that is no kin ------------------------------------------------------------------------------------------

struct raw_peer {
  raw_peer() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
    here = kin::connection(kin::detail::channel(kin::unique_fd(ends[0])));
    there = kin::unique_fd(ends[1]);
  }
  void write(const void* data, std::size_t size) const {
    ASSERT_EQ(::send(there.get(), data, size, MSG_NOSIGNAL), static_cast<ssize_t>(size));
  }
  kin::connection here;
  kin::unique_fd there;
};

TEST(connection, answers_garbage_with_decode_error_and_closes) {
  raw_peer peer;
  const std::string garbage(100, 'g');
  peer.write(garbage.data(), garbage.size());
  EXPECT_TRUE(peer.here.poll());
  EXPECT_THROW((void)peer.here.recv<int>(), kin::decode_error);
  EXPECT_THROW((void)peer.here.recv<int>(), kin::closed_error);
}

TEST(connection, answers_a_damaged_value_with_decode_error_and_goes_on) {
  raw_peer peer;
  const kin::detail::frame_header header{kin::detail::frame_magic, 0, 3, kin::type_signature<std::string>()};
  peer.write(&header, sizeof header);
  peer.write("\xff\xff\xff", 3);
  EXPECT_THROW((void)peer.here.recv<std::string>(), kin::decode_error);
  const kin::detail::frame_header next{kin::detail::frame_magic, 0, 2, kin::detail::raw_bytes};
  peer.write(&next, sizeof next);
  peer.write("ok", 2);
  EXPECT_EQ(text_of(peer.here.recv_bytes()), "ok");
}

TEST(connection, does_not_believe_a_size_that_never_comes) {
  raw_peer peer;
  const kin::detail::frame_header header{kin::detail::frame_magic, 0, UINT64_MAX, kin::detail::raw_bytes};
  peer.write(&header, sizeof header);
  peer.write("some", 4);
  peer.there.reset();
  EXPECT_THROW((void)peer.here.recv_bytes(), kin::closed_error);
}

TEST(connection, does_not_believe_descriptors_that_never_come) {
  raw_peer peer;
  const kin::detail::frame_header header{kin::detail::frame_magic, 3, 4, kin::detail::raw_bytes};
  peer.write(&header, sizeof header);
  peer.write("some", 4);
  EXPECT_THROW((void)peer.here.recv_bytes(), kin::decode_error);
}

TEST(connection, ends_when_the_peer_dies_within_a_header) {
  raw_peer peer;
  const kin::detail::frame_header header{kin::detail::frame_magic, 0, 4, kin::detail::raw_bytes};
  peer.write(&header, 10);
  peer.there.reset();
  EXPECT_THROW((void)peer.here.recv_bytes(), kin::closed_error);
}

void send_descriptors(int socket, const void* data, std::size_t size, int fd, std::size_t count) {
  iovec piece{const_cast<void*>(data), size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 253)] = {};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
  cmsghdr* c = CMSG_FIRSTHDR(&message);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof(int) * count);
  const std::vector<int> numbers(count, fd);
  std::memcpy(CMSG_DATA(c), numbers.data(), sizeof(int) * count);
  ASSERT_EQ(::sendmsg(socket, &message, MSG_NOSIGNAL), static_cast<ssize_t>(size));
}

TEST(connection, keeps_no_descriptors_that_were_not_announced) {
  raw_peer peer;
  const kin::detail::frame_header header{kin::detail::frame_magic, 0, 40, kin::detail::raw_bytes};
  peer.write(&header, sizeof header);
  const kin::unique_fd null = open_null();
  for (int i = 0; i < 4; ++i) send_descriptors(peer.there.get(), "0123456789", 10, null.get(), 200);
  EXPECT_THROW((void)peer.here.recv_bytes(), kin::decode_error);
}

TEST(connection, is_movable_by_assignment_and_closes_what_it_had) {
  auto [a, b] = kin::pipe();
  auto [c, d] = kin::pipe();
  a = std::move(c);
  EXPECT_THROW((void)b.recv<int>(), kin::closed_error);
  a.send(1);
  EXPECT_EQ(d.recv<int>(), 1);
}

TEST(connection, has_sent_what_was_received_although_the_receiver_closed_at_once) {
  auto [there, here] = kin::pipe();
  for (int round = 0; round < 2000; ++round) {
    auto [a, b] = kin::pipe();
    there.send(std::move(b));  // after a move, a sender asks whether anybody holds the other end any more
    std::thread reader([&, &from = here] {
      auto end = from.recv<kin::connection>();
      end.send(6);
      EXPECT_EQ(end.recv<int>(), 7);
      end.close();
    });
    EXPECT_EQ(a.recv<int>(), 6);
    EXPECT_NO_THROW(a.send(7));
    reader.join();
    EXPECT_THROW(a.send(8), kin::closed_error);
  }
}

}  // namespace
