// SPDX-License-Identifier: BSL-1.0
// manager_server: damaged, hostile and silent clients cost at most their own session (promise 26).
#include "manager/manager_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <kin/manager.hpp>

#include <kin/core/error.hpp>
#include <kin/os/duplicate.hpp>
#include <kin/wire/call.hpp>
#include <kin/wire/outcome.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "manager/object_reference.hpp"
#include "manager/session_frames.hpp"
#include "os/lifeline.hpp"
#include "os/memory_file.hpp"
#include "os/socket.hpp"

namespace {

using namespace std::chrono_literals;
using namespace kin::detail;
namespace os = kin::os;

int door_of(const kin::list_proxy<int>& list) { return list.as_proxy().handle().get().link()->door(); }

void knock(int door, std::span<const std::byte> packet, std::span<const int> fds) {
  ASSERT_TRUE(os::send_all(door, packet, fds, kin::deadline::after(10s)));
}

/// A session of ours, by hand.
channel open_session(int door) {
  auto [ours, theirs] = os::socket_pair();
  const door_knock message{knock_mark, 77};
  const int fd = theirs.get();
  knock(door, std::as_bytes(std::span(&message, 1)), std::span(&fd, 1));
  return channel(std::move(ours));
}

/// The same over a pipe's rings, as kin's own clients do.
channel open_rings(int door) {
  auto [ours, theirs] = channel::over_rings();
  kin::writer message;
  message(pipe_knock_mark, std::uint64_t{78});
  theirs.pass(message);
  const parcel whole = message.take();
  std::vector<int> fds;
  for (const auto& fd : whole.fds) fds.push_back(fd.get());
  knock(door, whole.bytes, fds);
  return std::move(ours);
}

parcel size_request(const kin::list_proxy<int>& list) {
  using object = list_object<int>;
  return encode_call(object_call<object, method<object, &object::size>>{},
                     target<object>{list.as_proxy().handle().number()});
}

class manager_server : public testing::Test {
 protected:
  /// The answer to one request by hand, or none when the server ended the session.
  std::optional<parcel> ask(const parcel& request) {
    channel session = open_session(door);
    session.send(request_frame, request.bytes, request.fds);
    return session.take_any(kin::deadline::after(10s));
  }
  void TearDown() override {
    list.push_back(2);  // all is as it was, for everybody else
    EXPECT_EQ(list.size(), 2u);
  }

  kin::manager m;
  kin::list_proxy<int> list = m.list<int>({1});
  int door = door_of(list);
};

TEST_F(manager_server, answers_a_request_by_hand) {
  auto answer = ask(size_request(list));
  ASSERT_TRUE(answer);
  EXPECT_EQ(decode_outcome<std::size_t>(std::move(*answer), "server"), 1u);
}

TEST_F(manager_server, answers_every_mutated_request_or_ends_the_session) {
  const parcel whole = size_request(list);
  channel session = open_session(door);
  for (std::size_t i = 0; i < whole.bytes.size(); ++i)
    for (const unsigned flip : {0x01u, 0x80u, 0xffu}) {
      auto bytes = whole.bytes;
      bytes[i] ^= static_cast<std::byte>(flip);
      session.send(request_frame, bytes);
      auto answer = session.take_any(kin::deadline::after(10s));
      ASSERT_TRUE(answer) << i;
      // A mutation of the number of the object may meet no other one here, nor one of the identity of the task.
      EXPECT_THROW((void)decode_outcome<std::size_t>(std::move(*answer), "server"), kin::decode_error)
          << i << ' ' << flip;
    }
}

TEST_F(manager_server, answers_every_truncated_request) {
  const parcel whole = size_request(list);
  channel session = open_session(door);
  for (std::size_t size = 0; size < whole.bytes.size(); ++size) {
    session.send(request_frame, std::span(whole.bytes).first(size));
    auto answer = session.take_any(kin::deadline::after(10s));
    ASSERT_TRUE(answer);
    EXPECT_THROW((void)decode_outcome<std::size_t>(std::move(*answer), "server"), kin::decode_error) << size;
  }
}

TEST_F(manager_server, refuses_an_object_of_another_type) {
  auto dict = m.dict<int, int>();
  const auto number = dict.as_proxy().handle().number();
  using object = list_object<int>;
  auto answer = ask(encode_call(object_call<object, method<object, &object::size>>{}, target<object>{number}));
  ASSERT_TRUE(answer);
  EXPECT_THROW((void)decode_outcome<std::size_t>(std::move(*answer), "server"), kin::decode_error);
}

TEST_F(manager_server, ends_a_session_that_speaks_something_else) {
  for (const std::uint64_t what : {std::uint64_t{0}, hold_frame, adopt_frame, release_frame, adopt_and_answer_frame}) {
    channel session = open_session(door);
    session.send(what, std::as_bytes(std::span("odd")));
    EXPECT_FALSE(session.take_any(kin::deadline::after(10s))) << what;
  }
  {
    auto [ours, theirs] = os::socket_pair();
    const door_knock message{knock_mark, 1};
    const int fd = theirs.get();
    knock(door, std::as_bytes(std::span(&message, 1)), std::span(&fd, 1));
    theirs.reset();
    const std::array<std::byte, 64> noise{};
    ASSERT_TRUE(os::send_all(ours.get(), noise, {}, kin::deadline::after(10s)));
    EXPECT_FALSE(channel(std::move(ours)).take_any(kin::deadline::after(10s)));
  }
}

TEST_F(manager_server, ignores_references_to_what_is_not_there) {
  channel session = open_session(door);
  const std::uint64_t nobody = 4711;
  const auto bytes = std::as_bytes(std::span(&nobody, 1));
  session.send(release_frame, bytes);
  session.send(adopt_frame, bytes);
  auto [pipe, token] = os::make_lifeline();
  session.send(hold_frame, bytes, std::span(&pipe, 1));
  const std::uint64_t number = list.as_proxy().handle().number();
  session.send(release_frame, std::as_bytes(std::span(&number, 1)));  // this client has no reference to it
  session.send(adopt_and_answer_frame, bytes);
  auto answer = session.take_any(kin::deadline::after(10s));
  ASSERT_TRUE(answer);
  EXPECT_FALSE(kin::detail::decode<bool>(std::move(*answer)));
}

TEST_F(manager_server, throws_away_what_is_no_knock) {
  auto [ours, theirs] = os::socket_pair();
  const int one[] = {theirs.get()};
  const int two[] = {theirs.get(), theirs.get()};
  const door_knock good{knock_mark, 5}, bad{1, 5};
  const auto bytes = std::as_bytes(std::span(&good, 1));
  const std::array<std::byte, 4000> noise{};
  knock(door, std::as_bytes(std::span(&bad, 1)), one);
  knock(door, bytes, {});
  knock(door, bytes, two);
  knock(door, bytes.first(3), one);
  knock(door, noise, one);
  const iovec nothing{};
  EXPECT_EQ(os::send_some(door, std::span(&nothing, 1)).state, os::io_state::done);
  theirs.reset();
  std::byte byte{};
  std::vector<kin::unique_fd> fds;
  EXPECT_FALSE(os::recv_all(ours.get(), std::span(&byte, 1), fds, kin::deadline::after(10s)));  // all copies are closed
}

TEST_F(manager_server, survives_a_knock_with_what_is_no_socket) {
  auto [pipe, token] = os::make_lifeline();
  const int fd = pipe.get();
  const door_knock good{knock_mark, 5};
  knock(door, std::as_bytes(std::span(&good, 1)), std::span(&fd, 1));
}

TEST_F(manager_server, answers_over_rings_and_ends_a_session_that_speaks_something_else_there) {
  const parcel request = size_request(list);
  channel session = open_rings(door);
  for (int i = 0; i < 3; ++i) {
    session.send(request_frame, request.bytes);
    auto answer = session.take_any(kin::deadline::after(10s));
    ASSERT_TRUE(answer);
    EXPECT_EQ(decode_outcome<std::size_t>(std::move(*answer), "server"), 1u);
  }
  session.send(std::uint64_t{0}, std::as_bytes(std::span("odd")));
  EXPECT_FALSE(session.take_any(kin::deadline::after(10s)));
}

TEST_F(manager_server, throws_away_what_is_no_knock_with_a_pipe) {
  auto [ours, theirs] = channel::over_rings();
  kin::writer message;
  message(pipe_knock_mark, std::uint64_t{78});
  theirs.pass(message);
  parcel whole = message.take();
  theirs.close();
  std::vector<int> fds;
  for (const auto& fd : whole.fds) fds.push_back(fd.get());
  for (std::size_t size = 0; size < whole.bytes.size(); ++size) knock(door, std::span(whole.bytes).first(size), fds);
  knock(door, whole.bytes, {});
  for (std::size_t i = 0; i < fds.size(); ++i) {
    auto turned = fds;
    std::rotate(turned.begin(), turned.begin() + 1 + static_cast<std::ptrdiff_t>(i), turned.end());
    if (turned != fds) knock(door, whole.bytes, turned);
  }
  whole.fds.clear();
  EXPECT_FALSE(ours.take_any(kin::deadline::after(10s)));  // all copies are closed
}

TEST_F(manager_server, ends_although_a_client_never_stops_talking) {
  std::optional<kin::manager> other(std::in_place);
  const auto numbers = other->list<int>({1});
  channel session = open_rings(door_of(numbers));
  const std::uint64_t nobody = 4711;
  std::atomic<int> said{0};
  std::thread talker([&] {
    EXPECT_THROW(for (;; ++said) session.send(release_frame, std::as_bytes(std::span(&nobody, 1))), kin::closed_error);
  });
  while (said < 1000) std::this_thread::yield();
  other.reset();
  talker.join();
}

TEST_F(manager_server, is_not_held_up_by_silent_clients) {
  std::vector<channel> silent;
  for (int i = 0; i < 20; ++i) silent.push_back(open_session(door));
  auto [ours, theirs] = os::socket_pair();  // one that stops in the middle of a frame
  const door_knock message{knock_mark, 1};
  const int fd = theirs.get();
  knock(door, std::as_bytes(std::span(&message, 1)), std::span(&fd, 1));
  const frame_header begun{0x314e494b, 0, 1000, request_frame};
  ASSERT_TRUE(os::send_all(ours.get(), std::as_bytes(std::span(&begun, 1)).first(10), {}, kin::deadline::after(10s)));
  EXPECT_EQ(list[0], 1);
}

TEST_F(manager_server, goes_on_when_somebody_shuts_the_door) {
  (void)list.size();
  os::shut_down(door);
  EXPECT_EQ(list[0], 1);  // by the session that exists
}

}  // namespace
