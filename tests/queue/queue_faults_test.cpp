// SPDX-License-Identifier: BSL-1.0
// queue: the system refuses a call, memory is short, or the shared memory is full of nonsense.
#include <kin/queue.hpp>

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include <kin/connection.hpp>
#include <kin/memory/object_ref.hpp>
#include <kin/pipe.hpp>

#include "memory/family.hpp"
#include "os/gate.hpp"
#include "queue/ring_layout.hpp"
#include "support/leaves_nothing_behind.hpp"

namespace {

// Lets the first, second, … call fail until the work gets through; after each failure `whole` must hold.
void fail_every_call(int errno_value, const std::function<void()>& work, const std::function<void()>& whole) {
  for (int n = 1; n < 200; ++n) {
    kin::os::inject_fault(nullptr, n, errno_value);
    bool done = false;
    try {
      work();
      done = true;
    } catch (const kin::os_error& e) {
      EXPECT_EQ(e.code().value(), errno_value);
    }
    const bool injected = kin::os::calls_since_injection() >= n;
    kin::os::inject_fault(nullptr, 0, 0);
    whole();
    if (testing::Test::HasFailure()) return;
    if (done && !injected) return;
  }
  FAIL() << "it never got through";
}

TEST(queue, is_made_whole_or_not_at_all) {
  fail_every_call(
      EMFILE, [] { const kin::queue<kin::unique_fd> q; }, [] {});
}

TEST(queue, takes_an_item_whole_or_not_at_all) {
  const kin::queue<std::string> q;
  const std::string big(300'000, 'x');
  std::size_t before = q.size();
  fail_every_call(
      ENOSPC, [&] { q.put(big), q.put(big), ++before, ++before; },
      [&] {
        while (const auto item = q.try_get()) ASSERT_EQ(*item, big);
      });
}

TEST(queue, keeps_an_item_whose_descriptors_found_no_room) {
  const kin::queue<kin::connection> q;
  std::vector<kin::connection> mine;
  const auto put = [&] {
    auto [here, there] = kin::pipe();
    mine.push_back(std::move(here));
    q.put(std::move(there));
  };
  put(), put();
  std::vector<kin::connection> got;
  fail_every_call(
      EMFILE,
      [&] {
        while (q.size() > 0) got.push_back(q.get());
      },
      [&] { ASSERT_EQ(q.size() + got.size(), 2u); });
  ASSERT_EQ(got.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    mine[i].send(static_cast<int>(i));
    EXPECT_EQ(got[i].recv<int>(), static_cast<int>(i));
  }
}

#ifndef __SANITIZE_THREAD__  // which wants no copies of its process, and takes minutes for the descriptors

TEST(queue, says_when_the_kernel_holds_too_many_descriptors) {
  const kin::queue<kin::unique_fd> q;
  std::size_t held = 0;
  try {
    for (; held < 200'000; ++held) q.put(kin::unique_fd(dup(0)));
  } catch (const kin::os_error& e) {
    EXPECT_TRUE(e.code().value() == ENOBUFS || e.code().value() == ETOOMANYREFS) << e.what();
  }
  EXPECT_GT(held, 100u);
  EXPECT_EQ(q.size(), held);
  EXPECT_TRUE(q.get());
  EXPECT_TRUE(q.try_put(kin::unique_fd(dup(0)))) << "there is room again";
}

// In a child, because a limit can be lowered only for good.
template <class Body>
int in_a_child(Body body) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(queue, throws_at_the_file_size_limit_and_goes_on_below_it) {
  EXPECT_EQ(in_a_child([] {
              const kin::queue<std::string> q;
              // Of this process; the file that all its family's queues lie in may be larger already.
              const rlim_t most = kin::detail::family::table->arena_end + (1 << 20);
              const rlimit limit{most, most};
              setrlimit(RLIMIT_FSIZE, &limit);
              try {
                for (int i = 0; i < 100; ++i) q.put(std::string(50'000, 'x'));
                return 1;
              } catch (const kin::os_error& e) {
                if (e.code().value() != EFBIG) return 2;
              }
              if (q.size() < 10) return 3;
              for (std::size_t n = q.size(); n > 0; --n)
                if (q.get() != std::string(50'000, 'x')) return 4;
              return q.try_put(std::string(50'000, 'y')) ? 0 : 5;
            }),
            0);
}

// The last queue of the arena that has items of this type.
kin::detail::ring_header& ring_in_memory(std::uint64_t signature) {
  using kin::detail::ring_header;
  ring_header* found = nullptr;
  for (std::uint64_t at = 0; at < kin::detail::family::table->arena_end; at += 128) {
    auto* header = reinterpret_cast<ring_header*>(kin::detail::family::at(at, sizeof(ring_header)));
    if (header && header->kind == static_cast<std::uint32_t>(kin::detail::object_kind::queue) &&
        header->signature == signature)
      found = header;
  }
  return *found;
}

// Whatever the ledgers and extents say: an exception or a value, never a crash or an endless walk.
TEST(queue, believes_nothing_that_its_memory_says) {
  using kin::detail::ring_header;
  std::mt19937_64 random(1);
  for (int round = 0; round < 100; ++round) {
    const auto seed = random();
    const int code = in_a_child([seed] {
      alarm(60);
      std::mt19937_64 noise(seed);
      const kin::queue<std::string> q;
      for (int i = 0; i < 5; ++i) q.put(std::string(static_cast<std::size_t>(i) * 40'000, 'x'));
      (void)q.get(), (void)q.get();
      ring_header& header = ring_in_memory(kin::type_signature<std::string>());
      std::vector<std::atomic<std::uint64_t>*> words{&header.seen_head, &header.seen_tail, &header.tail, &header.head,
                                                     &header.total};
      for (auto& l : header.tails) words.insert(words.end(), {&l.segment, &l.offset, &l.oldest});
      for (auto& l : header.heads) words.insert(words.end(), {&l.segment, &l.offset});
      // The segments: their heads and, where they lie in the arena, the sizes of items.
      const std::uint64_t some_segment = header.tails[0].segment;
      for (int i = 0; i < 8; ++i) {
        const std::uint64_t place = header.tails[0].segment - header.tails[0].segment % 16384 + noise() % 4 * 16384;
        if (auto* s = reinterpret_cast<kin::detail::segment*>(
                kin::detail::family::at(place, kin::detail::family::size_at(place)))) {
          if (s->kind != static_cast<std::uint32_t>(kin::detail::object_kind::queue_segment)) continue;
          words.push_back(&s->next);
          auto* items = reinterpret_cast<std::atomic<std::uint64_t>*>(s + 1);
          for (int w = 0; w < 40; ++w) words.push_back(items + noise() % 2000);
          words.push_back(items);
        }
      }
      for (int i = 0; i < 1 + static_cast<int>(noise() % 12); ++i) {
        const std::uint64_t values[] = {0,          ~0ull,       noise(), noise() % (1 << 20), noise() % 64 * 64,
                                        1ull << 40, some_segment};
        words[noise() % words.size()]->store(values[noise() % 7]);
      }
      for (int i = 0; i < 20; ++i) {
        try {
          if (noise() % 2 == 0)
            (void)q.try_get();
          else
            (void)q.try_put(std::string(noise() % 200'000, 'y'));
        } catch (const kin::error&) {
        }
      }
      return 0;
    });
    ASSERT_EQ(code, 0) << "seed " << seed;
  }
}

TEST(queue, loses_an_item_that_is_not_of_its_size) {
  using items = std::array<char, 63>;
  const kin::queue<items> q;
  q.put(items{1});
  q.put(items{2});
  auto& header = ring_in_memory(kin::type_signature<items>());
  const auto segment = header.tails[0].segment.load();
  auto* at = kin::detail::family::at(segment, kin::detail::family::size_at(segment));
  auto& size = *reinterpret_cast<std::uint64_t*>(at + kin::detail::segment_begin);
  ASSERT_EQ(size, sizeof(items));
  size = sizeof(items) + 1;  // it takes as much room
  EXPECT_THROW((void)q.get(), kin::decode_error);
  EXPECT_EQ(q.get(), items{2});
}

#endif

}  // namespace
