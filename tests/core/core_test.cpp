// SPDX-License-Identifier: BSL-1.0
// core: counts, deadlines, errors and the log.
#include <kin/core/count.hpp>
#include <kin/core/deadline.hpp>
#include <kin/core/error.hpp>
#include <kin/core/log.hpp>

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace {

std::size_t taken(kin::count n) { return n; }

TEST(count, takes_any_integral_type) {
  EXPECT_EQ(taken(3), 3U);
  EXPECT_EQ(taken(std::uint8_t{4}), 4U);
  EXPECT_EQ(taken(5ULL), 5U);
  EXPECT_EQ(taken({}), 0U);
}

TEST(count, refuses_a_negative_number) {
  EXPECT_THROW(taken(-1), std::out_of_range);
  EXPECT_THROW(taken(std::numeric_limits<long>::min()), std::out_of_range);
}

TEST(deadline, has_passed_if_it_was_long_ago_or_is_no_time) {
  EXPECT_TRUE(kin::deadline::at(std::chrono::system_clock::time_point::min()).passed());
  EXPECT_TRUE(kin::deadline::at(std::chrono::steady_clock::time_point::min()).passed());
  EXPECT_FALSE(kin::deadline::at(std::chrono::system_clock::time_point::max()).passed());
  EXPECT_TRUE(kin::deadline::after(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN())).passed());
}

TEST(deadline, of_a_negative_or_no_time_has_passed_at_once) {
  EXPECT_TRUE(kin::deadline::after(0s).passed());
  EXPECT_TRUE(kin::deadline::after(-5s).passed());
  EXPECT_TRUE(kin::deadline::now().passed());
}

TEST(deadline, at_the_ends_of_a_coarse_clock_is_never_or_has_passed) {
  using namespace std::chrono;
  EXPECT_TRUE(kin::deadline::at(sys_seconds::max()).is_never());
  EXPECT_TRUE(kin::deadline::at(sys_seconds::min()).passed());
  EXPECT_TRUE(kin::deadline::at(time_point<steady_clock, hours>::max()).is_never());
  EXPECT_TRUE(kin::deadline::at(time_point<steady_clock, hours>::min()).passed());
  EXPECT_TRUE(kin::deadline::at(time_point<steady_clock, duration<double>>::max()).is_never());
  EXPECT_TRUE(kin::deadline::at(time_point<steady_clock, duration<double>>(duration<double>(std::nan("")))).passed());
  EXPECT_FALSE(kin::deadline::at(floor<seconds>(system_clock::now()) + 20s).passed());
}

TEST(deadline, beyond_what_the_clock_can_tell_is_never) {
  EXPECT_TRUE(kin::deadline::after(std::chrono::hours::max()).is_never());
  EXPECT_TRUE(kin::deadline::after(std::chrono::nanoseconds::max()).is_never());
  EXPECT_FALSE(kin::deadline::never().passed());
}

TEST(deadline, of_another_clock_keeps_its_distance) {
  const auto d = kin::deadline::at(std::chrono::system_clock::now() + 1h);
  EXPECT_GT(d.left(), 59min);
  EXPECT_LE(d.left(), 1h);
}

TEST(deadline, the_earlier_of_two_is_never_never) {
  const auto soon = kin::deadline::after(1s), late = kin::deadline::after(1h);
  EXPECT_EQ(earlier(soon, late).when(), soon.when());
  EXPECT_EQ(earlier(kin::deadline::never(), late).when(), late.when());
  EXPECT_TRUE(earlier(kin::deadline::never(), kin::deadline::never()).is_never());
}

TEST(error, of_the_system_says_what_was_done_which_call_and_why) {
  const kin::os_error e("make a pair of sockets", "socketpair", EMFILE);
  EXPECT_STREQ(e.what(), "kin: could not make a pair of sockets: socketpair: Too many open files");
  EXPECT_EQ(e.code(), std::errc::too_many_files_open);
}

TEST(error, all_are_kin_errors) {
  EXPECT_THROW(throw kin::type_mismatch("x"), kin::decode_error);
  EXPECT_THROW(throw kin::closed_error("x"), kin::error);
  EXPECT_THROW(throw kin::owner_died("x"), std::runtime_error);
}

TEST(error, a_buffer_too_short_carries_the_message) {
  const kin::buffer_too_short e(std::vector<std::byte>(7));
  EXPECT_EQ(e.message().size(), 7U);
}

TEST(log, goes_to_whoever_asked_and_to_nobody_else) {
  std::vector<std::string> seen;
  kin::detail::log(kin::log_record::severity::info, "before");
  kin::set_log([&](const kin::log_record& r) { seen.push_back(r.text); });
  kin::detail::log(kin::log_record::severity::info, "now");
  kin::set_log({});
  kin::detail::log(kin::log_record::severity::info, "after");
  EXPECT_EQ(seen, std::vector<std::string>{"now"});
}

TEST(log, survives_a_sink_that_throws) {
  kin::set_log([](const kin::log_record&) { throw std::runtime_error("sink"); });
  kin::detail::log(kin::log_record::severity::warning, "text");
  kin::set_log({});
}

}  // namespace
