// SPDX-License-Identifier: BSL-1.0
#include <kin/wire/call.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <kin/wire/outcome.hpp>

int global_function(int n) { return n + 1; }
static int static_function(int n) { return n - 1; }
namespace {
int anonymous_function(const std::string& s) { return static_cast<int>(s.size()); }
}  // namespace

namespace {

using kin::detail::call_result_t;
using kin::detail::decode_outcome;
using kin::detail::encode_call;
using kin::detail::run_request;

/// Calls f(args...) as another process of this build would, and returns what comes back.
template <class F, class... A>
auto call(F&& f, A&&... args) {
  kin::detail::check_callable<F, A...>();
  return decode_outcome<call_result_t<F, A...>>(run_request(encode_call(f, args...)), "worker");
}

int twice(int n) { return 2 * n; }
int half(int n) noexcept { return n / 2; }
int overloaded(int n) { return n; }
std::size_t overloaded(const std::string& s) { return s.size(); }
template <class T>
T square(T n) {
  return n * n;
}
struct machine {
  static int start(int n) { return n + 100; }
};

TEST(call, runs_functions_of_every_linkage) {
  EXPECT_EQ(call(global_function, 1), 2);
  EXPECT_EQ(call(&global_function, 1), 2);
  EXPECT_EQ(call(twice, 4), 8);
  EXPECT_EQ(call(half, 4), 2);
  EXPECT_EQ(call(anonymous_function, "four"), 4);
  EXPECT_EQ(call(machine::start, 1), 101);
  EXPECT_EQ(call(static_cast<int (*)(int)>(overloaded), 3), 3);
  EXPECT_EQ(call(static_cast<std::size_t (*)(const std::string&)>(overloaded), "abc"), 3U);
  EXPECT_EQ(call(square<int>, 5), 25);
  EXPECT_EQ(call(square<double>, 0.5), 0.25);
  EXPECT_EQ(call(static_cast<int (*)(int)>(std::abs), -3), 3) << "a function of the C library";
}

template <class T>
auto add_in_a_template(T a, T b) {
  return call([](T x, T y) { return x + y; }, a, b);
}

TEST(call, runs_lambdas_without_captures_wherever_they_stand) {
  EXPECT_EQ(call([](int n) { return n + 1; }, 1), 2);
  EXPECT_EQ(call([](auto a, auto b) { return a + b; }, 1, 2.5), 3.5);
  EXPECT_EQ(call([]<class T>(const std::vector<T>& v) { return v.size(); }, std::vector{1, 2}), 2U);
  EXPECT_EQ(call([&](int n) { return n + 1; }, 1), 2) << "it could capture, and does not";
  EXPECT_EQ(call(
                +[](int n) { return n + 1; }, 1),
            2)
      << "as a pointer to a function";
  EXPECT_EQ(add_in_a_template(1, 2), 3);
  EXPECT_EQ(add_in_a_template(std::string("a"), std::string("b")), "ab");
  const auto first = [](int n) { return n + 1; };
  const auto second = [](int n) { return n - 1; };
  EXPECT_EQ(call(first, 1), 2);
  EXPECT_EQ(call(second, 1), 0) << "two lambdas of one function are two tasks";
  EXPECT_EQ(call(std::plus<>(), 1, 2), 3);
}

struct plain_job {
  int n;
  std::string s;
  int operator()(int x) const { return n + x + static_cast<int>(s.size()); }
};
class serialized_job {
 public:
  serialized_job() = default;
  explicit serialized_job(int n) : n_(n) {}
  int operator()() { return ++n_; }
  template <class Archive>
  void serialize(Archive& ar) {
    ar(n_);
  }

 private:
  int n_ = 0;
};
struct job_of_functions {
  int (*first)(int);
  std::vector<int (*)(int)> more;
  int operator()(int n) const {
    n = first(n);
    for (const auto f : more) n = f(n);
    return n;
  }
};
struct spent_job {
  std::unique_ptr<int> n;
  int operator()() && { return *n; }
};

TEST(call, runs_function_objects_with_their_members) {
  EXPECT_EQ(call(plain_job{1, "ab"}, 3), 6);
  EXPECT_EQ(call(serialized_job(5)), 6);
  EXPECT_EQ(call(job_of_functions{twice, {half, twice}}, 7), 14);
  EXPECT_EQ(call(spent_job{std::make_unique<int>(3)}), 3) << "operator() && of a type that only moves";
}

struct handle {
  using kin_handle = void;
  int id = 0;
};

TEST(call, binds_handles_to_every_kind_of_parameter) {
  EXPECT_EQ(
      call([](handle& a, handle b, const handle& c) { return a.id + b.id + c.id; }, handle{1}, handle{2}, handle{4}),
      7);
}

TEST(call, passes_other_arguments_as_values_of_their_own) {
  EXPECT_EQ(call([](std::string&& s) { return s; }, "moved"), "moved");
  EXPECT_EQ(call([](const std::string& s) { return s; }, std::string_view("lent")), "lent");
  EXPECT_EQ(call([](std::string_view s) { return s.size(); }, "literal"), 7U);
  const char* pointer = "pointer";
  EXPECT_EQ(call([](std::string s) { return s; }, pointer), "pointer");
  EXPECT_EQ(call([](std::optional<std::string> s) { return s.has_value(); }, std::nullopt), false);
  EXPECT_EQ(call([](std::unique_ptr<int> p) { return *p; }, std::make_unique<int>(3)), 3);
  EXPECT_EQ(call([](std::unique_ptr<int>& p) { return *p; }, std::make_unique<int>(3)), 3)
      << "what only moves also binds to T&";
  EXPECT_EQ(call([](std::unique_ptr<int>& p, handle& h, int n) { return *p + h.id + n; }, std::make_unique<int>(3),
                 handle{4}, 5),
            12);
  EXPECT_EQ(call([](const std::filesystem::path& p) { return p.string(); }, "/tmp"), "/tmp") << "converted there";
  EXPECT_EQ(call([](auto f, int n) { return f(n); }, [](int n) { return n + 1; }, 1), 2) << "a lambda as an argument";
  EXPECT_EQ(call([](int (*f)(int), int n) { return f(n); }, twice, 4), 8) << "a function as an argument";
}

const std::string& longer(const std::string& a, const std::string& b) { return a.size() > b.size() ? a : b; }

TEST(call, gives_back_results_decayed_and_void) {
  static_assert(std::is_same_v<call_result_t<decltype(longer)&, std::string, const char*>, std::string>);
  static_assert(std::is_void_v<call_result_t<void (*)()>>);
  EXPECT_EQ(call(longer, "a", "bc"), "bc");
  EXPECT_NO_THROW(call([] {}));
  EXPECT_EQ(*call([] { return std::make_unique<int>(3); }), 3);
  EXPECT_EQ(call([] { return &twice; })(4), 8) << "a function as a result";
}

TEST(call, brings_descriptors_along) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  kin::unique_fd in(ends[0]);
  kin::unique_fd out(ends[1]);
  const auto write_to = [](kin::unique_fd& to, char c) { return ::write(to.get(), &c, 1); };
  EXPECT_EQ(call(write_to, std::move(out), 'x'), 1);
  char c = 0;
  EXPECT_EQ(::read(in.get(), &c, 1), 1);
  EXPECT_EQ(c, 'x');
}

TEST(call, refuses_pointers_that_are_no_functions_of_a_module) {
  static int data = 0;
  using function = int (*)(int);
  const auto refusal = [](function f) -> std::string {
    try {
      (void)encode_call(f, 1);
    } catch (const kin::encode_error& e) {
      return e.what();
    }
    return "none";
  };
  const auto on_heap = std::make_unique<int>(0);
  EXPECT_EQ(refusal(nullptr), "kin: a null function pointer cannot be sent to another process");
  EXPECT_EQ(refusal(reinterpret_cast<function>(&data)), "kin: function pointer does not point to code");
  EXPECT_THAT(
      refusal(reinterpret_cast<function>(on_heap.get())),
      testing::MatchesRegex("kin: function pointer 0x[0-9a-f]+ is in no loaded module \\(JIT code, unloaded plugin, or "
                            "data on the heap\\); it cannot be sent to another process"));
}

TEST(call, is_named_alike_on_both_sides) {
  const auto names = [](const auto& f, const auto&... args) {
    const kin::detail::incoming_call there(encode_call(f, args...));
    EXPECT_EQ(kin::detail::call_name(f, args...), there.name());
    return std::string(there.name());
  };
  EXPECT_EQ(names([](int n) { return n; }, 1), "lambda in call_is_named_alike_on_both_sides_Test::TestBody()");
  EXPECT_EQ(names(plain_job{}, 1), "(anonymous namespace)::plain_job");
  EXPECT_EQ(names(kin::bind(kin::bind(plain_job{}), 1)), "(anonymous namespace)::plain_job");
  EXPECT_EQ(names(&anonymous_function, std::string()), "(anonymous namespace)::anonymous_function(std::string const&)");
  EXPECT_EQ(names(&static_function, 1), "static_function(int)") << "not exported: only the file has its name";
  EXPECT_EQ(names(&::toupper, 1), "toupper") << "exported, so it has a name";
  EXPECT_EQ(names(kin::bind(&::toupper, 1)), "toupper");
}

}  // namespace
