// SPDX-License-Identifier: BSL-1.0
// queue: what it is within one process, and between threads.
#include <kin/kin.hpp>

#include <kin/wire/handle.hpp>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <tuple>
#include <variant>
#include <vector>

// Both promise that they have no descriptors, and the second lies.
struct promised {
  int n = 0;
};
struct promised_falsely {
  int fd = -1;
};
template <>
struct kin::codec<promised> {
  static constexpr bool has_descriptors = false;
  static void encode(kin::writer& out, const promised& p) { out(p.n); }
  static promised decode(kin::reader& in) { return {in.take<int>()}; }
};
template <>
struct kin::codec<promised_falsely> {
  static constexpr bool has_descriptors = false;
  static void encode(kin::writer& out, const promised_falsely& p) { out.fd(p.fd); }
  static promised_falsely decode(kin::reader& in) { return {in.fd().release()}; }
};

namespace {

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

static_assert(kin::is_handle<kin::queue<int>> && kin::is_handle<kin::joinable_queue<int>>);
static_assert(std::input_iterator<kin::queue<int>::iterator>);
static_assert(std::is_copy_assignable_v<kin::queue<std::unique_ptr<int>>>);

struct tree {
  int value = 0;
  std::vector<tree> children;
  bool operator==(const tree&) const = default;
};
static_assert(!kin::detail::may_have_descriptors<tree>);
static_assert(!kin::detail::may_have_descriptors<std::map<std::string, std::optional<std::variant<int, double>>>>);
static_assert(kin::detail::may_have_descriptors<std::vector<kin::unique_fd>>);
static_assert(kin::detail::may_have_descriptors<kin::queue<kin::unique_fd>>);
static_assert(kin::detail::may_have_descriptors<kin::connection>);
static_assert(
    !kin::detail::may_have_descriptors<
        std::tuple<kin::mutex, kin::recursive_mutex, kin::counting_semaphore, kin::bounded_semaphore, kin::event,
                   kin::condition_variable, kin::barrier, kin::value<int>, kin::array<int>, kin::shared_memory,
                   kin::shared_list<int>, kin::shared_dict<int, int>, kin::queue<int>, kin::joinable_queue<int>>>);

struct pong;
struct ping {
  int value = 0;
  std::vector<kin::queue<pong>> back;
};
struct pong {
  std::vector<kin::joinable_queue<ping>> back;
  std::optional<kin::connection> end;
};
static_assert(kin::detail::may_have_descriptors<ping> && kin::detail::may_have_descriptors<kin::joinable_queue<ping>>);

// Of the family whose root this process is, in bytes.
std::size_t arena_memory() {
  std::size_t sum = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry.path(), gone).string().find("kin-arena") == std::string::npos) continue;
    struct stat is {};
    if (::stat(entry.path().c_str(), &is) == 0) sum += static_cast<std::size_t>(is.st_blocks) * 512;
  }
  return sum;
}

TEST(queue, gives_the_memory_of_many_items_back_when_it_is_gone) {
  constexpr std::size_t size = 1'000'000, n = 64;
  for (int again = 0; again < 3; ++again) {
    {
      const kin::queue<std::string> queue;
      for (std::size_t i = 0; i < n; ++i) queue.put(std::string(size, static_cast<char>('a' + i % 26)));
      EXPECT_GE(arena_memory(), n * size);
      for (std::size_t i = 0; i < n / 2; ++i)
        EXPECT_EQ(queue.get(), std::string(size, static_cast<char>('a' + i % 26)));
    }
    // The root's thread gives it back.
    for (int i = 0; i < 20'000 && arena_memory() >= n * size / 2; ++i) ::usleep(1000);
    EXPECT_LT(arena_memory(), n * size / 2);
  }
}

TEST(queue, gives_items_in_the_order_of_the_puts) {
  const kin::queue<int> numbers;
  for (int i = 0; i < 1000; ++i) numbers.put(i);
  EXPECT_EQ(numbers.size(), 1000u);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(numbers.get(), i);
  EXPECT_TRUE(numbers.empty());
}

TEST(queue, believes_a_codec_that_promises_no_descriptors_but_not_blindly) {
  static_assert(!kin::detail::may_have_descriptors<promised> && !kin::detail::may_have_descriptors<promised_falsely>);
  const kin::queue<promised> kept;
  kept.put({7});
  EXPECT_EQ(kept.get().n, 7);
  const kin::queue<promised_falsely> broken;
  EXPECT_THROW(broken.put({2}), kin::encode_error);
  EXPECT_EQ(broken.size(), 0u);
}

TEST(queue, is_one_queue_in_all_its_copies) {
  kin::queue<int> first;
  kin::queue<int> copy = first;
  kin::queue<int> moved = std::move(first);
  moved.put(7);
  EXPECT_EQ(copy.get(), 7);
  EXPECT_EQ(first.try_get(), std::nullopt);
  EXPECT_TRUE(copy == moved);
}

TEST(queue, takes_what_an_item_can_be_made_from) {
  const kin::queue<std::string> words;
  const char* pointer = "pointer";
  const std::string constant = "constant";
  words.put("literal");
  words.put(pointer);
  words.put(constant);
  words.put({'b', 'r'});
  words.put(std::string_view("view"));
  EXPECT_TRUE(words.try_put(std::string_view("tried")));
  EXPECT_EQ(words.get(), "literal");
  EXPECT_EQ(words.get(), "pointer");
  EXPECT_EQ(words.get(), "constant");
  EXPECT_EQ(words.get(), "br");
  EXPECT_EQ(words.get(), "view");
  EXPECT_EQ(words.get(), "tried");
}

TEST(queue, leaves_an_item_that_was_copied_in) {
  const kin::queue<std::string> words;
  std::string kept = "kept as it is, and long enough to own memory";
  words.put(kept);
  EXPECT_EQ(kept, words.get());
}

TEST(queue, takes_move_only_items) {
  const kin::queue<std::unique_ptr<int>> numbers;
  numbers.put(std::make_unique<int>(3));
  auto four = std::make_unique<int>(4);
  EXPECT_TRUE(numbers.try_put(std::move(four)));
  EXPECT_EQ(*numbers.get(), 3);
  EXPECT_EQ(*numbers.get(), 4);
}

TEST(queue, takes_values_of_every_kind) {
  const kin::queue<tree> trees;
  const tree oak{1, {{2, {}}, {3, {{4, {}}}}}};
  trees.put(oak);
  EXPECT_EQ(trees.get(), oak);

  const kin::queue<std::map<std::string, std::list<double>>> maps;
  maps.put({{"a", {1, 2}}, {"b", {}}});
  EXPECT_EQ(maps.get().at("a").back(), 2);

  const kin::queue<std::monostate> nothings;
  nothings.put(std::monostate());
  EXPECT_EQ(nothings.get(), std::monostate());
}

TEST(queue, keeps_items_of_every_size_whole) {
  const kin::queue<std::vector<std::uint8_t>> blobs;
  std::vector<std::size_t> sizes;
  for (std::size_t n = 0; n < 300; ++n) sizes.push_back(n);
  for (std::size_t n = 512; n <= (1u << 20); n *= 2) sizes.insert(sizes.end(), {n - 41, n - 40, n - 1, n, n + 1});
  for (std::size_t n = 4 << 20; n <= (64u << 20); n *= 4) sizes.insert(sizes.end(), {n - 3, n, n + 5});
  std::size_t salt = 0;
  for (const std::size_t size : sizes) {
    std::vector<std::uint8_t> blob(size);
    for (std::size_t i = 0; i < size; i += 97) blob[i] = static_cast<std::uint8_t>(i / 97 + ++salt);
    blobs.put(blob);
    ASSERT_TRUE(blobs.get() == blob) << size;
  }
}

TEST(queue, keeps_many_large_items_at_once) {
  const kin::queue<std::vector<std::uint32_t>> blobs;
  for (std::uint32_t round = 0; round < 3; ++round) {
    for (std::uint32_t i = 0; i < 40; ++i) blobs.put(std::vector<std::uint32_t>(1 + i * 12'345, i + round));
    for (std::uint32_t i = 0; i < 40; ++i)
      ASSERT_TRUE(blobs.get() == std::vector<std::uint32_t>(1 + i * 12'345, i + round)) << i;
  }
}

TEST(queue, blocks_a_put_while_it_is_full) {
  const kin::queue<int> two(2);
  EXPECT_EQ(two.capacity(), 2u);
  two.put(1);
  EXPECT_FALSE(two.full());
  two.put(2);
  EXPECT_TRUE(two.full());
  EXPECT_FALSE(two.try_put(3));
  const auto start = clock_type::now();
  EXPECT_FALSE(two.put_for(3, 30ms));
  EXPECT_FALSE(two.put_until(3, start + 40ms));
  EXPECT_GE(clock_type::now() - start, 40ms);
  std::thread producer([&] { two.put(3); });
  EXPECT_EQ(two.get(), 1);
  EXPECT_EQ(two.get(), 2);
  EXPECT_EQ(two.get(), 3);
  producer.join();
}

TEST(queue, keeps_an_item_that_found_no_room) {
  const kin::queue<std::unique_ptr<int>> one(1);
  one.put(std::make_unique<int>(1));
  auto two = std::make_unique<int>(2);
  EXPECT_FALSE(one.try_put(std::move(two)));
  ASSERT_TRUE(two);
  EXPECT_EQ(*two, 2);
}

TEST(queue, keeps_what_found_no_room_and_would_have_been_converted) {
  struct job {
    std::string text;
  };
  const kin::queue<std::variant<int, job>> items(1);
  items.put(1);
  job mine{"mine"};
  EXPECT_FALSE(items.try_put(std::move(mine)));
  EXPECT_FALSE(items.put_for(std::move(mine), 1ms));
  EXPECT_EQ(mine.text, "mine");  // NOLINT(bugprone-use-after-move): it was not put
  items.close();
  EXPECT_THROW(items.put(std::move(mine)), kin::closed_error);
  EXPECT_EQ(mine.text, "mine");  // NOLINT(bugprone-use-after-move)
  const kin::queue<std::shared_ptr<int>> owners;
  owners.put(std::make_unique<int>(3));
  EXPECT_EQ(*owners.get(), 3);
}

TEST(queue, is_unbounded_with_a_capacity_of_zero) {
  const kin::queue<int> numbers(0);
  for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(numbers.try_put(i));
  EXPECT_FALSE(numbers.full());
  EXPECT_THROW(kin::queue<int>(-1), std::out_of_range);
}

TEST(queue, waits_for_an_item_as_long_as_told) {
  const kin::queue<int> numbers;
  EXPECT_EQ(numbers.try_get(), std::nullopt);
  const auto start = clock_type::now();
  EXPECT_EQ(numbers.get_for(30ms), std::nullopt);
  EXPECT_GE(clock_type::now() - start, 30ms);
  EXPECT_EQ(numbers.get_until(std::chrono::system_clock::now() + 10ms), std::nullopt);
  EXPECT_EQ(numbers.get_for(-1s), std::nullopt);
  EXPECT_LT(clock_type::now() - start, 5s);
  numbers.put(1);
  EXPECT_EQ(numbers.get_for(std::chrono::hours::max()), 1);
  numbers.put(2);
  EXPECT_EQ(numbers.get_for(0s), 2);
}

TEST(queue, gives_up_what_is_in_it_after_close_and_then_throws) {
  const kin::queue<int> numbers;
  numbers.put(1);
  numbers.put(2);
  numbers.close();
  numbers.close();
  EXPECT_TRUE(numbers.closed());
  EXPECT_THROW(numbers.put(3), kin::closed_error);
  EXPECT_THROW((void)numbers.try_put(3), kin::closed_error);
  EXPECT_EQ(numbers.get(), 1);
  EXPECT_EQ(numbers.try_get(), 2);
  EXPECT_THROW((void)numbers.get(), kin::closed_error);
  EXPECT_THROW((void)numbers.try_get(), kin::closed_error);
  EXPECT_THROW((void)numbers.get_for(1h), kin::closed_error);
}

TEST(queue, wakes_everybody_who_waits_when_it_closes) {
  const kin::queue<int> empty, full(1);
  full.put(0);
  std::atomic<int> closed = 0;
  std::vector<std::jthread> waiting;
  for (int i = 0; i < 3; ++i) {
    waiting.emplace_back([&] {
      try {
        (void)empty.get();
      } catch (const kin::closed_error&) {
        ++closed;
      }
    });
    waiting.emplace_back([&] {
      try {
        full.put(1);
      } catch (const kin::closed_error&) {
        ++closed;
      }
    });
  }
  empty.close();
  full.close();
  waiting.clear();
  EXPECT_EQ(closed, 6);
}

TEST(queue, is_a_range_until_it_is_closed_and_empty) {
  const kin::queue<std::string> words;
  words.put("a");
  words.put("b");
  std::thread producer([&] {
    words.put("c");
    words.close();
  });
  std::string all;
  for (std::string& word : words) all += std::move(word);
  EXPECT_EQ(all, "abc");
  producer.join();
  for (std::string& word : words) FAIL() << word;
}

struct refuses_to_be_sent {
  int n = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    if (Archive::is_saving && n < 0) throw std::domain_error("negative");
    ar(n);
    if (Archive::is_loading && n == 13) throw std::domain_error("thirteen");
  }
};

TEST(queue, surfaces_errors_of_encoding_in_put_and_takes_no_slot) {
  const kin::queue<refuses_to_be_sent> picky(1);
  EXPECT_THROW(picky.put({-1}), std::domain_error);
  EXPECT_TRUE(picky.empty());
  EXPECT_TRUE(picky.try_put({5}));
  EXPECT_EQ(picky.get().n, 5);
}

TEST(queue, loses_only_the_item_that_cannot_be_decoded) {
  const kin::queue<refuses_to_be_sent> picky;
  picky.put({13});
  picky.put({14});
  EXPECT_THROW((void)picky.get(), std::domain_error);
  EXPECT_EQ(picky.get().n, 14);
}

TEST(queue, holds_no_lock_while_user_code_runs) {
  static const kin::queue<int>* inner = nullptr;
  struct puts_while_encoding {
    int n = 0;
    void serialize(kin::writer& ar) { inner->put(n), ar(n); }
    void serialize(kin::structure& ar) { ar(n); }
    void serialize(kin::reader& ar) { ar(n), (void)inner->get(); }
  };
  const kin::queue<int> numbers;
  inner = &numbers;
  const kin::queue<puts_while_encoding> outer;
  outer.put({1});
  EXPECT_EQ(outer.get().n, 1);
}

TEST(queue, uses_its_memory_again) {
  const kin::queue<std::string> words;
  const auto pages = [] {
    std::size_t kib = 0;
    std::FILE* maps = std::fopen("/proc/self/smaps", "r");
    char line[512];
    for (bool ours = false; std::fgets(line, sizeof line, maps);) {
      std::size_t n = 0;
      if (std::strchr(line, '-') && std::strstr(line, " rw-")) ours = std::strstr(line, "memfd:kin-arena");
      if (ours && std::sscanf(line, "Size: %zu kB", &n) == 1) kib += n;
    }
    std::fclose(maps);
    return kib;
  };
  const std::size_t of_others = pages();
  const auto work = [&] {
    for (std::size_t i = 0; i < 500; ++i) {
      words.put(std::string(i * 7 % 3000, 'x'));
      words.put(std::string(i % 7 * 50'000, 'y'));
      ASSERT_EQ(words.get().size(), i * 7 % 3000);
      ASSERT_EQ(words.get().size(), i % 7 * 50'000);
    }
  };
  work();
  const std::size_t before = pages();
  EXPECT_GT(before, 0u);
  EXPECT_LT(before - of_others, 2048u);
  work();
  EXPECT_EQ(pages(), before);
}

// Each producer's items arrive once, and in its order at each consumer.
void many_threads(std::size_t capacity, int producers, int consumers, int each) {
  const kin::queue<std::pair<int, int>> items(capacity);
  std::vector<std::atomic<int>> seen(static_cast<std::size_t>(producers * each));
  {
    std::vector<std::jthread> consuming;
    for (int c = 0; c < consumers; ++c)
      consuming.emplace_back([&] {
        std::vector<int> last(static_cast<std::size_t>(producers), -1);
        for (const auto& [p, n] : items) {
          EXPECT_LT(last[static_cast<std::size_t>(p)], n);
          last[static_cast<std::size_t>(p)] = n;
          ++seen[static_cast<std::size_t>(p * each + n)];
        }
      });
    {
      std::vector<std::jthread> producing;
      for (int p = 0; p < producers; ++p)
        producing.emplace_back([&, p] {
          for (int n = 0; n < each; ++n) items.put({p, n});
        });
    }
    items.close();
  }
  for (const auto& times : seen) ASSERT_EQ(times, 1);
}

TEST(queue, serves_threads_as_producers_and_consumers) { many_threads(0, 4, 4, 5000); }
TEST(queue, serves_threads_through_one_place) { many_threads(1, 3, 3, 1000); }

}  // namespace
