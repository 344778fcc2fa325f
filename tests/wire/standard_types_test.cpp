// SPDX-License-Identifier: BSL-1.0
// standard_types: each of the standard library's single values comes back as it was.
#include <kin/wire/standard_types.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <filesystem>
#include <future>
#include <limits>

#include "wire/round_trip.hpp"

namespace {

using kin_test::record;
using kin_test::round_trip;
using testing::HasSubstr;

template <class T>
void expect_extremes_to_cross() {
  using limits = std::numeric_limits<T>;
  for (const T value : {limits::lowest(), limits::min(), T(0), T(1), limits::max()})
    EXPECT_EQ(round_trip(value), value);
}

TEST(standard_types, numbers_of_every_width_cross) {
  expect_extremes_to_cross<char>();
  expect_extremes_to_cross<signed char>();
  expect_extremes_to_cross<unsigned char>();
  expect_extremes_to_cross<short>();
  expect_extremes_to_cross<unsigned short>();
  expect_extremes_to_cross<int>();
  expect_extremes_to_cross<unsigned>();
  expect_extremes_to_cross<long>();
  expect_extremes_to_cross<unsigned long>();
  expect_extremes_to_cross<long long>();
  expect_extremes_to_cross<unsigned long long>();
  expect_extremes_to_cross<wchar_t>();
  expect_extremes_to_cross<char8_t>();
  expect_extremes_to_cross<char16_t>();
  expect_extremes_to_cross<char32_t>();
  expect_extremes_to_cross<float>();
  expect_extremes_to_cross<double>();
  expect_extremes_to_cross<long double>();
  EXPECT_TRUE(std::isnan(round_trip(std::numeric_limits<double>::quiet_NaN())));
  EXPECT_TRUE(std::signbit(round_trip(-0.0)));
  EXPECT_EQ(round_trip(0.1L), 0.1L);
}

TEST(standard_types, the_padding_of_a_long_double_does_not_cross) {
  long double one = 1;
  std::memset(&one, 0xff, sizeof one);
  const long double value = 1;
  std::memcpy(&one, &value, 10);
  EXPECT_EQ(kin::detail::encode(one).bytes, kin::detail::encode(value).bytes);
}

enum class colour : short { red, green = 1000 };
enum class answer : bool { no, yes };
enum plain : unsigned { nought, one };

TEST(standard_types, bools_bytes_and_enums_cross) {
  EXPECT_TRUE(round_trip(true));
  EXPECT_FALSE(round_trip(false));
  EXPECT_EQ(round_trip(std::byte{0xfe}), std::byte{0xfe});
  EXPECT_EQ(round_trip(colour::green), colour::green);
  EXPECT_EQ(round_trip(answer::yes), answer::yes);
  EXPECT_EQ(round_trip(one), one);
}

TEST(standard_types, a_value_without_content_takes_no_bytes) {
  EXPECT_EQ(kin::detail::encode(std::monostate()).bytes.size(), 0U);
  EXPECT_EQ(round_trip(std::monostate()), std::monostate());
  EXPECT_EQ(round_trip(nullptr), nullptr);
}

TEST(standard_types, times_and_dates_cross) {
  using namespace std::chrono;
  EXPECT_EQ(round_trip(nanoseconds(-5)), nanoseconds(-5));
  EXPECT_EQ(round_trip(duration<double, std::ratio<3, 7>>(0.25)), (duration<double, std::ratio<3, 7>>(0.25)));
  const auto now = system_clock::now();
  EXPECT_EQ(round_trip(now), now);
  const auto steady = steady_clock::now();
  EXPECT_EQ(round_trip(steady), steady);
  EXPECT_EQ(round_trip(year_month_day(2024y / February / 29)), 2024y / February / 29);
  EXPECT_EQ(round_trip(year_month(2024y / March)), 2024y / March);
  EXPECT_EQ(round_trip(month_day(March / 1)), March / 1);
  EXPECT_EQ(round_trip(-7y), -7y);
  EXPECT_EQ(round_trip(31d), 31d);
  EXPECT_EQ(round_trip(Sunday), Sunday);
}

TEST(standard_types, paths_complex_numbers_and_bitsets_cross) {
  EXPECT_EQ(round_trip(std::filesystem::path("/a/b//ü")), "/a/b//ü");
  EXPECT_EQ(round_trip(std::complex<double>(1, -2)), std::complex<double>(1, -2));
  EXPECT_EQ(round_trip(std::complex<long double>(1, -2)), std::complex<long double>(1, -2));
  EXPECT_EQ(round_trip(std::bitset<0>()), std::bitset<0>());
  EXPECT_EQ(round_trip(std::bitset<8>(0xa5)), std::bitset<8>(0xa5));
  const auto long_one = std::bitset<131>(0xdeadbeef) << 70;
  EXPECT_EQ(round_trip(long_one), long_one);
}

TEST(standard_types, error_codes_of_the_standard_categories_cross) {
  for (const std::error_code code :
       {std::error_code(5, std::generic_category()), std::error_code(-1, std::system_category()),
        std::make_error_code(std::io_errc::stream), std::make_error_code(std::future_errc::no_state),
        std::error_code()})
    EXPECT_EQ(round_trip(code), code);
  const auto condition = std::make_error_condition(std::errc::timed_out);
  EXPECT_EQ(round_trip(condition), condition);
}

struct weather_category : std::error_category {
  [[nodiscard]] const char* name() const noexcept override { return "weather"; }
  [[nodiscard]] std::string message(int) const override { return "rain"; }
};

TEST(standard_types, an_error_code_of_another_category_is_refused_by_name) {
  const weather_category weather;
  try {
    (void)kin::detail::encode(std::error_code(1, weather));
    FAIL();
  } catch (const kin::encode_error& e) {
    EXPECT_THAT(e.what(), HasSubstr("category \"weather\""));
  }
}

TEST(standard_types, optionals_and_variants_cross) {
  EXPECT_EQ(round_trip(std::optional<std::string>()), std::nullopt);
  EXPECT_EQ(round_trip(std::optional<std::string>("x")), "x");
  EXPECT_EQ(round_trip(std::optional<std::optional<int>>(std::optional<int>())),
            std::optional<std::optional<int>>(std::optional<int>()));
  using either = std::variant<std::monostate, int, std::string, record, int>;
  for (const either& value : {either(), either(std::in_place_index<1>, 1), either(std::in_place_index<4>, 1),
                              either("x"), either(record{1, 2, "3"})})
    EXPECT_EQ(round_trip(value), value);
}

struct throws_when_copied {
  throws_when_copied() = default;
  throws_when_copied(const throws_when_copied&) { throw 1; }
  throws_when_copied& operator=(const throws_when_copied&) = default;
  template <class Archive>
  void serialize(Archive&) {}
};

// clang 16 at -O1 gave all of these index 0 or worse: see rule<std::variant>.
TEST(standard_types, small_variants_cross) {
  const auto crosses = [](auto variant, auto... alternatives) {
    const auto one = [&](auto alternative) {
      variant = alternative;
      EXPECT_EQ(round_trip(variant), variant);
      EXPECT_EQ(round_trip(std::vector{variant, variant}).at(1), variant);
      EXPECT_EQ(*round_trip(std::optional(variant)), variant);
    };
    (one(alternatives), ...);
  };
  enum class letter : unsigned char { a, b };
  crosses(std::variant<int>(), 1, -1);
  crosses(std::variant<int, float>(), 7, 2.5F);
  crosses(std::variant<float, bool>(), 2.5F, true);
  crosses(std::variant<char, short>(), 'x', short{300});
  crosses(std::variant<std::monostate, int>(), std::monostate(), 5);
  crosses(std::variant<std::monostate, letter, bool>(), std::monostate(), letter::b, true);
  const std::variant<int, int, int> third(std::in_place_index<2>, 9);
  EXPECT_EQ(round_trip(third), third);
}

TEST(standard_types, a_valueless_variant_is_refused) {
  std::variant<int, throws_when_copied> value;
  const throws_when_copied original;
  EXPECT_THROW(value.emplace<1>(original), int);
  ASSERT_TRUE(value.valueless_by_exception());
  EXPECT_THROW((void)kin::detail::encode(value), kin::encode_error);
}

}  // namespace
