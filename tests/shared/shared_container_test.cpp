// SPDX-License-Identifier: BSL-1.0
// shared_container: what lists and dicts do where another process has written into their memory. White box.
#include <kin/shared/shared_container.hpp>
#include <kin/shared_dict.hpp>
#include <kin/shared_list.hpp>

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <kin/core/error.hpp>
#include <kin/wire/codec.hpp>

#include "memory/family.hpp"
#include "support/leaves_nothing_behind.hpp"
#include "sync/owned_lock.hpp"

namespace {

namespace family = kin::detail::family;

const bool warm = kin_test::warm_up([] { kin::shared_list<std::string>().extend(std::vector<std::string>(10'000)); });

/// The words of the version that counts, of a container so large that it lies in a span.
class damaged_words {
 public:
  explicit damaged_words(const auto& container) {
    const auto handle = kin::detail::encode(container, kin::detail::delivery::lent);
    std::array<std::uint64_t, 4> parts;  // see object_ref::encode()
    std::memcpy(parts.data(), handle.bytes.data(), sizeof parts);
    const std::byte* object = family::at(parts[1], parts[3] % (1 << 24));
    std::uint64_t current = 0;
    std::memcpy(&current, object + sizeof(kin::detail::owned_lock), sizeof current);
    span_ = family::open_span({parts[1], parts[2]}, current >> 1);
    words_ = reinterpret_cast<std::uint64_t*>(span_.memory.data() + current % 2 * (span_.memory.size() / 2 / 64 * 64));
  }
  std::uint64_t& counts() { return words_[0]; }
  /// Of a dict.
  std::uint64_t& value(std::size_t entry) { return words_[8 + words_[3] + 4 * entry]; }

 private:
  family::mapped_span span_;
  std::uint64_t* words_;
};

TEST(shared_container, whose_sizes_cannot_be_is_not_written_anew_with_their_sum) {
  const kin::shared_dict<std::string, std::string> dict;
  dict.set("large", std::string(100'000, 'x'));
  for (int i = 1; i < 300; ++i) dict.set(std::to_string(i), "small");
  damaged_words words(dict);
  for (std::size_t i = 1; i < 300; ++i) words.value(i) = words.value(0);
  EXPECT_THROW(dict.set("new", std::string(1 << 20, 'x')), kin::decode_error);
}

TEST(shared_container, with_a_block_that_lies_elsewhere_is_not_written_anew) {
  const kin::shared_dict<std::string, std::string> dict;
  for (int i = 0; i < 300; ++i) dict.set(std::to_string(i), std::string(50, 'x'));
  damaged_words words(dict);
  for (const std::uint64_t wrong : {~std::uint64_t{0}, words.value(0) | 0xffffffff, std::uint64_t{100}}) {
    words.value(7) = wrong;
    EXPECT_THROW(dict.set("new", std::string(1 << 20, 'x')), kin::decode_error);
  }
}

TEST(shared_container, whose_counts_contradict_each_other_touches_nothing_else) {
  const kin::shared_list<std::string> list(std::vector<std::string>(40'000, "x"));
  damaged_words words(list);
  words.counts() = std::uint64_t{1} << 32 | 40'000;  // of which it uses one
  EXPECT_THROW(list.set(39'999, std::string(1 << 23, 'x')), kin::decode_error);
  EXPECT_EQ(list.size(), 1U) << "as it says, and was written anew";
}

TEST(shared_container, of_which_less_is_used_than_is_alive_inserts_and_takes_no_element_beyond) {
  const kin::shared_list<std::string> list(std::vector<std::string>(1000, "x"));
  damaged_words words(list);
  words.counts() = std::uint64_t{1} << 32 | 1000;
  EXPECT_THROW(list.insert(500, "y"), std::out_of_range);
  EXPECT_THROW((void)list.pop(500), std::out_of_range);
}

}  // namespace
