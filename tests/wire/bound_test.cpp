// SPDX-License-Identifier: BSL-1.0
#include <kin/wire/bound.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <type_traits>

#include <kin/wire/outcome.hpp>

namespace {

template <class F, class... A>
auto call(F&& f, A&&... args) {
  return kin::detail::decode_outcome<kin::detail::call_result_t<F, A...>>(
      kin::detail::run_request(kin::detail::encode_call(f, args...)), "worker");
}

int digits(int a, int b, int c) { return 100 * a + 10 * b + c; }
struct handle {
  using kin_handle = void;
  int id = 0;
};

TEST(bound, puts_its_arguments_before_those_of_the_call) {
  EXPECT_EQ(kin::bind(digits, 1)(2, 3), 123);
  EXPECT_EQ(call(kin::bind(digits, 1), 2, 3), 123);
  EXPECT_EQ(call(kin::bind(digits, 1, 2, 3)), 123);
}

TEST(bound, nests) {
  const auto nested = kin::bind(kin::bind(kin::bind(digits, 1), 2), 3);
  EXPECT_EQ(nested(), 123);
  EXPECT_EQ(call(nested), 123);
  EXPECT_EQ(call(kin::bind([](auto f, int n) { return f(n); }, kin::bind(digits, 1, 2)), 3), 123)
      << "a bound callable as an argument";
}

TEST(bound, binds_texts_as_strings) {
  const auto job = kin::bind([](const std::string& a, std::string_view b) { return a + std::string(b); }, "a",
                             std::string_view("b"));
  static_assert(std::is_same_v<std::remove_const_t<decltype(job)>,
                               kin::bound<std::decay_t<decltype(job.callable())>, std::string, std::string>>);
  EXPECT_EQ(job(), "ab");
  EXPECT_EQ(call(job), "ab");
}

TEST(bound, can_be_called_again_and_again) {
  const auto job = kin::bind([](std::string s, int n) { return s + std::to_string(n); }, "a");
  EXPECT_EQ(job(1), "a1");
  EXPECT_EQ(job(2), "a2");
}

TEST(bound, gives_its_arguments_away_as_an_rvalue) {
  auto job = kin::bind([](std::unique_ptr<int> p) { return p; }, std::make_unique<int>(3));
  static_assert(!std::is_invocable_v<const decltype(job)&>);
  EXPECT_EQ(*call(job), 3);
  EXPECT_EQ(*std::move(job)(), 3);
}

TEST(bound, lends_what_only_moves_and_handles_to_references) {
  auto job = kin::bind([](std::unique_ptr<int>& p, handle& h, const handle& c) { return *p + h.id + c.id; },
                       std::make_unique<int>(1), handle{2});
  EXPECT_EQ(call(job, handle{4}), 7);
  const auto repeated = kin::bind([](handle& h) { return h.id; }, handle{2});
  EXPECT_EQ(repeated(), 2);
}

TEST(bound, says_whether_it_can_be_called) {
  const auto job = kin::bind(digits, 1, 2);
  static_assert(std::is_invocable_v<decltype(job), int>);
  static_assert(!std::is_invocable_v<decltype(job)>);
  static_assert(!std::is_invocable_v<decltype(job), std::string>);
}

TEST(bound, travels_inside_a_value) {
  struct order {
    decltype(kin::bind(digits, 1, 2)) job;
    int last;
  };
  const order sent{kin::bind(digits, 1, 2), 3};
  EXPECT_EQ(call([](const order& o) { return o.job(o.last); }, sent), 123);
}

TEST(callable_box, carries_a_callable_as_a_member_of_something_else) {
  const auto closure = [](int n) { return n + 1; };
  using box = kin::detail::callable_box<std::remove_const_t<decltype(closure)>>;
  struct chunk {
    box work;
    std::vector<int> items;
  };
  auto message = kin::detail::encode(chunk{{closure}, {1, 2}});
  const auto got = kin::detail::decode<chunk>(std::move(message));
  EXPECT_EQ(got.work.value(got.items[1]), 3);

  auto function = kin::detail::encode(kin::detail::callable_box<int (*)(int, int, int)>{digits});
  EXPECT_EQ((kin::detail::decode<kin::detail::callable_box<int (*)(int, int, int)>>(std::move(function)).value),
            &digits);
}

}  // namespace
