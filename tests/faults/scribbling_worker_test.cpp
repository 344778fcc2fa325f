// SPDX-License-Identifier: BSL-1.0
// A worker that writes over every page that kin has given it for writing costs at most its pool, never the parent.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <kin/kin.hpp>

#include "support/leaves_nothing_behind.hpp"

namespace kin_test {
namespace {

using namespace std::chrono_literals;

enum class ink { zeros, ones, noise, flips };

// All shared memory that this process may write to. Returns how many pages that was; a byte of each goes to a file,
// which tells it even when the answer is among what was written over, or the parent ends such a worker on its way.
std::size_t scribble(ink with, unsigned seed) {
  const kin::unique_fd told(::open(std::getenv("KIN_TEST_PAGES"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!told) throw std::runtime_error("no file to tell the pages to");
  std::ifstream maps("/proc/self/maps");
  std::vector<std::pair<std::uintptr_t, std::uintptr_t>> areas;
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    std::uintptr_t begin = 0, end = 0;
    char dash = 0;
    std::string rights;
    words >> std::hex >> begin >> dash >> end >> rights;
    if (rights == "rw-s") areas.emplace_back(begin, end);
  }
  std::mt19937_64 random(seed);
  std::size_t pages = 0;
  for (const auto& [begin, end] : areas)
    for (std::uintptr_t page = begin; page < end; page += 4096) {
      auto* const words = reinterpret_cast<volatile std::uint64_t*>(page);  // NOLINT(performance-no-int-to-ptr)
      // What lies beyond the end of what is mapped cannot be touched: mincore() says nothing of that, write(2) does.
      if (::write(told.get(), const_cast<const std::uint64_t*>(words), 1) != 1) break;
      ++pages;
      for (std::size_t i = 0; i < 512; ++i) switch (with) {
          case ink::zeros:
            words[i] = 0;
            break;
          case ink::ones:
            words[i] = ~std::uint64_t{0};
            break;
          case ink::noise:
            words[i] = random();
            break;
          case ink::flips:
            if (random() % 16 == 0) words[i] = words[i] ^ std::uint64_t{1} << random() % 64;
            break;
        }
    }
  return pages;
}

// Of the memory of kin's that this process has mapped: "name rights", each once.
std::set<std::string> own_shared_memory() {
  std::set<std::string> found;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (const auto at = line.find("/memfd:"); at != std::string::npos) {
      const std::string name = line.substr(at + 7, line.find(' ', at) - at - 7);
      found.insert(name + ' ' + line.substr(line.find(' ') + 1, 4));
    }
  return found;
}

struct nouns {
  kin::queue<int> items;
  kin::mutex lock;
  kin::value<long> number{0};
  kin::shared_dict<int, std::string> words;
  kin::array<int> numbers = kin::array<int>(1000);
  kin::barrier meeting{2};
  kin::bounded_semaphore permits{3};
  kin::event done;
};

std::size_t use_and_scribble(const kin::queue<int>& items, const kin::mutex& lock, const kin::value<long>& number,
                             const kin::shared_dict<int, std::string>& words, const kin::array<int>& numbers,
                             const kin::barrier& meeting, const kin::bounded_semaphore& permits, const kin::event& done,
                             int with, unsigned seed) {
  items.put(1);
  { const std::scoped_lock hold(lock); }
  number.fetch_add(1);
  words.set(1, "one");
  numbers[0] = 1;
  (void)meeting.waiting();
  (void)permits.try_acquire();
  done.set();
  return scribble(static_cast<ink>(with), seed);
}

// Whatever it answers or throws: what it must not do is to crash or to wait for ever.
template <class F>
void survive(F operation) {
  try {
    operation();
  } catch (const kin::error&) {
  } catch (const std::exception&) {
  }
}

void use(nouns& n) {
  survive([&] { (void)n.items.try_put(2); });
  survive([&] { (void)n.items.try_get(); });
  survive([&] { (void)n.items.size(); });
  survive([&] {
    if (n.lock.try_lock_for(1ms)) n.lock.unlock();
  });
  survive([&] { n.number.fetch_add(1); });
  survive([&] { n.numbers[5] = 6; });
  survive([&] { (void)n.words.get(1); });
  survive([&] { n.words.set(2, "two"); });
  survive([&] { (void)n.words.items(); });
  survive([&] { (void)n.meeting.wait_for(1ms); });
  survive([&] { (void)n.permits.try_acquire(); });
  survive([&] { n.permits.release(); });
  survive([&] { (void)n.done.wait_for(1ms); });
}

class scribbling_worker : public testing::TestWithParam<kin::start_method> {};

// The program as the first process of a family of its own: what is scribbled over here is nobody else's.
TEST_P(scribbling_worker, costs_at_most_its_pool) {
  for (const ink with : {ink::zeros, ink::ones, ink::noise, ink::flips})
    for (unsigned seed = 1; seed <= (with == ink::zeros || with == ink::ones ? 1U : 4U); ++seed) {
      SCOPED_TRACE("ink " + std::to_string(static_cast<int>(with)) + ", seed " + std::to_string(seed));
      const std::string pages = testing::TempDir() + "kin_pages_" + std::to_string(::getpid());
      const pid_t pid = ::fork();
      if (pid == 0) {
        ::setenv("KIN_TEST_PAGES", pages.c_str(), 1);
        ::setenv("KIN_TEST_METHOD", std::to_string(static_cast<int>(GetParam().which())).c_str(), 1);
        ::setenv("KIN_TEST_INK", std::to_string(static_cast<int>(with)).c_str(), 1);
        ::setenv("KIN_TEST_SEED", std::to_string(seed).c_str(), 1);
        ::execl("/proc/self/exe", "caller", "--gtest_filter=scribbled_caller.DISABLED_lives_on",
                "--gtest_also_run_disabled_tests", nullptr);
        ::_exit(127);
      }
      int status = 0;
      ASSERT_EQ(::waitpid(pid, &status, 0), pid);
      EXPECT_EQ(status, 0);
      std::filesystem::remove(pages);
    }
}
INSTANTIATE_TEST_SUITE_P(by, scribbling_worker,
                         testing::Values(kin::start_method(kin::start::fork), kin::start_method(kin::start::spawn),
                                         kin::start_method(kin::start::forkserver)),
                         [](const auto& method) {
                           return std::string(method.index == 0 ? "fork" : method.index == 1 ? "spawn" : "forkserver");
                         });

// What a task is told, it cannot change: neither its own arguments nor those of others, nor who lives.
TEST_P(scribbling_worker, has_its_orders_and_items_and_the_family_for_reading_alone) {
  kin::pool workers({.workers = 1, .start = GetParam()});
  const std::vector<long> numbers(10'000, 1);  // more than go through the channel
  const auto seen = workers.map(
      [](long /*n*/) {
        static const kin::event joins_the_family;
        static const auto found = own_shared_memory();
        std::array<char, 512> text{};
        std::string all;
        for (const std::string& one : found) all += one + '\n';
        all.copy(text.data(), text.size() - 1);
        return text;
      },
      numbers, {.chunk = 5'000});
  const std::string found = seen[0].data();
  EXPECT_NE(found.find("kin-family r--s"), std::string::npos) << found;
  EXPECT_EQ(found.find("kin-family rw-s"), std::string::npos) << found;
  EXPECT_NE(found.find("kin-lane r--s"), std::string::npos) << found;    // orders
  EXPECT_NE(found.find("kin-lane rw-s"), std::string::npos) << found;    // answers
  EXPECT_NE(found.find("kin-buffer r--s"), std::string::npos) << found;  // items
  EXPECT_NE(found.find("kin-buffer rw-s"), std::string::npos) << found;  // results
}

int setting(const char* name) {
  const char* const value = std::getenv(name);
  return value ? std::atoi(value) : 0;
}

TEST(scribbled_caller, DISABLED_lives_on) {
  leave_this_one_alone("its pool's memory is damaged");
  kin::pool_options options;
  options.workers = 2;
  for (const kin::start_method m : {kin::start_method(kin::start::fork), kin::start_method(kin::start::forkserver)})
    if (static_cast<int>(m.which()) == setting("KIN_TEST_METHOD")) options.start = m;
  nouns n;
  {
    kin::pool workers(options);
    const std::vector<int> numbers(10'000, 1);
    survive([&] { (void)workers.map([](int i) { return i + 1; }, numbers); });  // so that there is memory for a map
    std::vector<kin::future<std::size_t>> done;
    for (int i = 0; i < 8; ++i)
      done.push_back(workers.apply_async(use_and_scribble, n.items, n.lock, n.number, n.words, n.numbers, n.meeting,
                                         n.permits, n.done, setting("KIN_TEST_INK"),
                                         static_cast<unsigned>(setting("KIN_TEST_SEED") + i)));
    auto beside = workers.map_async([](int i) { return i + 1; }, numbers);
    for (const auto& f : done) {
      bool answered = false;
      survive([&] { answered = f.wait_for(20s); });
      if (!answered) workers.terminate();
      survive([&] { (void)f.get(); });
    }
    survive([&] { (void)beside.get_for(20s); });
    EXPECT_GT(std::filesystem::file_size(std::getenv("KIN_TEST_PAGES")), 4U);
    workers.terminate();
    workers.join();
  }
  use(n);
  kin::pool others(options);
  EXPECT_EQ(others.apply([](int i) { return i * i; }, 12), 144);
}

}  // namespace
}  // namespace kin_test
