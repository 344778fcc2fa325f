// SPDX-License-Identifier: BSL-1.0
// api: the public interface as its documents write it. What users have been promised compiles here, and runs.
#include <kin/kin.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <iostream>
#include <numeric>
#include <ranges>
#include <sstream>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "support/leaves_nothing_behind.hpp"

using namespace std::chrono_literals;

namespace {

[[maybe_unused]] const bool warm = kin_test::warm_up([] {
  kin::process([] {}).join();
  (void)kin::detail::one_call_processes(
      kin::start::spawn);  // what async keeps, without a worker that would still be leaving
});

void greet(const std::string& name) { ASSERT_FALSE(name.empty()); }
void use(int) {}
struct greeter {
  std::string name;
  void operator()() const {}
};
int parse(std::string path) { return static_cast<int>(path.size()); }
int f(int x) { return x * x; }
int g(std::string_view text) { return static_cast<int>(text.size()); }
void serve(kin::connection c) { c.send(c.recv<std::string>() + "!"); }
void setup(const std::string&) {}
void fill(std::span<std::byte> room) { std::ranges::fill(room, std::byte{7}); }

struct point {
  int x = 0;
  double y = 0;
  bool operator==(const point&) const = default;
};
struct with_serialize {
  int a = 0;
  std::string b;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(a, b);
  }
};
struct my_error : std::runtime_error {
  my_error() : std::runtime_error("mine") {}
  template <class Archive>
  void serialize(Archive& ar) {
    ar(number);
  }
  int number = 0;
};
inline const kin::transportable<my_error> my_error_registration;

TEST(api, processes_are_made_as_written) {
  kin::process child(greet, "p1");
  kin::process named({.name = "p2", .daemon = true}, greet, "p2");
  int local_data = 3;
  kin::process closure(kin::start::fork, [&] { use(local_data); });
  kin::process object(greeter{"p3"});

  EXPECT_GT(child.pid(), 0);
  EXPECT_EQ(named.name(), "p2");
  (void)child.is_alive();
  child.join();
  EXPECT_TRUE(child.join_for(2s));
  std::optional<kin::exit_status> status = child.exit_status();
  ASSERT_TRUE(status);
  EXPECT_EQ(status->code, 0);
  EXPECT_EQ(child.exitcode(), std::optional<int>(0));
  child.terminate();
  child.kill();
  child.interrupt();
  EXPECT_GE(child.native_handle(), 0);
  EXPECT_EQ(kin::current_process().pid(), getpid());
  EXPECT_FALSE(kin::parent_process());
  (void)kin::active_children();
  EXPECT_GE(kin::cpu_count(), 1u);
  std::string path = "12345";
  int n = kin::async(parse, path).get();
  EXPECT_EQ(n, 5);
  EXPECT_EQ(kin::async([](int x) { return x + 1; }, 1).get(), 2);
}

TEST(api, a_worker_program_is_named_by_its_path) {
  EXPECT_THROW(kin::set_executable("…/kin-worker"), kin::start_error);
  kin::set_executable(std::filesystem::path("/bin/true"));  // where init() has run, nothing else is started by it
  EXPECT_EQ(kin::async([](int x) { return x + 1; }, 1).get(), 2);
}

TEST(api, process_options_are_designated_in_their_order) {
  kin::process_options o{.name = "n",
                         .daemon = false,
                         .start = kin::start::fork,
                         .environment = {{"A", "b"}},
                         .working_directory = "/",
                         .out = kin::redirect::null(),
                         .err = {},
                         .affinity = {},
                         .limits = {}};
  kin::process p(o, greet, "x");
  p.join();
  EXPECT_EQ(p.exitcode(), std::optional<int>(0));
}

TEST(api, connections_are_used_as_written) {
  auto [a, b] = kin::pipe();
  a.send(std::vector{1, 2, 3});
  EXPECT_TRUE(b.poll(100ms));
  EXPECT_THROW((void)b.recv<std::string>(), kin::type_mismatch);
  auto v = b.recv<std::vector<int>>();
  EXPECT_EQ(v, (std::vector{1, 2, 3}));
  EXPECT_FALSE(b.poll());

  std::vector<std::byte> bytes(10, std::byte{1});
  a.send_bytes(bytes, 2, 5);
  std::vector<std::byte> m = b.recv_bytes(100);
  EXPECT_EQ(m.size(), 5u);
  a.send_bytes(bytes);
  std::vector<std::byte> buffer(12);
  std::size_t n = b.recv_bytes_into(buffer, 1);
  EXPECT_EQ(n, 10u);
  EXPECT_THROW(a.send_bytes(bytes, 11), std::out_of_range);
  a.send_bytes(bytes);
  try {
    b.recv_bytes_into(std::span(buffer).first(3));
    ADD_FAILURE();
  } catch (const kin::buffer_too_short& e) {
    EXPECT_EQ(e.message().size(), 10u);
  }
  {
    auto room = a.loan(n);
    fill(room.bytes());
    room.commit();
  }
  EXPECT_EQ(b.recv_bytes()[0], std::byte{7});
  a.close();
  EXPECT_TRUE(b.poll());
  EXPECT_THROW((void)b.recv<int>(), kin::closed_error);
}

TEST(api, an_end_travels_by_moving_and_wait_takes_mixed_things) {
  auto [a, b] = kin::pipe();
  kin::process child(serve, std::move(b));
  a.send("hello");
  kin::queue<std::string> jobs;
  kin::pool workers(1);
  kin::future<int> result = workers.apply_async(f, 2);
  auto ready = kin::wait({a, child, jobs, result, kin::fd(0)}, 5s);
  EXPECT_FALSE(ready.empty());
  EXPECT_FALSE(ready.contains(jobs));
  EXPECT_EQ(a.recv<std::string>(), "hello!");
  auto [reader, writer] = kin::pipe(kin::simplex);
  writer.send(point{1, 2.5});
  EXPECT_EQ(reader.recv<point>(), (point{1, 2.5}));
}

TEST(api, queues_are_used_as_written) {
  kin::queue<std::string> jobs;
  jobs.put("a");
  EXPECT_TRUE(jobs.try_put("b"));
  EXPECT_TRUE(jobs.put_for("c", 1s));
  std::string s = jobs.get();
  EXPECT_EQ(s, "a");
  EXPECT_EQ(jobs.try_get(), "b");
  EXPECT_EQ(jobs.get_for(1s), "c");
  EXPECT_EQ(jobs.size(), 0u);
  EXPECT_TRUE(jobs.empty());
  EXPECT_FALSE(jobs.full());
  jobs.put("d");
  jobs.close();
  int seen = 0;
  for (std::string& job : jobs) seen += job == "d";
  EXPECT_EQ(seen, 1);
  EXPECT_THROW((void)jobs.get(), kin::closed_error);

  kin::queue<int> six(6);
  for (int i = 0; i < 6; ++i) six.put(i);
  EXPECT_FALSE(six.try_put(6));
  kin::joinable_queue<int> work;
  work.put(1);
  (void)work.get();
  work.task_done();
  work.join();
}

// Compiled with warnings as errors: what waits or takes may be a statement of its own, as in the documents.
TEST(api, answers_that_nobody_wants_may_be_dropped) {
  auto [a, b] = kin::pipe();
  a.send(1);
  b.poll(100ms);
  b.recv<int>();
  a.send_bytes({});
  b.recv_bytes();
  kin::joinable_queue<int> jobs;
  jobs.try_put(1);
  jobs.put_for(2, 1s);
  jobs.get();
  jobs.try_get();
  jobs.get_for(1ms);
  jobs.join_for(1ms);
  kin::pool workers(1);
  auto x = workers.apply_async(f, 1);
  x.wait_for(1s);
  x.get();
}

TEST(api, handles_bind_to_every_kind_of_parameter) {
  kin::queue<int> q;
  kin::process([](kin::queue<int> by_value) { by_value.put(1); }, q).join();
  kin::process([](kin::queue<int>& by_reference) { by_reference.put(2); }, q).join();
  kin::process([](const kin::queue<int>& by_const_reference) { by_const_reference.put(3); }, q).join();
  EXPECT_EQ(q.get() + q.get() + q.get(), 6);
}

void register_me(kin::list_proxy<std::string> names, kin::dict_proxy<std::string, int> ages) {
  names.push_back("hello");
  ages.set("name", 3);
}

TEST(api, managers_are_used_as_written) {
  kin::manager m;
  auto names = m.list<std::string>();
  names.push_back("hello");
  EXPECT_EQ(names[0], "hello");
  names.set(0, "x");
  EXPECT_EQ(names.snapshot(), std::vector<std::string>{"x"});
  auto ages = m.dict<std::string, int>();
  ages.set("name", 3);
  EXPECT_EQ(ages["name"], 3);
  EXPECT_EQ(ages.at("name"), 3);
  EXPECT_FALSE(ages.contains("x"));
  ages.update("name", [](int& n) { ++n; });
  EXPECT_EQ(ages.at("name"), 4);
  names.erase(0);
  kin::process(register_me, names, ages).join();
  std::ostringstream out;
  out << names << ages;
  EXPECT_EQ(out.str(), "['hello']{'name': 3}");
  for (auto&& x : names) EXPECT_EQ(x, "hello");
}

TEST(api, pools_are_used_as_written) {
  kin::pool workers(5);
  int r = workers.apply(f, 1);
  EXPECT_EQ(r, 1);
  kin::future<int> x = workers.apply_async(f, 1);
  int printed = 0, reported = 0;
  workers.apply_async(f, 3).then([&](const int& v) { printed = v; }).on_error([&](const std::exception&) {
    ++reported;
  });
  std::vector<int> range(10);
  std::iota(range.begin(), range.end(), 0);
  std::vector<int> all = workers.map(f, range);
  EXPECT_EQ(all[9], 81);
  EXPECT_EQ(workers.map(g, {"t1", "t22"}), (std::vector{2, 3}));
  EXPECT_EQ(workers.map(f, range | std::views::filter([](int i) { return i % 2; }), {.chunk = 2}).size(), 5u);
  workers.map([](int) {}, range);
  EXPECT_EQ(workers.starmap([](int a, int b) { return a + b; }, std::vector<std::tuple<int, int>>{{1, 2}}),
            std::vector{3});
  workers.apply_async({.timeout = 20s, .retries = 2}, f, 1).wait();
  EXPECT_EQ(x.get(), 1);
  EXPECT_EQ(x.get_for(1s), 1);
  EXPECT_TRUE(x.wait_for(1s));
  EXPECT_TRUE(x.ready());
  EXPECT_TRUE(x.successful());
  EXPECT_FALSE(x.cancel());
  EXPECT_GE(x.native_handle(), 0);
  (void)workers.stats();
  workers.close();
  workers.join();
  EXPECT_EQ(printed, 9);
  EXPECT_EQ(reported, 0);

  kin::pool careful({.workers = 2, .initializer = kin::bind(setup, "db"), .max_tasks_per_worker = 100});
  EXPECT_EQ(careful.apply(kin::bind([](int a, int b) { return a * b; }, 6), 7), 42);
  careful.terminate(5s);
  careful.join();
}

TEST(api, failures_come_back_as_their_own_type) {
  kin::pool workers(1);
  try {
    workers.apply([] { throw my_error(); });
    ADD_FAILURE();
  } catch (const my_error& e) {
    EXPECT_STREQ(e.what(), "mine");
  }
  EXPECT_THROW(workers.apply([] { throw std::out_of_range("r"); }), std::out_of_range);
  EXPECT_THROW(workers.apply([] { throw 42; }), kin::remote_error);
  try {
    workers.apply([] { std::raise(SIGKILL); });
    ADD_FAILURE();
  } catch (const kin::worker_lost& e) {
    EXPECT_EQ(e.signal(), SIGKILL);
  }
  EXPECT_EQ(workers.apply([](with_serialize w) { return w.a + static_cast<int>(w.b.size()); }, with_serialize{1, "ab"}),
            3);
}

}  // namespace
