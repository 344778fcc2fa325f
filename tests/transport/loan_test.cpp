// SPDX-License-Identifier: BSL-1.0
// loans: messages that are built in shared memory and read where they were built; who keeps the blocks, and who lies.
#include <kin/process/process.hpp>
#include <kin/transport/connection.hpp>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "sync/forked.hpp"
#include "transport/ring_ends.hpp"

namespace {

TEST(loan, of_a_connection_that_is_another_one_by_now_is_refused) {
  auto [a, b] = kin::pipe();
  auto [c, d] = kin::pipe();
  auto other = c.loan(100'000);
  other.commit();
  auto room = a.loan(100'000);
  a = std::move(c);
  EXPECT_THROW(room.commit(), std::logic_error);
  EXPECT_EQ(d.recv_bytes().size(), 100'000u);
  a.send(1);
  EXPECT_EQ(d.recv<int>(), 1);
}

using kin_test::forked;

struct open_pipe {
  open_pipe() {
    auto [mine, theirs] = kin::detail::ring_ends::make(kin::detail::ring_ends::directions::both);
    memory = mine->memory();
    a = kin::connection(kin::detail::channel(std::move(mine)));
    b = kin::connection(kin::detail::channel(std::move(theirs)));
  }
  [[nodiscard]] std::size_t resident() const {
    struct stat status {};
    EXPECT_EQ(::fstat(memory->file(), &status), 0);
    return static_cast<std::size_t>(status.st_blocks) * 512;
  }
  std::shared_ptr<const kin::detail::ring_memory> memory;
  kin::connection a, b;
};

void send_built(kin::connection& to, std::size_t size, int letter) {
  auto room = to.loan(size);
  ASSERT_EQ(room.bytes().size(), size);
  std::ranges::fill(room.bytes(), static_cast<std::byte>(letter));
  room.commit();
}
bool is_all(std::span<const std::byte> bytes, std::size_t size, int letter) {
  return bytes.size() == size &&
         std::ranges::all_of(bytes, [&](std::byte b) { return b == static_cast<std::byte>(letter); });
}

TEST(loan, is_read_where_it_was_built) {
  open_pipe pipe;
  for (const std::size_t size : {8192u, 70'000u, 1u << 20, 5u << 20}) {
    send_built(pipe.a, size, 'x');
    const auto message = pipe.b.recv_view();
    EXPECT_TRUE(message.in_place());
    EXPECT_TRUE(is_all(message.bytes(), size, 'x'));
  }
}

TEST(loan, is_received_by_any_verb_and_in_order) {
  open_pipe pipe;
  std::vector<std::byte> buffer(100'000);
  send_built(pipe.a, 20'000, 'a');
  pipe.a.send(7);
  send_built(pipe.a, 30'000, 'b');
  send_built(pipe.a, 10, 'c');
  send_built(pipe.a, 40'000, 'd');
  EXPECT_THROW((void)pipe.b.recv<int>(), kin::type_mismatch);
  EXPECT_TRUE(is_all(pipe.b.recv_bytes(), 20'000, 'a'));
  EXPECT_THROW((void)pipe.b.recv_view(), kin::type_mismatch);
  EXPECT_EQ(pipe.b.recv<int>(), 7);
  EXPECT_EQ(pipe.b.recv_bytes_into(buffer), 30'000u);
  EXPECT_TRUE(is_all(std::span(buffer).first(30'000), 30'000, 'b'));
  const auto small = pipe.b.recv_view();
  EXPECT_FALSE(small.in_place());
  EXPECT_TRUE(is_all(small.bytes(), 10, 'c'));
  EXPECT_THROW((void)pipe.b.recv_bytes(39'999), kin::os_error);
  EXPECT_TRUE(is_all(pipe.b.recv_bytes(40'000), 40'000, 'd'));
  EXPECT_FALSE(pipe.b.poll());
}

TEST(loan, uses_the_same_memory_again) {
  open_pipe pipe;
  for (int i = 0; i < 300; ++i) {
    send_built(pipe.a, 1 << 20, i);
    EXPECT_TRUE(is_all(pipe.b.recv_view().bytes(), 1 << 20, i));
    (void)pipe.a.loan(1 << 20);  // and one that is never sent
  }
  EXPECT_LE(pipe.resident(), 3u << 20);
}

TEST(loan, grows_blocks_and_gives_back_what_they_had) {
  open_pipe pipe;
  for (int i = 1; i <= 40; ++i) {
    const std::size_t size = static_cast<std::size_t>(i) << 16;
    send_built(pipe.a, size, i);
    const auto message = pipe.b.recv_view();
    EXPECT_TRUE(message.in_place());
    EXPECT_TRUE(is_all(message.bytes(), size, i));
  }
  EXPECT_LE(pipe.resident(), 40u << 20);
}

TEST(loan, is_copied_while_the_receiver_keeps_all_blocks) {
  open_pipe pipe;
  std::vector<kin::message_view> kept;
  for (int i = 0; i < 20; ++i) {
    send_built(pipe.a, 9000, i);
    kept.push_back(pipe.b.recv_view());
    EXPECT_EQ(kept.back().in_place(), i < 16);
  }
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(is_all(kept[static_cast<std::size_t>(i)].bytes(), 9000, i));
  kept.erase(kept.begin() + 3);
  send_built(pipe.a, 9000, 'z');
  const auto last = pipe.b.recv_view();
  EXPECT_TRUE(last.in_place());
  EXPECT_TRUE(is_all(last.bytes(), 9000, 'z'));
  EXPECT_TRUE(is_all(kept[3].bytes(), 9000, 4));
}

TEST(loan, waits_for_a_large_block_that_a_receiver_is_about_to_give_back) {
  open_pipe pipe;
  const std::size_t size = 40 << 20;
  std::optional<kin::message_view> kept[2];
  for (auto& view : kept) {
    send_built(pipe.a, size, 'k');
    view = pipe.b.recv_view();
    ASSERT_TRUE(view->in_place());
  }
  bool waited = false;
  for (int tries = 0; tries < 20 && !waited; ++tries) {  // a thread of a busy machine may take longer than it waits
    std::thread receiver([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      kept[0].reset();
      kept[0] = pipe.b.recv_view();  // here: a copy is larger than the pipe
    });
    pipe.a.loan(size).commit();
    receiver.join();
    waited = kept[0]->in_place();
    if (!waited) {
      send_built(pipe.a, size, 'k');
      kept[0] = pipe.b.recv_view();
      ASSERT_TRUE(kept[0]->in_place());
    }
  }
  EXPECT_TRUE(waited);
}

TEST(loan, may_lie_in_the_pipe_in_any_number_that_fits) {
  open_pipe pipe;
  for (int i = 0; i < 25; ++i) send_built(pipe.a, 9000, i);
  for (int i = 0; i < 25; ++i) EXPECT_TRUE(is_all(pipe.b.recv_view().bytes(), 9000, i));
}

TEST(loan, may_be_several_at_once_and_committed_in_another_order) {
  open_pipe pipe;
  auto first = pipe.a.loan(10'000), second = pipe.a.loan(10'000);
  std::ranges::fill(first.bytes(), std::byte{1});
  std::ranges::fill(second.bytes(), std::byte{2});
  second.commit();
  first.commit();
  EXPECT_TRUE(is_all(pipe.b.recv_bytes(), 10'000, 2));
  EXPECT_TRUE(is_all(pipe.b.recv_bytes(), 10'000, 1));
}

TEST(loan, takes_two_large_blocks_and_no_more_shared_memory_however_many_are_asked_for) {
  open_pipe pipe;
  {
    std::vector<kin::message_loan> loans;
    for (int i = 0; i < 5; ++i) loans.push_back(pipe.a.loan(40 << 20));
    EXPECT_LE(pipe.resident(), 81u << 20);
    std::ranges::fill(loans[1].bytes().first(100), std::byte{9});
    loans[1].commit();
    const auto message = pipe.b.recv_view();
    EXPECT_TRUE(message.in_place());
    EXPECT_TRUE(is_all(message.bytes().first(100), 100, 9));
  }
  EXPECT_LE(pipe.resident(), 81u << 20);
}

TEST(loan, a_view_outlives_its_connection_and_moves) {
  std::optional<kin::message_view> kept;
  {
    open_pipe pipe;
    send_built(pipe.a, 50'000, 'k');
    auto message = pipe.b.recv_view();
    kept = std::move(message);
  }
  EXPECT_TRUE(is_all(kept->bytes(), 50'000, 'k'));
}

TEST(loan, moves_with_the_end) {
  open_pipe pipe, other;
  send_built(pipe.a, 50'000, 'm');
  send_built(pipe.a, 60'000, 'n');
  EXPECT_TRUE(is_all(pipe.b.recv_view().bytes(), 50'000, 'm'));
  other.a.send(std::move(pipe.b));
  auto moved = other.b.recv<kin::connection>();
  EXPECT_TRUE(is_all(moved.recv_view().bytes(), 60'000, 'n'));
  other.a.send(std::move(pipe.a));
  auto sender = other.b.recv<kin::connection>();
  for (int i = 0; i < 30; ++i) {
    send_built(sender, 60'000, i);
    const auto message = moved.recv_view();
    EXPECT_TRUE(message.in_place());
    EXPECT_TRUE(is_all(message.bytes(), 60'000, i));
  }
}

void build_all_sizes(kin::connection to) {
  for (std::size_t i = 0; i < 2000; ++i) {
    auto room = to.loan(i * 7919 % 300'000);
    std::ranges::fill(room.bytes(), static_cast<std::byte>(i));
    room.commit();
  }
}

TEST(loan, carries_messages_of_all_sizes_between_processes) {
  auto [a, b] = kin::pipe();
  kin::process child(build_all_sizes, std::move(b));
  std::vector<kin::message_view> kept;
  std::size_t in_place = 0;
  for (std::size_t i = 0; i < 2000; ++i) {
    kept.push_back(a.recv_view());
    in_place += kept.back().in_place() ? 1 : 0;
    if (kept.size() < 5) continue;
    ASSERT_TRUE(is_all(kept.front().bytes(), (i - 4) * 7919 % 300'000, static_cast<int>((i - 4) % 256))) << i;
    kept.erase(kept.begin());
  }
  EXPECT_GT(in_place, 0u);
  EXPECT_THROW((void)a.recv_view(), kin::closed_error);
}

TEST(loan, whose_builder_was_killed_before_the_commit_is_not_sent) {
  auto [a, b] = kin::pipe();
  forked child([&, &a = a] {
    send_built(a, 100'000, 'x');
    auto room = a.loan(100'000);
    std::ranges::fill(room.bytes(), std::byte{'y'});
    ::raise(SIGKILL);
  });
  a.close();
  EXPECT_EQ(child.join(), -SIGKILL);
  EXPECT_TRUE(is_all(b.recv_view().bytes(), 100'000, 'x'));
  EXPECT_THROW((void)b.recv_view(), kin::closed_error);
}

TEST(loan, is_copied_where_memory_is_refused) {
  auto [a, b] = kin::pipe();
  forked child([&, &a = a] {
    const rlimit limit{1 << 20, 1 << 20};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    send_built(a, 900'000, 'r');
  });
  a.close();
  const auto message = b.recv_view();
  EXPECT_FALSE(message.in_place());
  EXPECT_TRUE(is_all(message.bytes(), 900'000, 'r'));
  EXPECT_EQ(child.join(), 0);
}

// --- a peer that lies -----------------------------------------------------------------------------------------------

void say_block(const open_pipe& pipe, std::uint64_t size, std::uint64_t number) {
  const std::uint64_t words[] = {kin::detail::frame_word(kin::detail::frame_kind::block, size), number};
  std::memcpy(pipe.memory->data(0), words, sizeof words);
}

TEST(loan, that_does_not_exist_is_a_decode_error) {
  for (const std::uint64_t number : {std::uint64_t{0}, std::uint64_t{15}, std::uint64_t{16}, ~std::uint64_t{0}}) {
    open_pipe pipe;
    say_block(pipe, 9000, number);
    EXPECT_THROW((void)pipe.b.recv_view(), kin::decode_error);
    EXPECT_TRUE(pipe.b.closed());
  }
}

TEST(loan, at_a_place_that_no_sender_uses_is_a_decode_error) {
  const std::uint64_t places[][2] = {{0, 8192},         {1 << 20, 8192}, {4096 * 1000, std::uint64_t{1} << 40},
                                     {~0ull, ~0ull},    {1 << 21, 0},    {(1 << 21) + 8, 8192},
                                     {1ull << 45, 8192}};
  for (const auto& [offset, size] : places) {
    open_pipe pipe;
    send_built(pipe.a, 9000, 1);
    pipe.memory->blocks(0).offset[0] = offset;
    pipe.memory->blocks(0).size[0] = size;
    EXPECT_THROW((void)pipe.b.recv_view(), kin::decode_error) << offset;
  }
}

TEST(loan, larger_than_its_block_is_a_decode_error) {
  open_pipe pipe;
  send_built(pipe.a, 9000, 1);
  say_block(pipe, 1 << 20, 0);
  EXPECT_THROW((void)pipe.b.recv_bytes(), kin::decode_error);
}

TEST(loan, that_is_sent_again_while_it_is_read_is_a_decode_error) {
  open_pipe pipe;
  send_built(pipe.a, 9000, 5);
  const auto message = pipe.b.recv_view();
  send_built(pipe.a, 9000, 6);
  const std::uint64_t number = 0;
  std::memcpy(pipe.memory->data(0) + 24, &number, sizeof number);  // the second word of the second frame
  EXPECT_THROW((void)pipe.b.recv_view(), kin::decode_error);
  EXPECT_TRUE(is_all(message.bytes(), 9000, 5));
}

TEST(loan, is_not_lent_twice_whatever_the_receiver_says) {
  open_pipe pipe;
  auto first = pipe.a.loan(9000);
  for (auto& count : pipe.memory->blocks(0).returned) count = 1;
  auto second = pipe.a.loan(9000);
  EXPECT_NE(first.bytes().data(), second.bytes().data());
  std::ranges::fill(first.bytes(), std::byte{1});
  std::ranges::fill(second.bytes(), std::byte{2});
  EXPECT_TRUE(is_all(first.bytes(), 9000, 1));
}

}  // namespace
