// SPDX-License-Identifier: BSL-1.0
#include <kin/wire/bound_call.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include <kin/wire/outcome.hpp>

namespace {

int calls = 0;
void setup(const std::string& name) { calls += static_cast<int>(name.size()); }
void nothing() { ++calls; }

struct options {
  int workers = 0;
  kin::bound_call initializer{};
};

void run(const kin::bound_call& call) {
  kin::detail::decode_outcome<void>(kin::detail::run_request(call.encode()), "worker");
}

TEST(bound_call, is_empty_by_default) {
  EXPECT_FALSE(kin::bound_call());
  EXPECT_EQ(kin::bound_call().name(), "");
  EXPECT_FALSE(options{.workers = 4}.initializer);
}

TEST(bound_call, takes_whatever_can_be_called_without_arguments) {
  calls = 0;
  run(kin::bind(setup, "db"));
  run(nothing);
  run(&nothing);
  run([] { ++calls; });
  const options given{.initializer = kin::bind(setup, "db")};
  EXPECT_TRUE(given.initializer);
  run(given.initializer);
  EXPECT_EQ(calls, 7);
}

TEST(bound_call, makes_a_fresh_request_each_time_and_can_be_copied) {
  calls = 0;
  kin::bound_call copy;
  {
    const kin::bound_call once = kin::bind([](std::unique_ptr<int> p) { calls += *p; }, std::make_unique<int>(3));
    run(once);
    copy = once;
  }
  run(copy);
  run(copy);
  EXPECT_EQ(calls, 9);
  EXPECT_EQ(copy.encode().bytes, copy.encode().bytes);
}

TEST(bound_call, throws_a_result_away) {
  const kin::bound_call call = [] { return std::string("result"); };
  EXPECT_FALSE(kin::detail::outcome_failed(kin::detail::run_request(call.encode())));
}

}  // namespace
