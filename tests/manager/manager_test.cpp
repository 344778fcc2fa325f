// SPDX-License-Identifier: BSL-1.0
// manager: objects of any class in a server, made, called and ended.
#include <kin/manager.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <kin/core/error.hpp>
#include <kin/process/process.hpp>

#include <barrier>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

class counter {
 public:
  explicit counter(int start) : n_(start) {
    if (start < 0) throw std::invalid_argument("a counter starts at zero or more");
  }
  int add(int by) { return n_ += by; }
  [[nodiscard]] const int& get() const { return n_; }
  void rename(std::string name, const std::string& suffix) { name_ = std::move(name) + suffix; }
  [[nodiscard]] std::string name() const { return name_; }
  void take(std::unique_ptr<int> owned) { n_ = *owned; }
  static int twice(counter& c, int n) {
    const int first = c.add(n);
    return first + c.add(n);
  }

 private:
  int n_;
  std::string name_;
};

struct my_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};
inline const kin::transportable<my_error> my_error_registration;

struct thrower {
  void mine() { throw my_error("of mine"); }
  void number() { throw 42; }
  void range() { throw std::range_error("too far"); }
};

TEST(manager, makes_objects_of_any_class_and_calls_them) {
  kin::manager m;
  auto c = m.make<counter>(10);
  EXPECT_EQ(c.call<&counter::add>(5), 15);
  EXPECT_EQ(c.call<&counter::get>(), 15);
  static_assert(std::is_same_v<decltype(c.call<&counter::get>()), int>);
  c.call<&counter::rename>("one", "!");
  EXPECT_EQ(c.call<&counter::name>(), "one!");
  c.call<&counter::take>(std::make_unique<int>(3));
  EXPECT_EQ(c.call<&counter::twice>(2), 12);  // 5 + 7
}

TEST(manager, passes_on_what_constructors_and_methods_throw) {
  kin::manager m;
  EXPECT_THROW((void)m.make<counter>(-1), std::invalid_argument);
  auto t = m.make<thrower>();
  EXPECT_THROW(t.call<&thrower::mine>(), my_error);
  EXPECT_THROW(t.call<&thrower::range>(), std::range_error);
  EXPECT_THROW(t.call<&thrower::number>(), kin::remote_error);
  EXPECT_EQ(m.stats().objects, 1u);
}

struct cannot_be_encoded {
  template <class Archive>
  void serialize(Archive&) {
    throw std::domain_error("cannot be encoded");
  }
};
struct error_with_a_list : std::runtime_error {
  error_with_a_list() : std::runtime_error("") {}
  explicit error_with_a_list(const kin::list_proxy<int>& of) : std::runtime_error("with a list"), list(of) {}
  kin::list_proxy<int> list;
  bool is_encoded = true;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(list, is_encoded);
    if (!is_encoded) throw std::domain_error("cannot be encoded");
  }
};
inline const kin::transportable<error_with_a_list> error_with_a_list_registration;

struct list_holder {
  kin::list_proxy<int> list;
  explicit list_holder(const kin::list_proxy<int>& l) : list(l) {}
  void throw_it(bool is_encoded) {
    error_with_a_list e(list);
    e.is_encoded = is_encoded;
    throw e;
  }
  std::pair<kin::list_proxy<int>, cannot_be_encoded> half_encoded() { return {list, {}}; }
};

TEST(manager, counts_the_proxies_in_what_is_thrown) {
  kin::manager m;
  auto holder = m.make<list_holder>(m.list<int>({7}));
  {
    kin::list_proxy<int> kept;
    for (int i = 0; i < 3; ++i) {
      try {
        holder.call<&list_holder::throw_it>(true);
        ADD_FAILURE() << "nothing thrown";
      } catch (const error_with_a_list& e) {
        kept = e.list;
        EXPECT_EQ(e.list[0], 7);
      }
      EXPECT_THROW(holder.call<&list_holder::throw_it>(false), kin::error);
      EXPECT_THROW((void)holder.call<&list_holder::half_encoded>(), std::exception);
      EXPECT_EQ(kept[0], 7);
    }
    EXPECT_EQ(m.stats().objects, 2u);
    holder = {};
    EXPECT_EQ(kept[0], 7);
  }
  EXPECT_EQ(m.stats().objects, 0u);
}

struct serial {
  int inside = 0, most = 0;
  void enter() {
    most = std::max(most, ++inside);
    std::this_thread::yield();
    --inside;
  }
  [[nodiscard]] int seen() const { return most; }
};

TEST(manager, serialises_the_calls_on_one_object) {
  kin::manager m;
  auto s = m.make<serial>();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([s] {
      for (int i = 0; i < 100; ++i) s.call<&serial::enter>();
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(s.call<&serial::seen>(), 1);
}

struct meeting {
  static constexpr bool concurrent = true;
  std::barrier<> both{2};
  void arrive() { both.arrive_and_wait(); }
};

TEST(manager, lets_calls_meet_on_an_object_whose_type_says_so) {
  kin::manager m;
  auto place = m.make<meeting>();
  std::thread other([place] { place.call<&meeting::arrive>(); });
  place.call<&meeting::arrive>();
  other.join();
}

struct holder {
  kin::proxy<holder> self;
  kin::list_proxy<std::string> log;
  void remember(kin::proxy<holder> me) { self = std::move(me); }
  void call_itself() { self.call<&holder::forget>(); }
  void forget() { self = {}; }
  void set_log(const kin::list_proxy<std::string>& l) { log = l; }
  void write(const std::string& line) { log.push_back(line); }
};

TEST(manager, refuses_a_call_of_an_object_into_itself) {
  kin::manager m;
  auto h = m.make<holder>();
  h.call<&holder::remember>(h);
  try {
    h.call<&holder::call_itself>();
    FAIL();
  } catch (const std::system_error& e) {
    EXPECT_EQ(e.code(), std::errc::resource_deadlock_would_occur);
  }
  h.call<&holder::forget>();
}

TEST(manager, lets_objects_use_each_other) {
  kin::manager m;
  auto log = m.list<std::string>();
  auto h = m.make<holder>();
  h.call<&holder::set_log>(log);
  h.call<&holder::write>("line");
  EXPECT_THAT(log.snapshot(), ElementsAre("line"));
}

TEST(manager, keeps_objects_as_long_as_their_users) {
  kin::manager m;
  EXPECT_EQ(m.stats().objects, 0u);
  {
    auto a = m.list<int>();
    auto b = a;
    auto c = m.make<counter>(1);
    EXPECT_EQ(m.stats().objects, 2u);
    a = {};
    EXPECT_EQ(m.stats().objects, 2u);
  }
  EXPECT_EQ(m.stats().objects, 0u);
}

TEST(manager, runs_an_objects_destructor_at_its_end) {
  struct leaver {
    explicit leaver(kin::list_proxy<int> l) : list(std::move(l)) {}
    ~leaver() { list.push_back(1); }
    kin::list_proxy<int> list;
  };
  kin::manager m;
  auto list = m.list<int>();
  { auto l = m.make<leaver>(list); }
  EXPECT_EQ(m.stats().objects, 1u);
  EXPECT_THAT(list.snapshot(), ElementsAre(1));
}

TEST(manager, shares_objects_between_managers) {
  kin::manager a, b;
  auto lists = b.list<kin::list_proxy<int>>();
  {
    auto inner = a.list<int>({1});
    lists.push_back(inner);
  }
  EXPECT_EQ(a.stats().objects, 1u);
  lists[0].push_back(2);
  EXPECT_THAT(lists[0].snapshot(), ElementsAre(1, 2));
  lists.update(0, [](kin::list_proxy<int>& inner) { inner.push_back(3); });
  EXPECT_EQ(lists[0].size(), 3u);
}

TEST(manager, moves) {
  kin::manager a;
  auto list = a.list<int>({1});
  kin::manager b = std::move(a);
  // NOLINTNEXTLINE(bugprone-use-after-move,clang-analyzer-cplusplus.Move): it is what is tested
  EXPECT_THROW((void)a.list<int>(), kin::closed_error);
  list.push_back(2);
  b = kin::manager();
  EXPECT_THROW(list.push_back(3), kin::closed_error);
  EXPECT_EQ(b.list<int>().size(), 0u);
}

TEST(manager, that_is_shut_down_closes_its_proxies) {
  kin::manager m;
  auto list = m.list<int>({1});
  const auto lists = m.list<kin::list_proxy<int>>({list});
  m.shutdown();
  m.shutdown();
  EXPECT_THROW((void)list.size(), kin::closed_error);
  EXPECT_THROW((void)m.list<int>(), kin::closed_error);
  EXPECT_THROW((void)m.stats(), kin::closed_error);
}

struct sleeper {
  static constexpr bool concurrent = true;
  std::barrier<> asleep{2};
  void sleep() {
    asleep.arrive_and_wait();
    std::this_thread::sleep_for(60s);
  }
  void meet() { asleep.arrive_and_wait(); }
};

TEST(manager, that_ends_ends_the_calls_in_flight) {
  kin::manager m;
  auto s = m.make<sleeper>();
  std::chrono::steady_clock::time_point told;
  std::thread caller([&] {
    EXPECT_THROW(s.call<&sleeper::sleep>(), kin::closed_error);
    told = std::chrono::steady_clock::now();
  });
  s.call<&sleeper::meet>();
  const auto begin = std::chrono::steady_clock::now();
  m.shutdown();
  caller.join();
  RecordProperty("told_after_ms", static_cast<int>((told - begin) / 1ms));
  EXPECT_LT(told - begin, 10s) << "told when the call ended, and not when the manager did";
}

struct looker {
  [[nodiscard]] std::string look() const {
    const char* const option = std::getenv("KIN_TEST_OPTION");
    return option ? option : "unset";
  }
};

TEST(manager, gives_its_server_the_options) {
  kin::manager m({.name = "the-server", .environment = {{"KIN_TEST_OPTION", "yes"}}});
  EXPECT_EQ(m.make<looker>().call<&looker::look>(), "yes");
  EXPECT_GT(m.pid(), 0);
}

TEST(manager, serves_from_a_copy_of_the_fork_server_too) {
  kin::manager m({.name = "the-server", .start = kin::start::forkserver, .environment = {{"KIN_TEST_OPTION", "yes"}}});
  auto list = m.list<int>({1, 2});
  list.push_back(3);
  EXPECT_THAT(list.snapshot(), ElementsAre(1, 2, 3));
  EXPECT_EQ(m.make<looker>().call<&looker::look>(), "yes");
  m.shutdown();
  EXPECT_THROW((void)list.snapshot(), kin::closed_error);
}

TEST(manager, serves_from_a_forked_copy_too) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer forbids threads in a forked copy";
#endif
  auto m = kin::manager({.start = kin::start::fork});
  auto list = m.list<int>({1, 2});
  EXPECT_THAT(list.snapshot(), ElementsAre(1, 2));
}

}  // namespace
