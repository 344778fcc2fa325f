// SPDX-License-Identifier: BSL-1.0
// reader: whatever the bytes, a value or decode_error.
#include <kin/wire/reader.hpp>

#include <gtest/gtest.h>

#include <cstring>
#include <list>
#include <unordered_map>

#include "wire/round_trip.hpp"

namespace {

using kin::decode_error;
using kin::detail::decode;
using kin::detail::encode;
using kin::detail::parcel;
using kin_test::everything;

parcel bytes_of(const auto&... values) {
  kin::writer out;
  out(values...);
  return out.take();
}

// Decodes; false for decode_error. Any other exception fails the test.
template <class T>
bool is_accepted(const std::vector<std::byte>& bytes) {
  try {
    (void)decode<T>(parcel{bytes, {}});
    return true;
  } catch (const decode_error&) {
    return false;
  }
}

TEST(reader, a_message_of_everything_comes_back) {
  const auto got = decode<everything>(encode(kin_test::sample()));
  EXPECT_EQ(got.one.text, "three");
  EXPECT_EQ(got.family.children[1].children[0].name, "grandchild");
  EXPECT_EQ(got.shared[0], got.shared[2]);
  EXPECT_EQ(got.nothings.size(), 2U);
  EXPECT_TRUE(got.flag);
  EXPECT_EQ(encode(got).bytes, encode(kin_test::sample()).bytes);
}

TEST(reader, every_prefix_is_refused) {
  const auto whole = encode(kin_test::sample()).bytes;
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const std::vector<std::byte> prefix(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n));
    EXPECT_FALSE(is_accepted<everything>(prefix)) << n;
  }
}

TEST(reader, bytes_left_over_are_refused) {
  auto bytes = encode(kin_test::sample()).bytes;
  bytes.push_back(std::byte{0});
  EXPECT_FALSE(is_accepted<everything>(bytes));
}

TEST(reader, every_byte_may_be_any_byte) {
  const auto whole = encode(kin_test::sample()).bytes;
  int accepted = 0;
  for (std::size_t i = 0; i < whole.size(); ++i)
    for (const unsigned change : {0x01U, 0x02U, 0x04U, 0x10U, 0x7fU, 0x80U, 0xffU}) {
      auto bytes = whole;
      bytes[i] ^= static_cast<std::byte>(change);
      if (is_accepted<everything>(bytes)) ++accepted;
    }
  EXPECT_GT(accepted, 0);
}

TEST(reader, a_claim_of_many_elements_is_refused_before_memory_is_taken) {
  const auto claim = [](std::uint64_t n) { return bytes_of(n, std::uint64_t{0}).bytes; };
  for (const std::uint64_t n : {std::uint64_t{9}, std::uint64_t{1} << 40, ~std::uint64_t{0}, ~std::uint64_t{0} / 8}) {
    EXPECT_FALSE(is_accepted<std::vector<double>>(claim(n)));
    EXPECT_FALSE(is_accepted<std::string>(claim(n)));
    EXPECT_FALSE(is_accepted<std::vector<bool>>(claim(n)));
    EXPECT_FALSE(is_accepted<std::vector<std::monostate>>(claim(n)));
    EXPECT_FALSE(is_accepted<std::list<std::tuple<>>>(claim(n)));
    EXPECT_FALSE((is_accepted<std::unordered_map<int, std::string>>(claim(n))));
    EXPECT_FALSE((is_accepted<std::map<std::monostate, std::monostate>>(claim(n))));
    EXPECT_FALSE(is_accepted<std::vector<kin_test::account>>(claim(n)));
  }
}

TEST(reader, values_that_their_type_does_not_have_are_refused) {
  EXPECT_FALSE(is_accepted<bool>(bytes_of(std::uint8_t{2}).bytes));
  EXPECT_FALSE(is_accepted<std::optional<int>>(bytes_of(std::uint8_t{3}, 1).bytes));
  EXPECT_FALSE((is_accepted<std::variant<int, long>>(bytes_of(std::uint32_t{2}, 1L).bytes)));
  EXPECT_FALSE(is_accepted<std::bitset<3>>(bytes_of(std::uint8_t{8}).bytes));
  EXPECT_FALSE(is_accepted<std::error_code>(bytes_of(1, std::string("weather")).bytes));
  EXPECT_FALSE(is_accepted<std::unique_ptr<kin_test::shape>>(bytes_of(true, std::uint32_t{2}, 1.0).bytes));
}

struct ring {
  std::shared_ptr<ring> next;
};

TEST(reader, shared_objects_that_cannot_be_are_refused) {
  using two = std::pair<std::shared_ptr<int>, std::shared_ptr<int>>;
  using unlike = std::pair<std::shared_ptr<int>, std::shared_ptr<unsigned>>;
  const std::uint32_t first = 1, second = 2;
  EXPECT_TRUE(is_accepted<two>(bytes_of(first, 7, first).bytes));
  EXPECT_FALSE(is_accepted<two>(bytes_of(second, 7, first).bytes));
  EXPECT_FALSE(is_accepted<unlike>(bytes_of(first, 7, first).bytes));
  EXPECT_TRUE(is_accepted<unlike>(bytes_of(first, 7, second, 7U).bytes));
  EXPECT_FALSE(is_accepted<std::shared_ptr<ring>>(bytes_of(first, first).bytes));
}

struct called {
  std::unique_ptr<called> next;
  template <class Archive>
  void serialize(Archive& ar) {
    bool more = next != nullptr;
    ar(more);
    if (!more) return;
    if (!next) next = std::make_unique<called>();
    ar(*next);
  }
};

TEST(reader, nesting_without_end_is_refused) {
  const std::vector<std::byte> ones(1'000'000, std::byte{1});
  EXPECT_FALSE(is_accepted<kin_test::node>(ones));
  EXPECT_FALSE(is_accepted<called>(ones));
  std::vector<std::uint64_t> counts(100'000, 1);
  std::vector<std::byte> nested(counts.size() * 8);
  std::memcpy(nested.data(), counts.data(), nested.size());
  struct bush {
    std::vector<bush> kids;
  };
  EXPECT_FALSE(is_accepted<bush>(nested));
}

}  // namespace
