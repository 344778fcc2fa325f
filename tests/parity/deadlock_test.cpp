// SPDX-License-Identifier: BSL-1.0
// The deadlock matrix of CPython's executors (promise 3): {encode argument, decode argument, run, encode result, decode
// result} × {throw, exit, killed, abort}. Each cell fails exactly its task, with the right error, at once; the tasks
// around it are done, and the pool goes on.
#include <algorithm>
#include <atomic>
#include <optional>

#include <kin/process.hpp>
#include <kin/thread_pool.hpp>
#include <kin/value.hpp>

#include "parity/python_pool.hpp"

namespace kin_test {
namespace {

enum class harm { none, throws, exits, killed, aborts };
enum class station { encode_argument, decode_argument, run, encode_result, decode_result };

void do_harm(harm h) {
  if (h == harm::throws) throw std::domain_error("harm");
  if (h == harm::exits) std::exit(7);
  if (h == harm::killed) ::kill(::getpid(), SIGKILL);
  if (h == harm::aborts) {
    ::signal(SIGABRT, SIG_DFL);  // as it is outside of workers and sanitizers
    std::abort();
  }
}

/// A value that does harm to whoever encodes or decodes it.
struct harmful {
  harm encoding = harm::none, decoding = harm::none;
};
}  // namespace
}  // namespace kin_test
template <>
struct kin::codec<kin_test::harmful> {
  static void encode(kin::writer& out, const kin_test::harmful& h) {
    kin_test::do_harm(h.encoding);
    out.put(static_cast<int>(h.decoding));
  }
  static kin_test::harmful decode(kin::reader& in) {
    kin_test::do_harm(static_cast<kin_test::harm>(in.take<int>()));
    return {};
  }
};
namespace kin_test {
namespace {

int take(const harmful&, int running) {
  do_harm(static_cast<harm>(running));
  return 0;
}
// Made in the worker: a harm to the encoding of a result would be done to an argument's first.
harmful give(int encoding, int decoding) { return {static_cast<harm>(encoding), static_cast<harm>(decoding)}; }

// Submits the task of a cell, and tells how it failed, at submission or later.
std::string failure_of_cell(kin::pool& workers, station s, harm h) {
  const int bad = static_cast<int>(h), good = static_cast<int>(harm::none);
  try {
    switch (s) {
      case station::encode_argument:
        return failure_of(workers.apply_async(take, harmful{h, harm::none}, good));
      case station::decode_argument:
        return failure_of(workers.apply_async(take, harmful{harm::none, h}, good));
      case station::run:
        return failure_of(workers.apply_async(take, harmful{}, bad));
      case station::encode_result:
        return failure_of(workers.apply_async(give, bad, good));
      case station::decode_result:
        break;
    }
    return failure_of(workers.apply_async(give, good, bad));
  } catch (const std::exception& e) {
    return std::string("submitting: ") + e.what();
  }
}

std::string error_of(station s, harm h) {
  if (h != harm::throws) return "worker_lost: ";
  switch (s) {
    case station::encode_argument:
      return "submitting: ";
    case station::decode_argument:
      return "decode_error: ";
    case station::encode_result:
      return "encode_error: ";
    default:
      return "exception: ";
  }
}

using cell = std::tuple<kin::start_method, station, harm>;
std::string cell_name(const testing::TestParamInfo<cell>& info) {
  static const char* const stations[] = {"encode_argument", "decode_argument", "run", "encode_result", "decode_result"};
  static const char* const harms[] = {"none", "throws", "exits", "is_killed", "aborts"};
  const auto& [start, s, h] = info.param;
  return std::string(start.name()) + "_" + stations[static_cast<int>(s)] + "_" + harms[static_cast<int>(h)];
}
const auto all_starts = testing::Values(kin::start_method(kin::start::spawn), kin::start_method(kin::start::forkserver),
                                        kin::start_method(kin::start::fork));

kin::pool_options two_workers(kin::start_method start) {
  kin::pool_options o;
  o.workers = 2;
  o.start = start;
  return o;
}

// --- in a worker, or caught in the caller ----------------------------------------------------------------------------

class deadlock : public testing::TestWithParam<cell> {};
INSTANTIATE_TEST_SUITE_P(
    matrix, deadlock,
    testing::Combine(all_starts, testing::Values(station::decode_argument, station::run, station::encode_result),
                     testing::Values(harm::throws, harm::exits, harm::killed, harm::aborts)),
    cell_name);
INSTANTIATE_TEST_SUITE_P(matrix_of_callers, deadlock,
                         testing::Combine(all_starts, testing::Values(station::encode_argument, station::decode_result),
                                          testing::Values(harm::throws)),
                         cell_name);

TEST_P(deadlock, fails_that_task_alone) {
  const auto& [start, s, h] = GetParam();
  kin::pool workers(two_workers(start));
  const kin::value<int> ran{0};
  const auto counts = [](int n, const kin::value<int>& times) {
    times.fetch_add(1);
    return n;
  };
  const auto begin = clock::now();
  for (int round = 0; round < 3; ++round) {
    std::vector<kin::future<int>> around;
    for (int i = 0; i < 6; ++i) around.push_back(workers.apply_async(counts, i, ran));
    const std::string failure = failure_of_cell(workers, s, h);
    for (int i = 6; i < 12; ++i) around.push_back(workers.apply_async(counts, i, ran));

    EXPECT_THAT(failure, testing::StartsWith(error_of(s, h)));
    const char* const reason[] = {"", "harm", "exit code 7", "SIGKILL", "SIGABRT"};
    EXPECT_THAT(failure, HasSubstr(reason[static_cast<int>(h)]));
    for (int i = 0; i < 12; ++i) EXPECT_EQ(around[static_cast<std::size_t>(i)].get(), i);
  }
  EXPECT_LT(ms_since(begin), 2000.0 * patience);

  // Nothing was run twice, and only what died was replaced.
  EXPECT_EQ(ran, 36);
  const auto stats = workers.stats();
  EXPECT_EQ(stats.workers_lost, h == harm::throws ? 0u : 3u);
  EXPECT_EQ(stats.completed,
            s == station::decode_result ? 39u : 36u);  // its result is there; the caller cannot have it
  EXPECT_EQ(stats.completed + stats.failed, stats.submitted);
  workers.close();
  workers.join();
}

TEST_P(deadlock, does_not_keep_a_map_from_ending) {
  const auto& [start, s, h] = GetParam();
  const int station_number = static_cast<int>(s), harm_number = static_cast<int>(h);
  // Each item meets its fate at its station: the fourth of six does harm.
  std::vector<harmful> items(6);
  if (s == station::encode_argument) items[3].encoding = h;
  if (s == station::decode_argument) items[3].decoding = h;
  struct fate {
    int station, harm;
    harmful operator()(const harmful&) const { return {}; }
  };
  struct late_fate {
    int station, harm;
    harmful operator()(int n) const {
      const auto now = n == 3 ? static_cast<kin_test::harm>(harm) : kin_test::harm::none;
      if (static_cast<kin_test::station>(station) == kin_test::station::run) do_harm(now);
      if (static_cast<kin_test::station>(station) == kin_test::station::encode_result) return {now, {}};
      return {{}, now};
    }
  };
  kin::pool workers(two_workers(start));
  for (const int chunk : {1, 6}) {
    if (s == station::encode_argument || s == station::decode_argument)
      EXPECT_ANY_THROW(workers.map(fate{station_number, harm_number}, items, {.chunk = chunk}));
    else
      EXPECT_ANY_THROW(workers.map(late_fate{station_number, harm_number}, {0, 1, 2, 3, 4, 5}, {.chunk = chunk}));
    EXPECT_EQ(workers.map(square, {1, 2, 3}, {.chunk = chunk}), (std::vector<int>{1, 4, 9}));
  }
}

// --- in the caller: it ends, and nothing of its pool is left (the fixture sees to that) ------------------------------

class deadlock_of_the_caller : public testing::TestWithParam<cell> {};
INSTANTIATE_TEST_SUITE_P(matrix, deadlock_of_the_caller,
                         testing::Combine(all_starts, testing::Values(station::encode_argument, station::decode_result),
                                          testing::Values(harm::exits, harm::killed, harm::aborts)),
                         cell_name);

TEST_P(deadlock_of_the_caller, ends_it_and_its_pool) {
  const auto& [start, s, h] = GetParam();
  kin::process caller(
      [](int where, int what, int method) {
        kin::pool workers(two_workers(method_of(method)));
        workers.apply(square, 2);
        auto busy = workers.apply_async(nap, 60000);
        (void)failure_of_cell(workers, static_cast<station>(where), static_cast<harm>(what));
      },
      static_cast<int>(s), static_cast<int>(h), static_cast<int>(start.which()));
  ASSERT_TRUE(caller.join_for(30s));
  EXPECT_EQ(caller.exitcode(), h == harm::exits ? 7 : h == harm::killed ? -SIGKILL : -SIGABRT);
}

// --- threads: a value is copied and moved on its way instead ---------------------------------------------------------

// Throws when it is moved or copied once more than it bears.
struct brittle {
  explicit brittle(int moves) : left(moves) {}
  brittle(const brittle& other) : left(other.left - 1) { check(); }
  brittle(brittle&& other) : left(other.left - 1) { check(); }  // NOLINT(performance-noexcept-move-constructor)
  brittle& operator=(const brittle&) = default;
  ~brittle() = default;
  void check() const {
    if (left < 0) throw std::domain_error("moved too often");
  }
  int left;
};

TEST(deadlock_of_threads, never_comes_of_an_argument_that_throws_at_any_station) {
  kin::thread_pool workers(2);
  int failed = 0, done = 0;
  for (int moves = 0; moves < 20; ++moves)
    for (const int retries : {0, 1}) {
      std::optional<brittle> argument;
      argument.emplace(moves);
      auto around = workers.apply_async(square, 3);
      try {
        workers.apply(
            {.retries = retries}, [](const brittle& b) { return b.left; }, *argument);
        ++done;
      } catch (const std::domain_error&) {
        ++failed;
      }
      EXPECT_EQ(around.get(), 9);
      EXPECT_EQ(workers.apply(square, 4), 16);
    }
  EXPECT_GT(failed, 2);
  EXPECT_GT(done, 2);
}

TEST(deadlock_of_threads, never_comes_of_a_result_that_throws_at_any_station) {
  kin::thread_pool workers(2);
  int failed = 0, done = 0;
  for (int moves = 0; moves < 20; ++moves) {
    auto around = workers.apply_async(square, 3);
    try {
      auto result = workers.apply_async([](int n) { return brittle(n); }, moves);
      result.wait();
      (void)result.get();
      ++done;
    } catch (const std::domain_error&) {
      ++failed;
    }
    EXPECT_EQ(around.get(), 9);
    EXPECT_EQ(workers.apply(square, 4), 16);
  }
  EXPECT_GT(failed, 0);
  EXPECT_GT(done, 2);
}

TEST(deadlock_of_threads, never_comes_of_a_task_that_throws) {
  kin::thread_pool workers(2);
  std::atomic<int> ran{0};
  for (int round = 0; round < 3; ++round) {
    std::vector<kin::future<int>> around;
    for (int i = 0; i < 6; ++i) around.push_back(workers.apply_async([&](int n) { return ++ran, n; }, i));
    EXPECT_THROW(workers.apply([] { do_harm(harm::throws); }), std::domain_error);
    for (int i = 0; i < 6; ++i) EXPECT_EQ(around[static_cast<std::size_t>(i)].get(), i);
  }
  EXPECT_EQ(ran, 18);
  EXPECT_EQ(workers.stats().failed, 3u);
}

// --- deadlocks that were found at the end of an executor -------------------------------------------------------------

class deadlock_at_the_end : public pool_contract {};
KIN_POOL_CONTRACT(deadlock_at_the_end);

TEST_P(deadlock_at_the_end, does_not_come_of_a_worker_that_dies_after_the_close) {
  kin::pool workers(options(2));
  auto doomed = workers.apply_async([](int ms) { return nap(ms), die_by(SIGKILL); }, 50);
  workers.close();
  workers.join();
  EXPECT_THAT(failure_of(doomed), testing::StartsWith("worker_lost"));
}

TEST_P(deadlock_at_the_end, does_not_come_of_a_task_that_cannot_be_encoded_before_the_close) {
  kin::pool workers(options(2));
  EXPECT_EQ(workers.apply(square, 6), 36);
  EXPECT_THROW((void)workers.apply_async(take, harmful{harm::throws, harm::none}, 0), std::domain_error);
  workers.close();
  workers.join();
}

TEST_P(deadlock_at_the_end, does_not_come_of_crashes_while_much_data_is_under_way) {
  kin::pool workers(options(2));
  const std::vector<std::string> data(10, std::string(std::size_t{1} << 20, 'a'));
  std::vector<kin::future<int>> all;
  for (const std::string& each : data)
    all.push_back(workers.apply_async([](const std::string&) { return die_by(SIGKILL); }, each));
  // A chunk that is never read to its end: its worker dies of the first item.
  auto mapped = workers.map_async([](const std::string&) { return die_by(SIGKILL); }, data, {.chunk = 5});
  for (const auto& f : all) EXPECT_THAT(failure_of(f), testing::StartsWith("worker_lost"));
  EXPECT_THROW((void)mapped.get(), kin::worker_lost);
  EXPECT_EQ(workers.apply(square, 5), 25);
}

TEST_P(deadlock_at_the_end, does_not_come_of_tasks_that_fail_beside_workers_of_one_task) {
  for (const int size : {2, 4}) {
    auto o = options(size);
    o.max_tasks_per_worker = 1;
    kin::pool workers(std::move(o));
    auto first = workers.apply_async(nap, 10);
    auto fails = workers.apply_async([] { throw std::domain_error("failing"); });
    auto last = workers.apply_async(nap, 30);
    EXPECT_GT(first.get(), 0);
    EXPECT_THROW(fails.get(), std::domain_error);
    workers.close();
    workers.join();
    EXPECT_GT(last.get(), 0);
  }
}

}  // namespace
}  // namespace kin_test
