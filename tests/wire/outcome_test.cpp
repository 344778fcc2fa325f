// SPDX-License-Identifier: BSL-1.0
#include <kin/wire/outcome.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

#include <kin/core/error.hpp>

namespace {

using kin::detail::decode_outcome;
using kin::detail::encode_call;
using kin::detail::parcel;
using kin::detail::run_request;

template <class F, class... A>
parcel outcome_of(const F& f, const A&... args) {
  return run_request(encode_call(f, args...));
}
template <class R>
std::string failure(parcel outcome) {
  try {
    if constexpr (std::is_void_v<R>)
      decode_outcome<R>(std::move(outcome), "worker 3");
    else
      (void)decode_outcome<R>(std::move(outcome), "worker 3");
  } catch (...) {
    return kin::detail::describe_exception(std::current_exception());
  }
  return "none";
}

struct unreadable {
  int n = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(n);
    if constexpr (Archive::is_loading) throw std::domain_error("cannot be read");
  }
};
struct unwritable {
  int n = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(n);
    if constexpr (Archive::is_saving) throw std::domain_error("cannot be written");
  }
};
struct busy : kin::retryable {
  using retryable::retryable;
};

TEST(outcome, brings_a_value_or_nothing) {
  EXPECT_EQ(decode_outcome<int>(outcome_of([] { return 3; }), "w"), 3);
  EXPECT_NO_THROW(decode_outcome<void>(outcome_of([] {}), "w"));
  EXPECT_EQ(decode_outcome<std::string>(kin::detail::encode_value_outcome(std::string("made here")), "w"), "made here");
  EXPECT_NO_THROW(decode_outcome<void>(kin::detail::encode_value_outcome(), "w"));
}

TEST(outcome, throws_what_the_task_threw) {
  try {
    (void)decode_outcome<int>(outcome_of([](int n) -> int { throw std::out_of_range("no " + std::to_string(n)); }, 3),
                              "worker 3");
    FAIL();
  } catch (const std::out_of_range& e) {
    EXPECT_STREQ(e.what(), "no 3");
    EXPECT_EQ(dynamic_cast<const kin::remote_info&>(e).worker, "worker 3");
  }
}

TEST(outcome, says_when_an_argument_was_the_cause) {
  EXPECT_EQ(
      failure<void>(outcome_of([](const unreadable&) {}, unreadable{})),
      "kin::decode_error: kin: the arguments of lambda in "
      "outcome_says_when_an_argument_was_the_cause_Test::TestBody() could not be decoded: std::domain_error: cannot be "
      "read\n  caused by std::domain_error: cannot be read");
}

TEST(outcome, says_when_the_result_was_the_cause) {
  EXPECT_EQ(failure<unwritable>(outcome_of([] { return unwritable{}; })),
            "kin::encode_error: kin: the result of lambda in "
            "outcome_says_when_the_result_was_the_cause_Test::TestBody() could "
            "not be encoded: std::domain_error: cannot be written\n  caused by std::domain_error: cannot be written");
}

TEST(outcome, of_a_request_that_is_none_is_a_decode_error) {
  EXPECT_THAT(failure<int>(run_request({})), testing::StartsWith("kin::decode_error: "));
  EXPECT_THAT(failure<int>(run_request({std::vector(200, std::byte{7}), {}})),
              testing::StartsWith("kin::decode_error: "));
}

TEST(outcome, tells_without_decoding_whether_it_failed_and_may_be_retried) {
  using kin::detail::outcome_failed;
  using kin::detail::outcome_retryable;
  const auto value = outcome_of([] {});
  const auto error = outcome_of([] { throw std::runtime_error("x"); });
  const auto again = outcome_of([] { throw busy("x"); });
  EXPECT_FALSE(outcome_failed(value));
  EXPECT_TRUE(outcome_failed(error));
  EXPECT_TRUE(outcome_failed(again));
  EXPECT_TRUE(outcome_failed(parcel{}));
  EXPECT_FALSE(outcome_retryable(value));
  EXPECT_FALSE(outcome_retryable(error));
  EXPECT_TRUE(outcome_retryable(again));
  EXPECT_FALSE(outcome_retryable({}));
}

TEST(outcome, gives_its_exception_as_a_pointer_too) {
  EXPECT_EQ(kin::detail::outcome_exception(outcome_of([] { return 3; }), "w"), nullptr);
  EXPECT_THROW(std::rethrow_exception(kin::detail::outcome_exception(outcome_of([] { throw busy("x"); }), "w")),
               kin::retryable);
  EXPECT_THROW(std::rethrow_exception(kin::detail::outcome_exception({}, "w")), kin::decode_error);
}

TEST(outcome, refuses_every_truncation_and_bytes_left_over) {
  for (const auto& whole :
       {outcome_of([] { return std::string("text"); }), outcome_of([]() -> std::string { throw busy("x"); })}) {
    for (std::size_t size = 0; size < whole.bytes.size(); ++size) {
      parcel part{{whole.bytes.begin(), whole.bytes.begin() + static_cast<std::ptrdiff_t>(size)}, {}};
      EXPECT_THROW((void)decode_outcome<std::string>(std::move(part), "w"), kin::decode_error) << size;
    }
    parcel longer{whole.bytes, {}};
    longer.bytes.push_back({});
    EXPECT_THROW((void)decode_outcome<std::string>(std::move(longer), "w"), kin::decode_error);
  }
  EXPECT_THROW(decode_outcome<void>({{std::byte{9}}, {}}, "w"), kin::decode_error);
}

}  // namespace
