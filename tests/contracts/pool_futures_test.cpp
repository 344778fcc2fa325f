// SPDX-License-Identifier: BSL-1.0
// Futures and their callbacks, several at once, coroutines, from whatever workers (promises 6 and 8).
#include <coroutine>
#include <cstdint>
#include <memory>
#include <ranges>
#include <set>

#include <kin/core/log.hpp>
#include <kin/wait.hpp>

#include "contracts/any_pool_contract.hpp"

namespace kin_test {
namespace {
class pool_futures : public any_pool_contract {};
KIN_ANY_POOL_CONTRACT(pool_futures);
class process_pool_futures : public pool_contract {};
KIN_POOL_CONTRACT(process_pool_futures);

constexpr std::size_t size = 1000;
std::size_t size_of(const std::string& text) { return text.size(); }
std::size_t size_of(const std::unique_ptr<std::string>& text) { return text ? text->size() : 0; }

KIN_ANY_POOL_TEST(pool_futures, call_back_in_order_on_one_thread_of_their_own) {
  std::vector<std::string> log;
  std::set<std::thread::id> threads;
  const auto write = [&](const std::string& what) {
    threads.insert(std::this_thread::get_id());
    log.push_back(what);
  };
  {
    Pool workers(options(1));
    workers.apply_async(square, 3)
        .then([&](const int& v) { write("then " + std::to_string(v)); })
        .on_error([&](const std::exception&) { write("wrong"); })
        .when_ready([&] { write("ready"); });
    workers.apply_async([] { throw std::runtime_error("no"); })
        .then([&] { write("wrong"); })
        .on_error([&](const std::exception& e) { write(std::string("error ") + e.what()); })
        .on_error([&](const std::exception_ptr& e) { write(e ? "pointer" : "wrong"); })
        .on_error([&] { write("bare"); });
    auto f = workers.apply_async(square, 4);
    f.wait();
    f.then([&](int v) { write("late " + std::to_string(v)); });
  }
  EXPECT_THAT(log, testing::ElementsAre("then 9", "ready", "error no", "pointer", "bare", "late 16"));
  EXPECT_EQ(threads.size(), 1u);
  EXPECT_FALSE(threads.contains(std::this_thread::get_id()));
}

// The chain's end moves the value out, and the callback runs beside it.
KIN_ANY_POOL_TEST(pool_futures, show_their_value_to_callbacks_before_it_is_moved_out) {
  Pool workers(options(2));
  std::atomic<int> seen{0}, wrong{0};
  const auto look = [&](const auto& value) {
    ++seen;
    if (size_of(value) != size) ++wrong;
  };
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(workers.apply_async([] { return std::string(size, 'x'); }).then(look).get().size(), size);
    EXPECT_EQ(workers.apply_async([] { return std::make_unique<std::string>(size, 'x'); }).then(look).get()->size(),
              size);
    auto f = workers.apply_async([] { return std::string(size, 'x'); }).then(look);
    EXPECT_EQ(std::move(f).get_for(20s).value().size(), size);
  }
  auto one = workers.apply_async([] { return std::make_unique<std::string>(size, 'x'); }).then(look);
  EXPECT_EQ(std::get<0>(kin::when_all(one).get())->size(), size);
  workers.close();
  workers.join();
  EXPECT_EQ(seen, 601);
  EXPECT_EQ(wrong, 0);
}

// Says that it can be copied, which does not compile.
class owners {
 public:
  owners() { all_.push_back(std::make_unique<int>(7)); }
  [[nodiscard]] int first() const { return all_.empty() ? 0 : *all_[0]; }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(all_);
  }

 private:
  std::vector<std::unique_ptr<int>> all_;
};
KIN_ANY_POOL_TEST(pool_futures, give_values_that_only_say_that_they_can_be_copied) {
  Pool workers(options(1));
  const auto make = [] { return owners(); };
  EXPECT_EQ(workers.apply(make).first(), 7);
  for (int i = 0; i < 50; ++i) {
    int seen = 0;
    EXPECT_EQ(workers.apply_async(make).then([&](const owners& o) { seen = o.first(); }).get().first(), 7);
    EXPECT_EQ(seen, 7);
  }
}

template <class Pool>
struct uses_its_pool {
  int number = 1;
  ~uses_its_pool() {
    if (Pool* const its = pool.load()) try {
        (void)its->apply(square, 2);
      } catch (const kin::closed_error&) {
      }
  }
  static inline std::atomic<Pool*> pool = nullptr;
};
KIN_ANY_POOL_TEST(pool_futures, let_their_values_use_the_pool_when_they_are_destroyed) {
  Pool workers(options(1));
  const auto make = [] { return uses_its_pool<Pool>{}; };
  uses_its_pool<Pool>::pool = &workers;
  for (int i = 0; i < 30; ++i) {
    (void)workers.apply_async(make).then([](const uses_its_pool<Pool>&) {});
    {
      auto a = workers.apply_async(make), b = workers.apply_async(make);
      a.then([](const uses_its_pool<Pool>&) {});
      (void)kin::when_all(a, b);
    }
    EXPECT_EQ(workers.apply(square, 3), 9);
  }
  uses_its_pool<Pool>::pool = nullptr;
}

KIN_ANY_POOL_TEST(pool_futures, take_callbacks_that_can_only_be_moved) {
  std::string log;
  {
    Pool workers(options(1));
    const auto with = [&](auto number) {
      return [&log, held = std::make_unique<int>(number)](const auto&...) { log += std::to_string(*held); };
    };
    workers.apply_async(square, 3).then(with(1)).when_ready(with(2));
    workers.apply_async([] { throw std::runtime_error("no"); }).on_error(with(3));
  }
  EXPECT_EQ(log, "123");
}

KIN_ANY_POOL_TEST(pool_futures, survive_callbacks_that_throw_submit_block_and_wait) {
  std::atomic<int> sum{0};
  {
    Pool workers(options(1));
    workers.apply_async(square, 1).then([](int) { throw 42; }).then([](int) { throw std::runtime_error("x"); });
    workers.apply_async(square, 2).then([&](int v) {
      sum += v;
      sum += workers.apply(square, 3);
      std::this_thread::sleep_for(20ms);
    });
    auto last = workers.apply_async(square, 4).then([&](int v) { sum += v; });
    EXPECT_EQ(last.get(), 16);
    const auto start = clock::now();
    while (sum != 4 + 9 + 16 && ms_since(start) < 20000) std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(sum, 4 + 9 + 16);
}

KIN_ANY_POOL_TEST(pool_futures, let_a_callback_close_or_destroy_the_pool) {
  std::atomic<bool> done{false};
  auto workers = std::make_unique<Pool>(options(1));
  workers->apply_async(square, 1).then([&](int) {
    workers->close();
    workers->join();
    workers.reset();
    done = true;
  });
  const auto start = clock::now();
  while (!done && ms_since(start) < 20000) std::this_thread::sleep_for(1ms);
  EXPECT_TRUE(done);
}

KIN_ANY_POOL_TEST(pool_futures, may_be_dropped_and_may_outlive_their_pool) {
  kin::future<std::string> kept;
  std::atomic<int> calls{0};
  {
    Pool workers(options(1));
    workers.apply_async(square, 1).when_ready([&] { ++calls; });
    kept = workers.apply_async([] { return std::string("kept"); });
  }
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(kept.get(), "kept");
  EXPECT_EQ(kept.get(), "kept");
  EXPECT_FALSE(kept.cancel());
  kept.then([&](const std::string&) { ++calls; });
  EXPECT_EQ(std::move(kept).get(), "kept");
  EXPECT_FALSE(kept.valid());  // NOLINT(bugprone-use-after-move)
  EXPECT_THROW((void)kept.ready(), std::logic_error);
  const auto start = clock::now();
  while (calls < 2 && ms_since(start) < 20000) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(calls, 2);
}

KIN_ANY_POOL_TEST(pool_futures, can_be_waited_for_beside_other_things) {
  Pool workers(options(1));
  const kin::event looked;
  auto slow = workers.apply_async(wait_for, looked);
  EXPECT_TRUE(kin::wait({slow}, 1ms).empty());
  looked.set();
  const auto ready = kin::wait({slow}, 60s);
  EXPECT_TRUE(ready.contains(slow));
  EXPECT_TRUE(slow.ready());
  EXPECT_TRUE(kin::wait({slow}, 0ms).contains(slow));
  auto ended = workers.apply_async(square, 1);
  ended.wait();
  EXPECT_TRUE(kin::wait({ended}, 0ms).contains(ended));
}

struct fire {
  struct promise_type {
    fire get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};
fire add(kin::future<int> a, kin::future<int> b, kin::future<void> bad, std::atomic<int>& sum) {
  const int x = co_await a;
  const int y = co_await b;
  try {
    co_await bad;
  } catch (const std::out_of_range&) {
    sum = x + y;
  }
}
template <class Pool>
fire count_squares(Pool& workers, int n, std::atomic<int>& done) {
  const int got = co_await workers.apply_async(square, n);
  if (got != n * n) std::terminate();
  ++done;
  done.notify_all();
}
// A coroutine that is resumed may end with all that it awaited, before its caller has left await_suspend.
KIN_ANY_POOL_TEST(pool_futures, are_awaited_by_coroutines_that_end_when_they_are_resumed) {
  Pool workers(options(2));
  std::atomic<int> done{0};
  constexpr int all = 3000;
  for (int n = 0; n < all; ++n) count_squares(workers, n, done);
  for (int seen = done; seen < all; seen = done) done.wait(seen);
}

struct alignas(32) wide_one {
  float x[8];
};
struct alignas(64) wide_many {
  float x[160];
};
KIN_ANY_POOL_TEST(pool_futures, give_over_aligned_values_where_they_may_lie) {
  Pool workers(options(1));
  std::vector<kin::future<wide_one>> ones;
  std::vector<kin::future<wide_many>> many;
  for (int i = 0; i < 20; ++i) {
    ones.push_back(workers.apply_async([] { return wide_one{{1, 2}}; }));
    many.push_back(workers.apply_async([] { return wide_many{{3, 4}}; }));
  }
  for (const auto& f : ones) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&f.get()) % 32, 0u);
    EXPECT_EQ(f.get().x[1], 2);
  }
  for (const auto& f : many) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&f.get()) % 64, 0u);
    EXPECT_EQ(f.get().x[1], 4);
  }
}

// g++ 12 destroys an aggregate twice that is made in a co_await expression, be it as a default argument.
template <class Pool>
fire map_and_starmap(Pool& workers, std::vector<std::string>& got, std::atomic<bool>& done) {
  const std::vector<std::string> words{"a", "b"};
  for (auto& word : co_await workers.map_async([](const std::string& s) { return s + "!"; }, words))
    got.push_back(std::move(word));
  const std::vector<std::pair<std::string, int>> pairs{{"c", 1}};
  for (auto& word :
       co_await workers.starmap_async([](const std::string& s, int n) { return s + char('0' + n); }, pairs))
    got.push_back(std::move(word));
  done = true;
  done.notify_one();
}
KIN_ANY_POOL_TEST(pool_futures, of_maps_can_be_awaited_where_they_are_made) {
  std::vector<std::string> got;
  std::atomic<bool> done = false;
  Pool workers(options(2));
  map_and_starmap(workers, got, done);
  done.wait(false);
  EXPECT_EQ(got, (std::vector<std::string>{"a!", "b!", "c1"}));
}

fire await_twice(kin::future<std::string> word, kin::future<std::unique_ptr<int>> box, std::vector<std::string>& got) {
  got.push_back(co_await word);
  got.push_back(co_await word);
  got.push_back(std::to_string(*co_await std::move(box)));
  got.push_back(word.get());
}
KIN_ANY_POOL_TEST(pool_futures, give_their_value_to_everybody_who_awaits_them) {
  std::vector<std::string> got;
  {
    Pool workers(options(2));
    await_twice(workers.apply_async([] { return std::string(100, 'x'); }),
                workers.apply_async([] { return std::make_unique<int>(4); }), got);
    workers.close();
    workers.join();
  }
  const std::string word(100, 'x');
  EXPECT_EQ(got, (std::vector<std::string>{word, word, "4", word}));
}

KIN_ANY_POOL_TEST(pool_futures, tell_of_what_is_no_standard_exception) {
  std::vector<std::string> told;
  {
    Pool workers(options(1));
    workers.apply_async([] { throw 42; })
        .on_error([&](const std::exception& e) { told.emplace_back(e.what()); })
        .on_error([&](const std::exception_ptr& e) { told.emplace_back(e ? "pointer" : "none"); })
        .on_error([&] { told.emplace_back("nothing"); });
    workers.close();
    workers.join();
  }
  EXPECT_EQ(told, (std::vector<std::string>{"int: 42", "pointer", "nothing"}));
}

KIN_ANY_POOL_TEST(pool_futures, can_be_awaited) {
  std::atomic<int> sum{0};
  {
    Pool workers(options(2));
    add(workers.apply_async(square, 3), workers.apply_async(square, 4),
        workers.apply_async([] { throw std::out_of_range("x"); }), sum);
    workers.close();
    workers.join();
    const auto start = clock::now();
    while (sum == 0 && ms_since(start) < 20000) std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(sum, 25);
}

struct unreadable_in {
  int pid = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(pid);
    if (pid == ::getpid()) throw std::runtime_error("cannot be read here");
  }
};

TEST_P(process_pool_futures, say_of_a_result_that_cannot_be_read_that_they_have_failed) {
  std::vector<std::string> said;
  kin::set_log([&](const kin::log_record& r) {
    if (r.level != kin::log_record::severity::debug) said.push_back(r.text);
  });
  {
    kin::pool workers(options(1));
    std::atomic<int> called{0}, failed{0};
    auto f = workers.apply_async([](int caller) { return unreadable_in{caller}; }, ::getpid());
    f.then([&](const unreadable_in&) { ++called; }).on_error([&](const std::exception&) { ++failed; });
    EXPECT_THROW((void)f.get(), std::runtime_error);
    EXPECT_FALSE(f.successful());
    workers.close();
    workers.join();
    EXPECT_EQ(called, 0);
    EXPECT_EQ(failed, 1);
  }
  kin::set_log({});
  EXPECT_TRUE(said.empty()) << said.front();
}

KIN_ANY_POOL_TEST(pool_futures, map_asynchronously) {
  Pool workers(options(2));
  std::atomic<std::size_t> told{0};
  auto squares = workers.map_async(square, std::views::iota(0, 50),
                                   {.progress = [&](std::size_t done, std::size_t) { told = done; }});
  static_assert(std::is_same_v<decltype(squares), kin::future<std::vector<int>>>);
  auto none = workers.map_async(square, std::vector<int>{});
  auto sums = workers.starmap_async([](int a, int b) { return a + b; }, {std::pair(1, 2), std::pair(3, 4)});
  auto nothing = workers.map_async([](int) {}, {1, 2});
  static_assert(std::is_same_v<decltype(nothing), kin::future<void>>);
  EXPECT_EQ(squares.get().at(49), 49 * 49);
  EXPECT_EQ(squares.get().size(), 50u);
  EXPECT_TRUE(squares.successful());
  EXPECT_TRUE(none.get().empty());
  EXPECT_EQ(sums.get(), (std::vector<int>{3, 7}));
  nothing.get();
  auto bad = workers.map_async([](int n) { return n == 2 ? throw std::out_of_range("two") : n; }, {1, 2, 3});
  std::atomic<bool> failed{false};
  bad.on_error([&] { failed = true; });
  EXPECT_THROW(bad.get(), std::out_of_range);
  EXPECT_FALSE(bad.successful());
  workers.close();
  workers.join();
  EXPECT_TRUE(failed);
  EXPECT_EQ(told, 50u);
}

KIN_ANY_POOL_TEST(pool_futures, of_maps_that_wait_can_be_cancelled) {
  Pool workers(options(1));
  const kin::event is_busy, cancelled;
  const auto busy =
      workers.apply_async([](const kin::event& a, const kin::event& b) { a.set(), b.wait(); }, is_busy, cancelled);
  is_busy.wait();
  auto waiting = workers.map_async(square, {1, 2, 3}, {.chunk = 1});
  EXPECT_TRUE(waiting.cancel());
  EXPECT_THROW(waiting.get(), kin::cancelled_error);
  EXPECT_FALSE(waiting.cancel());
  cancelled.set();
  busy.get();
  EXPECT_EQ(workers.apply(square, 5), 25);
}

TEST_P(process_pool_futures, of_maps_that_run_can_be_cancelled) {
  kin::pool workers(options(1));
  const kin::event is_busy;
  auto runs = workers.map_async(kin::bind(
                                    [](const kin::event& e, int) {
                                      e.set();
                                      for (;;) ::pause();
                                    },
                                    is_busy),
                                {1, 2, 3}, {.chunk = 1});
  is_busy.wait();
  EXPECT_TRUE(runs.cancel());
  EXPECT_THROW(runs.get(), kin::cancelled_error);
  EXPECT_EQ(workers.apply(square, 5), 25);
}

KIN_ANY_POOL_TEST(pool_futures, give_up_waiting_at_a_time_or_after_a_while) {
  Pool workers(options(1));
  const kin::event given_up;
  const auto f = workers.apply_async(wait_for, given_up);
  EXPECT_FALSE(f.get_until(clock::now()));
  EXPECT_FALSE(f.get_until(clock::now() + 1ms));
  EXPECT_FALSE(f.get_until(std::chrono::system_clock::now() + 1ms));
  EXPECT_FALSE(f.get_for(1ms));
  EXPECT_FALSE(f.wait_for(0ms));
  EXPECT_FALSE(f.wait_until(clock::now() + 1ms));
  EXPECT_FALSE(f.ready());
  given_up.set();
  EXPECT_EQ(f.get_until(clock::now() + 60s).has_value(), true);
  EXPECT_TRUE(f.wait_until(clock::now()));
  EXPECT_GT(f.get_for(0ms).value_or(0), 0);
  const auto bad = workers.apply_async([] { throw std::out_of_range("x"); });
  EXPECT_THROW((void)bad.get_until(clock::now() + 60s), std::out_of_range);
}

KIN_ANY_POOL_TEST(pool_futures, can_be_gathered_in_one_or_taken_as_they_end) {
  Pool workers(options(2));
  auto a = workers.apply_async(square, 3);
  auto b = workers.apply_async([] { return std::string("b"); });
  auto c = workers.apply_async([] {});
  auto all = kin::when_all(a, b, c);
  const auto& [x, y, z] = all.get();
  EXPECT_EQ(x, 9);
  EXPECT_EQ(y, "b");
  (void)z;
  std::vector<kin::future<int>> many;
  for (int i = 0; i < 10; ++i) many.push_back(workers.apply_async(square, i));
  EXPECT_EQ(kin::when_all(many).get().at(9), 81);
  auto bad = kin::when_all(a, workers.apply_async([] { throw std::domain_error("x"); }));
  EXPECT_THROW(bad.get(), std::domain_error);

  const kin::event second_taken;
  std::vector<kin::future<int>> both{workers.apply_async([](const kin::event& e) { return e.wait(), 1; }, second_taken),
                                     workers.apply_async([] { return 2; })};
  std::vector<int> order;
  for (const auto& f : kin::as_completed(both)) {
    order.push_back(f.get());
    second_taken.set();
  }
  EXPECT_EQ(order, (std::vector<int>{2, 1}));
  for (const auto& f : kin::as_completed(std::vector<kin::future<int>>{})) (void)f;
}

}  // namespace
}  // namespace kin_test
