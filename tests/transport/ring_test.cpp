// SPDX-License-Identifier: BSL-1.0
// the shared-memory path of a pipe: growing, moving with messages on the way, deaths, pollers, descriptors, liars.
#include <kin/process/process.hpp>
#include <kin/transport/connection.hpp>
#include <kin/transport/wait.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "os/socket.hpp"
#include "support/room_for_descriptors.hpp"
#include "sync/forked.hpp"
#include "transport/arrived_descriptors.hpp"
#include "transport/ring_ends.hpp"
#include "transport/ring_wait.hpp"

using namespace std::chrono_literals;

namespace {

using kin_test::forked;

bool is_readable(int fd, int milliseconds = 0) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, milliseconds) == 1;
}

// Asleep in the kernel, and not, say, on the way there.
void wait_until_asleep(int pid) {
  for (char state = 'R'; state != 'S' && state != 'Z';) {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    if (!std::getline(stat, text)) return;
    state = text[text.rfind(')') + 2];
  }
}

kin::unique_fd a_number(std::size_t n) {
  kin::unique_fd file(::memfd_create("number", MFD_CLOEXEC));
  EXPECT_EQ(::ftruncate(file.get(), static_cast<off_t>(n)), 0);
  return file;
}
std::size_t number_of(const kin::unique_fd& file) {
  struct stat status {};
  EXPECT_EQ(::fstat(file.get(), &status), 0);
  return static_cast<std::size_t>(status.st_size);
}

// Its memory and sockets are in the test's hands.
struct lying_pipe {
  lying_pipe() {
    auto [mine, theirs] = kin::detail::ring_ends::make(kin::detail::ring_ends::directions::both);
    memory = mine->memory();
    socket = mine->receiver().socket();
    other_socket = theirs->sender().socket();
    here = kin::connection(kin::detail::channel(std::move(mine)));
    there = kin::connection(kin::detail::channel(std::move(theirs)));
  }
  kin::detail::ring_control& to_here() { return memory->control(1); }
  kin::detail::ring_control& from_here() { return memory->control(0); }
  std::shared_ptr<const kin::detail::ring_memory> memory;
  int socket = -1, other_socket = -1;  // of what comes here
  kin::connection here, there;
};

// --- memory ---------------------------------------------------------------------------------------------------------

TEST(ring, takes_little_memory_before_it_is_needed) {
  auto [a, b] = kin::detail::ring_ends::make(kin::detail::ring_ends::directions::both);
  const auto resident = [&] {
    struct stat status {};
    EXPECT_EQ(::fstat(a->memory()->file(), &status), 0);
    return static_cast<std::size_t>(status.st_blocks) * 512;
  };
  EXPECT_LE(resident(), 8u * 4096);
  kin::connection here(kin::detail::channel(std::move(a)));
  auto memory = b->memory();
  kin::connection there(kin::detail::channel(std::move(b)));
  for (int i = 0; i < 10'000; ++i) {
    here.send(i);
    EXPECT_EQ(there.recv<int>(), i);
  }
  struct stat status {};
  ASSERT_EQ(::fstat(memory->file(), &status), 0);
  EXPECT_LE(status.st_blocks * 512, 64 * 1024);
}

TEST(ring, holds_200_kilobytes_that_nobody_receives_yet) {
  auto [a, b] = kin::pipe();
  for (int i = 0; i < 200; ++i) a.send(std::string(1000, static_cast<char>('a' + i % 26)));
  a.send(std::string(100'000, 'z'));
  for (int i = 0; i < 200; ++i) ASSERT_EQ(b.recv<std::string>(), std::string(1000, static_cast<char>('a' + i % 26)));
  EXPECT_EQ(b.recv<std::string>(), std::string(100'000, 'z'));
}

void send_all_sizes(kin::connection to) {
  for (std::size_t i = 0; i < 3000; ++i) {
    const std::size_t size = i % 10 == 0 ? i * 97 % 400'000 : i * 7 % 5000;
    to.send_bytes(std::vector<std::byte>(size, static_cast<std::byte>(i)));
  }
}

TEST(ring, carries_messages_of_all_sizes_between_processes) {
  auto [a, b] = kin::pipe();
  kin::process child(send_all_sizes, std::move(b));
  for (std::size_t i = 0; i < 3000; ++i) {
    const std::size_t size = i % 10 == 0 ? i * 97 % 400'000 : i * 7 % 5000;
    ASSERT_EQ(a.recv_bytes(), std::vector<std::byte>(size, static_cast<std::byte>(i))) << i;
  }
  EXPECT_THROW((void)a.recv_bytes(), kin::closed_error);
}

// --- moving ---------------------------------------------------------------------------------------------------------

void receive_the_rest(kin::connection from, int first, kin::connection answer) {
  try {
    for (int i = first;; ++i) {
      const auto numbers = from.recv<std::vector<int>>();
      if (numbers != std::vector<int>(static_cast<std::size_t>(i * 13 % 3000), i)) return;
      if (i == 59) answer.send(i);
    }
  } catch (const kin::closed_error&) {
    answer.send(-1);
  }
}

TEST(ring, moves_with_messages_on_the_way) {
  for (const int first : {0, 1, 30}) {
    auto [a, b] = kin::pipe();
    auto [answer, theirs] = kin::pipe();
    for (int i = 0; i < 60; ++i) a.send(std::vector<int>(static_cast<std::size_t>(i * 13 % 3000), i));
    for (int i = 0; i < first; ++i) (void)b.recv<std::vector<int>>();
    kin::process child(receive_the_rest, std::move(b), first, std::move(theirs));
    EXPECT_EQ(answer.recv<int>(), 59);
    a.close();
    EXPECT_EQ(answer.recv<int>(), -1);
  }
}

TEST(ring, moves_with_a_poller_and_polls_anew) {
  auto [a, b] = kin::pipe();
  auto [c, d] = kin::pipe();
  EXPECT_FALSE(is_readable(b.native_handle()));
  a.send(1);
  c.send(std::move(b));
  auto moved = d.recv<kin::connection>();
  EXPECT_TRUE(is_readable(moved.native_handle()));
  EXPECT_EQ(moved.recv<int>(), 1);
  EXPECT_FALSE(is_readable(moved.native_handle()));
  a.send(2);
  EXPECT_TRUE(is_readable(moved.native_handle(), 10'000));
  EXPECT_EQ(moved.recv<int>(), 2);
}

// --- ends -----------------------------------------------------------------------------------------------------------

void receive_for_ever(kin::connection from) {
  for (;;) (void)from.recv<int>();
}
void never_receive(const kin::connection&, kin::connection tell) {
  tell.send(1);
  for (volatile bool for_ever = true; for_ever;) {
  }
}
void close_and_stay(kin::connection what, kin::connection tell) {
  what.close();
  tell.send(1);
  (void)tell.poll(60s);
}

TEST(ring, refuses_a_send_after_the_receiver_was_killed_asleep) {
  auto [a, b] = kin::pipe();
  kin::process child(receive_for_ever, std::move(b));
  a.send(1);
  a.send(2);
  wait_until_asleep(child.pid());
  child.kill();
  child.join();
  EXPECT_THROW(a.send(3), kin::closed_error);
}

TEST(ring, refuses_a_send_after_the_receiver_was_killed_at_work) {
  auto [a, b] = kin::pipe();
  auto [tell, theirs] = kin::pipe();
  kin::process child(never_receive, std::move(b), std::move(theirs));
  (void)tell.recv<int>();
  a.send(1);
  child.kill();
  child.join();
  EXPECT_THROW(a.send(2), kin::closed_error);
}

TEST(ring, has_sent_what_a_reader_saw_that_left_at_once) {
  for (int i = 0; i < 500; ++i) {
    auto [a, b] = kin::pipe();
    std::thread reader([end = std::move(b)]() mutable {
      EXPECT_TRUE(end.poll(20s));
      end.close();
    });
    EXPECT_NO_THROW(a.send(1));
    reader.join();
    EXPECT_THROW(a.send(2), kin::closed_error);
  }
}

TEST(ring, refuses_the_first_send_after_the_other_end_was_closed_elsewhere) {
  for (int i = 0; i < 5; ++i) {
    auto [a, b] = kin::pipe();
    auto [tell, theirs] = kin::pipe();
    kin::process child(close_and_stay, std::move(b), std::move(theirs));
    for (int k = 0; k < i; ++k) {
      try {
        a.send(1);
      } catch (const kin::closed_error&) {
      }
    }
    (void)tell.recv<int>();
    EXPECT_THROW(a.send(1), kin::closed_error);
    tell.close();
  }
}

std::chrono::steady_clock::duration time_to_tell_a_senders_death() {
  auto [a, b] = kin::pipe();
  auto [tell, theirs] = kin::pipe();
  kin::process child(never_receive, std::move(b), std::move(theirs));
  (void)tell.recv<int>();
  std::chrono::steady_clock::time_point heard;
  std::thread receiver([&, &a = a] {
    EXPECT_THROW((void)a.recv<int>(), kin::closed_error);
    heard = std::chrono::steady_clock::now();
  });
  std::this_thread::sleep_for(20ms);
  const auto killed = std::chrono::steady_clock::now();
  child.kill();
  receiver.join();
  return heard - killed;
}

// The best of some: a busy machine may keep anybody from hearing of it.
TEST(ring, wakes_a_receiver_within_100_ms_when_the_sender_is_killed) {
  auto soonest = time_to_tell_a_senders_death();
  for (int i = 1; i < 20 && soonest >= 100ms; ++i) soonest = std::min(soonest, time_to_tell_a_senders_death());
  EXPECT_LT(soonest, 100ms);
}

TEST(ring, wakes_a_sender_that_waits_for_room_when_the_receiver_is_killed) {
  auto [a, b] = kin::pipe();
  auto [tell, theirs] = kin::pipe();
  kin::process child(never_receive, std::move(b), std::move(theirs));
  (void)tell.recv<int>();
  std::thread sender([&, &a = a] { EXPECT_THROW(a.send_bytes(std::vector<std::byte>(1 << 20)), kin::closed_error); });
  std::this_thread::sleep_for(20ms);
  child.kill();
  sender.join();
}

TEST(ring, delivers_what_was_whole_before_the_sender_died) {
  auto [a, b] = kin::pipe();
  forked child([&, &b = b] {
    b.send(1);
    b.send(std::string(100'000, 'x'));
    ::raise(SIGKILL);
  });
  b.close();
  EXPECT_EQ(child.join(), -SIGKILL);
  EXPECT_EQ(a.recv<int>(), 1);
  EXPECT_EQ(a.recv<std::string>(), std::string(100'000, 'x'));
  EXPECT_THROW((void)a.recv<int>(), kin::closed_error);
}

TEST(ring, serves_a_forked_copy_of_an_end_in_turn) {
  auto [a, b] = kin::pipe();
  a.send(1);
  EXPECT_EQ(b.recv<int>(), 1);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(forked([&, &a = a] { a.send(std::vector<int>(1000, i)); }).join(), 0);
    a.send(std::vector<int>(500, i));
    EXPECT_EQ(forked([&, &b = b] {
                if (b.recv<std::vector<int>>() != std::vector<int>(1000, i)) throw std::runtime_error("wrong");
              }).join(),
              0);
    EXPECT_EQ(b.recv<std::vector<int>>(), std::vector<int>(500, i));
  }
  a.close();
  EXPECT_THROW((void)b.recv<int>(), kin::closed_error);
}

TEST(ring, is_not_at_its_end_while_a_forked_copy_of_the_other_end_lives) {
  auto [a, b] = kin::pipe();
  auto [go, wait] = kin::pipe();
  forked child([&, &a = a, &b = b, &go = go, &wait = wait] {
    go.close();
    b.close();
    (void)wait.recv<int>();
    a.send(7);
  });
  a.close();
  wait.close();
  EXPECT_FALSE(b.poll(20ms));
  go.send(1);
  EXPECT_EQ(b.recv<int>(), 7);
  EXPECT_THROW((void)b.recv<int>(), kin::closed_error);
  child.join();
}

// --- pollers --------------------------------------------------------------------------------------------------------

TEST(ring, is_readable_from_the_first_poll_on_when_messages_wait_already) {
  auto [a, b] = kin::pipe();
  a.send(1);
  a.send(2);
  const int handle = b.native_handle();
  EXPECT_EQ(handle, b.native_handle());
  EXPECT_TRUE(is_readable(handle));
  EXPECT_EQ(b.recv<int>(), 1);
  EXPECT_TRUE(is_readable(handle));
  EXPECT_EQ(b.recv<int>(), 2);
  EXPECT_FALSE(is_readable(handle));
  a.send(3);
  EXPECT_TRUE(is_readable(handle));
  EXPECT_EQ(b.recv<int>(), 3);
  EXPECT_FALSE(is_readable(handle));
  a.close();
  EXPECT_TRUE(is_readable(handle));
}

TEST(ring, tells_pollers_of_a_writing_end_only_of_the_readers_end) {
  auto [reader, writer] = kin::pipe(kin::simplex);
  const int handle = writer.native_handle();
  writer.send(1);
  EXPECT_EQ(reader.recv<int>(), 1);
  EXPECT_FALSE(is_readable(handle));
  reader.close();
  EXPECT_TRUE(is_readable(handle));
}

void send_in_bursts(kin::connection to) {
  std::uint64_t random = 1;
  for (int i = 0; i < 20'000;) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    for (std::uint64_t burst = random >> 61; burst-- > 0 && i < 20'000; ++i) to.send(i);
    if (random >> 40 & 1) std::this_thread::yield();
  }
}

// Whoever is told "ready" must not have to wait, and whoever sleeps in epoll must be told.
TEST(ring, is_readable_exactly_while_something_waits) {
  auto [a, b] = kin::pipe();
  const kin::unique_fd set(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event wanted{}, got{};
  wanted.events = EPOLLIN;
  ASSERT_EQ(::epoll_ctl(set.get(), EPOLL_CTL_ADD, a.native_handle(), &wanted), 0);
  kin::process child(send_in_bursts, std::move(b));
  for (int i = 0; i < 20'000; ++i) {
    ASSERT_EQ(::epoll_wait(set.get(), &got, 1, 20'000), 1) << "a message was not told, " << i;
    ASSERT_TRUE(a.poll()) << "readable, and nothing is there, " << i;
    ASSERT_EQ(a.recv<int>(), i);
    if (i % 3 == 0 && a.poll() && i < 19'999) {
      ASSERT_EQ(a.recv<int>(), ++i);
    }
  }
  EXPECT_THROW((void)a.recv<int>(), kin::closed_error);
}

TEST(ring, may_be_received_from_blindly_beside_polling) {
  auto [a, b] = kin::pipe();
  (void)a.native_handle();
  kin::process child(send_in_bursts, std::move(b));
  for (int i = 0; i < 20'000; ++i) ASSERT_EQ(a.recv<int>(), i);
}

// What a writer leaves that was killed between taking the bell and sending the byte.
TEST(ring, does_not_wait_for_the_ring_of_one_who_died) {
  lying_pipe pipe;
  const int handle = pipe.here.native_handle();
  for (int i = 0; i < 3; ++i) {
    pipe.there.send(i);
    EXPECT_TRUE(is_readable(handle, 10'000));
    forked dead([] {});
    const int pid = dead.pid();
    (void)dead.join();
    char byte = 0;
    EXPECT_EQ(::recv(pipe.socket, &byte, 1, 0), 1);  // as if it had not been sent
    pipe.to_here().reader_bell = kin::detail::bell_rung_by(pid);
    EXPECT_EQ(pipe.here.recv<int>(), i);
    EXPECT_FALSE(is_readable(handle));
  }
  pipe.there.send(7);
  EXPECT_TRUE(is_readable(handle, 10'000));
  EXPECT_EQ(pipe.here.recv<int>(), 7);
}

TEST(ring, waits_for_the_byte_of_one_who_rings_just_now) {
  lying_pipe pipe;
  const int handle = pipe.here.native_handle();
  for (int i = 0; i < 20; ++i) {
    pipe.there.send(i);
    EXPECT_TRUE(is_readable(handle, 10'000));
    char byte = 0;
    EXPECT_EQ(::recv(pipe.socket, &byte, 1, 0), 1);
    pipe.to_here().reader_bell = kin::detail::bell_rung_by(::getpid());
    std::thread slow([&] {
      EXPECT_EQ(::send(pipe.other_socket, &byte, 1, MSG_NOSIGNAL), 1);
      pipe.to_here().reader_bell.fetch_and(kin::detail::bell_asleep | kin::detail::bell_watched);
    });
    EXPECT_EQ(pipe.here.recv<int>(), i);
    EXPECT_FALSE(is_readable(handle)) << i;
    slow.join();
  }
}

// As a debugger may stop it; or a process that damaged memory names.
TEST(ring, does_not_wait_long_for_the_ring_of_one_who_is_stopped) {
  lying_pipe pipe;
  const int handle = pipe.here.native_handle();
  forked stopped([] { ::raise(SIGSTOP); });
  int status = 0;
  ASSERT_EQ(::waitpid(stopped.pid(), &status, WUNTRACED), stopped.pid());
  pipe.there.send(1);
  EXPECT_TRUE(is_readable(handle, 10'000));
  char byte = 0;
  EXPECT_EQ(::recv(pipe.socket, &byte, 1, 0), 1);
  pipe.to_here().reader_bell = kin::detail::bell_rung_by(stopped.pid());
  EXPECT_EQ(pipe.here.recv<int>(), 1);
  EXPECT_FALSE(is_readable(handle));
  // It goes on.
  EXPECT_EQ(::send(pipe.other_socket, &byte, 1, MSG_NOSIGNAL), 1);
  pipe.to_here().reader_bell.fetch_and(kin::detail::bell_asleep | kin::detail::bell_watched);
  pipe.there.send(2);
  EXPECT_TRUE(is_readable(handle, 10'000));
  EXPECT_EQ(pipe.here.recv<int>(), 2);
  EXPECT_FALSE(is_readable(handle));
  pipe.there.send(3);
  EXPECT_TRUE(is_readable(handle, 10'000));
  EXPECT_EQ(pipe.here.recv<int>(), 3);
}

// A thread waits in poll(), and takes nothing, while another asks for the first handle.
TEST(ring, is_readable_for_who_becomes_a_poller_while_another_polls) {
  for (int i = 0; i < 20; ++i) {
    lying_pipe pipe;
    std::thread other([&] { EXPECT_TRUE(pipe.here.poll(10s)); });
    const bool late = i % 2 == 0;
    while (late && (pipe.to_here().reader_bell & kin::detail::bell_asleep) == 0) std::this_thread::yield();
    const int handle = pipe.here.native_handle();
    pipe.there.send(i);
    other.join();
    EXPECT_TRUE(is_readable(handle)) << i;
    EXPECT_EQ(pipe.here.recv<int>(), i);
    EXPECT_FALSE(is_readable(handle)) << i;
  }
}

TEST(ring, keeps_what_a_dead_peer_has_sent_when_a_large_message_is_refused) {
  auto [here, there] = kin::pipe();
  forked peer([&end = there] {
    end.send(1);
    end.send(2);
    ::pause();
  });
  there.close();
  EXPECT_EQ(here.recv<int>(), 1);
  EXPECT_TRUE(here.poll(10s));
  ::kill(peer.pid(), SIGKILL);
  (void)peer.join();
  EXPECT_THROW(here.send_bytes(std::vector<std::byte>(1 << 20)), kin::closed_error);
  EXPECT_EQ(here.recv<int>(), 2);
  EXPECT_THROW((void)here.recv<int>(), kin::closed_error);
}

// --- descriptors ----------------------------------------------------------------------------------------------------

struct numbered {
  std::size_t number = 0;
  std::vector<kin::unique_fd> files;
};

TEST(ring, gives_each_message_its_own_descriptors) {
  auto [a, b] = kin::pipe();
  std::thread receiver([&, &b = b] {
    for (std::size_t i = 0; i < 300; ++i) {
      const auto got = b.recv<numbered>();
      ASSERT_EQ(got.number, i);
      ASSERT_EQ(got.files.size(), i % 4);
      for (std::size_t k = 0; k < got.files.size(); ++k) ASSERT_EQ(number_of(got.files[k]), i * 10 + k);
    }
  });
  for (std::size_t i = 0; i < 300; ++i) {
    numbered one{i, {}};
    for (std::size_t k = 0; k < i % 4; ++k) one.files.push_back(a_number(i * 10 + k));
    a.send(std::move(one));
    if (i % 50 == 0) std::this_thread::sleep_for(1ms);  // so that the receiver also sleeps
  }
  receiver.join();
}

TEST(ring, moves_with_descriptors_that_had_arrived) {
  auto [a, b] = kin::pipe();
  (void)b.native_handle();
  for (std::size_t i = 1; i <= 5; ++i) {
    numbered one{i, {}};
    one.files.push_back(a_number(i));
    a.send(std::move(one));
  }
  EXPECT_EQ(number_of(b.recv<numbered>().files.at(0)), 1u);
  auto [c, d] = kin::pipe();
  c.send(std::move(b));
  auto moved = d.recv<kin::connection>();
  for (std::size_t i = 2; i <= 5; ++i) EXPECT_EQ(number_of(moved.recv<numbered>().files.at(0)), i);
}

numbered hundred_files() {
  numbered many;
  for (std::size_t i = 0; i < 100; ++i) many.files.push_back(a_number(i));
  return many;
}

TEST(ring, fails_only_the_message_whose_descriptors_find_no_room) {
  lying_pipe pipe;
  pipe.there.send(a_number(7));
  EXPECT_EQ(number_of(pipe.here.recv<kin::unique_fd>()), 7u);
  pipe.there.send(a_number(8));
  pipe.there.send(std::string("before"));
  pipe.there.send(hundred_files());
  const kin_test::room_for_descriptors few(20);
  EXPECT_EQ(number_of(pipe.here.recv<kin::unique_fd>()), 8u);
  EXPECT_EQ(pipe.here.recv<std::string>(), "before");
  try {
    (void)pipe.here.recv<numbered>();
    ADD_FAILURE() << "a message was received without its descriptors";
  } catch (const kin::os_error& e) {
    EXPECT_EQ(e.code().value(), EMFILE) << e.what();
  }
  EXPECT_TRUE(pipe.here.closed());
}

// A sender that has sent a message's descriptors, and is killed before the message is there; another goes on.
void send_ahead(lying_pipe& pipe, std::size_t n) {
  std::vector<kin::unique_fd> fds;
  std::vector<int> numbers;
  for (std::size_t i = 0; i < n; ++i) numbers.push_back(fds.emplace_back(a_number(100 + i)).get());
  const auto note = kin::detail::note_of(pipe.to_here().tail);
  EXPECT_TRUE(kin::os::send_all(pipe.other_socket, note, numbers, kin::deadline::never()));
}

TEST(ring, tells_who_gets_it_that_descriptors_were_lost) {
  lying_pipe pipe;
  (void)pipe.here.native_handle();
  const kin::detail::parcel message = kin::detail::encode(hundred_files());
  std::vector<int> numbers;
  for (const kin::unique_fd& each : message.fds) numbers.push_back(each.get());
  const auto note = kin::detail::note_of(pipe.to_here().tail);
  EXPECT_TRUE(kin::os::send_all(pipe.other_socket, note, numbers, kin::deadline::never()));
  {
    const kin_test::room_for_descriptors few(20);
    EXPECT_FALSE(pipe.here.poll(0s));  // who has pollers meets them where it waits for something else
  }
  kin::detail::ring_writer there(pipe.to_here(), pipe.memory->data(1));
  using kin::detail::frame_kind;
  EXPECT_TRUE(there.try_put(kin::detail::frame_word(frame_kind::message, message.bytes.size(), numbers.size()),
                            kin::type_signature<numbered>(), message.bytes));
  kin::writer out;
  out(pipe.here);
  kin::detail::parcel passed = out.take();
  kin::reader in(passed);
  kin::connection moved;
  in(moved);
  try {
    (void)moved.recv<numbered>();
    ADD_FAILURE() << "a message was received without its descriptors";
  } catch (const kin::os_error& e) {
    EXPECT_EQ(e.code().value(), EMFILE) << e.what();
  }
}

TEST(ring, gives_messages_with_descriptors_to_copies_of_an_end_in_turn) {
  auto [a, b] = kin::pipe();
  for (std::size_t i = 1; i <= 6; ++i) a.send(a_number(i));
  for (std::size_t i = 1; i <= 6; i += 2) {
    EXPECT_EQ(number_of(b.recv<kin::unique_fd>()), i);
    kin::process copy(kin::start::fork, [&] { std::exit(static_cast<int>(number_of(b.recv<kin::unique_fd>()))); });
    copy.join();
    EXPECT_EQ(copy.exitcode(), static_cast<int>(i) + 1);
  }
}

TEST(ring, gives_no_message_the_descriptors_of_one_that_never_came) {
  for (const std::size_t lost : {1, 2, 200}) {
    lying_pipe pipe;
    for (std::size_t i = 1; i <= 3; ++i) {
      send_ahead(pipe, lost);
      if (i == 2) pipe.there.send(std::string("between"));
      send_ahead(pipe, 1);
      pipe.there.send(a_number(i));
    }
    for (std::size_t i = 1; i <= 3; ++i) {
      if (i == 2) {
        EXPECT_EQ(pipe.here.recv<std::string>(), "between");
      }
      EXPECT_EQ(number_of(pipe.here.recv<kin::unique_fd>()), i) << lost;
    }
  }
}

// The descriptor of its pipe tells whether what nobody gets is closed.
TEST(ring, closes_the_descriptors_of_a_message_that_never_came) {
  lying_pipe pipe;
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const kin::unique_fd reading(ends[0]);
  {
    const kin::unique_fd writing(ends[1]);
    const int number = writing.get();
    const auto note = kin::detail::note_of(pipe.to_here().tail);
    EXPECT_TRUE(kin::os::send_all(pipe.other_socket, note, std::span(&number, 1), kin::deadline::never()));
  }
  pipe.there.send(a_number(1));
  EXPECT_EQ(number_of(pipe.here.recv<kin::unique_fd>()), 1u);
  char none;
  EXPECT_EQ(::read(reading.get(), &none, 1), 0);
}

TEST(ring, leaves_descriptors_to_whoever_takes_their_message_and_not_to_a_copy_that_polls) {
  auto [a, b] = kin::pipe();
  for (std::size_t i = 1; i <= 20; ++i) {
    kin::process copy(kin::start::fork, [&] { (void)b.poll(10s); });
    wait_until_asleep(copy.pid());
    a.send(a_number(i));
    copy.join();
    EXPECT_EQ(number_of(b.recv<kin::unique_fd>()), i);
  }
}

// --- the notes that come with descriptors ---------------------------------------------------------------------------

TEST(arrived_descriptors, know_their_notes_among_rings_and_in_parts) {
  using kin::detail::arrived_descriptors;
  for (const std::uint64_t position :
       {std::uint64_t{0}, std::uint64_t{63}, std::uint64_t{1} << 41, ~std::uint64_t{0} >> 4})
    for (std::size_t cut = 0; cut <= 10; ++cut) {
      arrived_descriptors arrived;
      std::vector<std::byte> bytes(3, std::byte{0});
      const auto note = kin::detail::note_of(position);
      bytes.insert(bytes.end(), note.begin(), note.end());
      arrived.incoming().push_back(a_number(5));
      arrived.note(std::span(bytes).first(3 + cut));
      EXPECT_EQ(arrived.note_is_cut(), cut != 0 && cut != 10);
      arrived.note(std::span(bytes).subspan(3 + cut));
      EXPECT_FALSE(arrived.note_is_cut());
      EXPECT_EQ(arrived.position(0), position);
      std::vector<kin::unique_fd> taken;
      if (position > 0) {
        EXPECT_EQ(arrived.take(position - 1, 1, taken), arrived_descriptors::found::too_few);
      }
      EXPECT_EQ(arrived.take(position, 1, taken), arrived_descriptors::found::all);
      EXPECT_EQ(number_of(taken.at(0)), 5u);
    }
}

TEST(arrived_descriptors, that_were_lost_are_replaced_by_no_others) {
  using kin::detail::arrived_descriptors;
  arrived_descriptors arrived;
  arrived.add(8, a_number(1));  // of a message that never came
  arrived.add(8, a_number(2));
  arrived.incoming().push_back(a_number(3));
  arrived.lose_from(2);
  arrived.note(kin::detail::note_of(16));
  arrived.add(32, a_number(4));
  std::vector<kin::unique_fd> taken;
  for (const std::size_t wanted : {1, 2, 3, 4})
    EXPECT_EQ(arrived.take(24, wanted, taken), arrived_descriptors::found::lost);
  EXPECT_EQ(arrived.take(32, 1, taken), arrived_descriptors::found::all);
  EXPECT_EQ(number_of(taken.at(0)), 4u);
  EXPECT_TRUE(arrived.empty());
}

// --- a peer that lies -----------------------------------------------------------------------------------------------

TEST(ring, answers_a_frame_that_no_writer_writes_with_decode_error_and_closes) {
  using kin::detail::frame_kind;
  for (const std::uint64_t word : {std::uint64_t{7} << 60 | std::uint64_t{1} << 63, std::uint64_t{1},
                                   kin::detail::frame_word(frame_kind::message, 4096),
                                   kin::detail::frame_word(frame_kind::raw_message, std::uint64_t{1} << 41),
                                   kin::detail::frame_word(frame_kind::next_level, 0)}) {
    lying_pipe pipe;
    std::memcpy(pipe.memory->data(1), &word, sizeof word);
    EXPECT_THROW((void)pipe.here.recv_bytes(), kin::decode_error) << word;
    EXPECT_TRUE(pipe.here.closed());
    EXPECT_THROW((void)pipe.here.recv_bytes(), kin::closed_error);
  }
}

TEST(ring, answers_pieces_that_are_none_with_decode_error) {
  using kin::detail::frame_kind;
  for (const std::uint64_t next :
       {kin::detail::frame_word(frame_kind::raw_message, 8), kin::detail::frame_word(frame_kind::piece, 0),
        kin::detail::frame_word(frame_kind::piece, 101)}) {
    lying_pipe pipe;
    const std::uint64_t announced[] = {kin::detail::frame_word(frame_kind::announcement, 100), kin::detail::raw_bytes};
    std::memcpy(pipe.memory->data(1), announced, sizeof announced);
    std::memcpy(pipe.memory->data(1) + sizeof announced, &next, sizeof next);
    EXPECT_THROW((void)pipe.here.recv_bytes(), kin::decode_error) << next;
  }
}

TEST(ring, answers_a_position_that_no_reader_writes_with_decode_error) {
  lying_pipe pipe;
  pipe.from_here().position = std::uint64_t{1} << 50;
  EXPECT_THROW(pipe.here.send_bytes(std::vector<std::byte>(1 << 20)), kin::decode_error);
}

TEST(ring, answers_a_reader_that_writes_behind_the_last_message_with_decode_error) {
  lying_pipe pipe;
  const std::uint64_t words[] = {kin::detail::frame_word(kin::detail::frame_kind::raw_message, 0), 1};
  std::memcpy(pipe.memory->data(0), words, sizeof words);
  EXPECT_THROW(pipe.here.send(1), kin::decode_error);
}

TEST(ring, does_not_believe_a_size_in_the_ring_that_never_comes) {
  lying_pipe pipe;
  const std::uint64_t announced[] = {
      kin::detail::frame_word(kin::detail::frame_kind::announcement, (std::uint64_t{1} << 41) + 5),
      kin::detail::raw_bytes};
  std::memcpy(pipe.memory->data(1), announced, sizeof announced);
  pipe.there.close();
  EXPECT_THROW((void)pipe.here.recv_bytes(), kin::closed_error);
}

TEST(ring, does_not_believe_descriptors_in_the_ring_that_never_come) {
  lying_pipe pipe;
  pipe.there.send_bytes(std::vector<std::byte>(8));
  const std::uint64_t word = kin::detail::frame_word(kin::detail::frame_kind::raw_message, 8, 3);
  std::memcpy(pipe.memory->data(1), &word, sizeof word);
  EXPECT_THROW((void)pipe.here.recv_bytes(), kin::decode_error);
}

// A receiving end as it comes from another process, with other descriptors than kin's.
void receive_end_of(int memory, int event) {
  auto [from, to] = kin::detail::ring_ends::make(kin::detail::ring_ends::directions::one);
  kin::writer out;
  out(true, false, true);
  out.fd(memory < 0 ? to->memory()->file() : memory);
  out(0U);
  out.fd(event < 0 ? to->memory()->event(0) : event);
  out.fd(to->receiver().socket());
  out(false, std::uint64_t{0});
  kin::detail::parcel message = out.take();
  kin::reader in(message);
  (void)kin::detail::channel::passed(in);
}

TEST(ring, answers_in_time_though_its_event_cannot_be_cleared) {
  lying_pipe pipe;
  const kin::unique_fd stays(::eventfd(1 << 20, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE));
  ASSERT_GE(::dup3(stays.get(), pipe.memory->event(1), O_CLOEXEC), 0);
  EXPECT_FALSE(pipe.here.poll(20ms));
}

TEST(ring, refuses_descriptors_that_are_not_a_pipes) {
  receive_end_of(-1, -1);
  const kin::unique_fd wrong(::memfd_create("wrong", MFD_CLOEXEC));
  EXPECT_THROW(receive_end_of(wrong.get(), -1), kin::decode_error);
  EXPECT_THROW(receive_end_of(-1, wrong.get()), kin::decode_error);
  const kin::unique_fd waits(::eventfd(0, EFD_CLOEXEC));
  EXPECT_THROW(receive_end_of(-1, waits.get()), kin::decode_error);
}

}  // namespace
