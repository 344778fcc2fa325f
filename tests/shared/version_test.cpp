// SPDX-License-Identifier: BSL-1.0
// version: one state of a list or dict in a piece of memory, alone: against a std::map, full, damaged.
#include "shared/version.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <kin/core/error.hpp>

#include "support/leaves_nothing_behind.hpp"

namespace {

using kin::detail::byte_view;
using kin::detail::container_form;
using kin::detail::hash_of;
using kin::detail::version;

constexpr container_form texts = container_form::dict(false, 0);
constexpr container_form numbers = container_form::dict(true, 8);
constexpr container_form list_of_texts = container_form::list(false);

byte_view view(const std::string& text) { return std::as_bytes(std::span(text)); }
std::string text(byte_view bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

struct room {
  explicit room(std::size_t size) : words(size / 8) {}
  std::byte* data() { return reinterpret_cast<std::byte*>(words.data()); }
  std::size_t size() { return words.size() * 8; }
  std::vector<std::uint64_t> words;
};

bool set(version& v, const std::string& key, const std::string& value) {
  const auto hash = hash_of(view(key));
  const auto entry = v.find(hash, view(key));
  return entry == version::npos ? v.insert(hash, view(key), view(value)) : v.set(entry, view(value));
}

TEST(version, does_what_a_map_does_until_it_is_full) {
  room memory(1 << 16);
  auto v = version::begin(memory.data(), memory.size(), texts, 64);
  std::map<std::string, std::string> model;
  std::mt19937 chance(1);
  for (int i = 0; i < 3000; ++i) {
    const std::string key = std::string(chance() % 20, 'k') + std::to_string(chance() % 30);
    if (chance() % 3 == 0) {
      const auto entry = v.find(hash_of(view(key)), view(key));
      ASSERT_EQ(entry != version::npos, model.contains(key));
      if (entry != version::npos) v.erase(entry);
      model.erase(key);
    } else {
      const std::string value(chance() % 100, static_cast<char>('a' + chance() % 26));
      if (!set(v, key, value)) break;
      model[key] = value;
    }
    ASSERT_EQ(v.live(), model.size());
    for (const auto& [k, expected] : model) {
      const auto entry = v.find(hash_of(view(k)), view(k));
      ASSERT_NE(entry, version::npos);
      ASSERT_EQ(text(v.value(entry)), expected);
      ASSERT_EQ(text(v.key(entry)), k);
    }
  }
  EXPECT_EQ(v.used(), 64U) << "it did fill up";
}

TEST(version, knows_its_last_entry_whatever_was_erased_and_added) {
  room memory(1 << 20);
  std::mt19937 chance(2);
  for (int round = 0; round < 20; ++round) {
    auto v = version::begin(memory.data(), memory.size(), texts, 512);
    std::vector<std::string> model;  // in order of their entries
    for (int i = 0; i < 500; ++i) {
      const auto what = chance() % 4;
      if (what < 2) {
        model.push_back(std::to_string(i));
        ASSERT_TRUE(set(v, model.back(), "value"));
      } else if (!model.empty()) {
        const auto gone = what == 2 ? model.size() - 1 : chance() % model.size();
        v.erase(v.find(hash_of(view(model[gone])), view(model[gone])));
        model.erase(model.begin() + static_cast<std::ptrdiff_t>(gone));
      }
      if (chance() % 2 == 0) continue;
      const auto last = v.last_live();
      ASSERT_EQ(last == version::npos, model.empty());
      if (last != version::npos) {
        ASSERT_EQ(text(v.key(last)), model.back());
      }
    }
  }
}

TEST(version, of_numbers_keeps_them_in_words) {
  room memory(version::size_for(numbers, 32, 0));
  auto v = version::begin(memory.data(), memory.size(), numbers, 32);
  for (std::uint64_t i = 0; i < 32; ++i) {
    const auto key = std::as_bytes(std::span(&i, 1));
    ASSERT_TRUE(v.insert(hash_of(key), key, key));
  }
  const std::uint64_t one_more = 32;
  const auto key = std::as_bytes(std::span(&one_more, 1));
  EXPECT_FALSE(v.insert(hash_of(key), key, key));
  for (std::uint64_t i = 0; i < 32; ++i) {
    const auto k = std::as_bytes(std::span(&i, 1));
    const auto entry = v.find(hash_of(k), k);
    ASSERT_EQ(entry, i);
    std::uint64_t value = 0;
    std::memcpy(&value, v.value(entry).data(), 8);
    EXPECT_EQ(value, i);
  }
}

// Where its writer stopped; white box: the word and the value behind the head's other words.
TEST(version, of_longer_values_writes_the_one_that_was_pending_once_more) {
  constexpr container_form records = container_form::dict(true, 24);
  using record = std::array<std::uint64_t, 3>;
  room memory(version::size_for(records, 4, 0));
  auto v = version::begin(memory.data(), memory.size(), records, 4);
  const auto bytes = [](const auto& of) { return std::as_bytes(std::span(&of, 1)); };
  for (std::uint64_t i = 0; i < 3; ++i)
    ASSERT_TRUE(v.insert(v.hash_of_key(bytes(i)), bytes(i), bytes(record{i, i, i})));
  for (std::uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(v.overwrite(i, bytes(record{10 + i, 10 + i, 10 + i})));
  record read{};
  ASSERT_TRUE(v.read(1, std::as_writable_bytes(std::span(&read, 1))));
  EXPECT_EQ(read, (record{11, 11, 11}));
  EXPECT_FALSE(v.read(3, std::as_writable_bytes(std::span(&read, 1))));
  EXPECT_FALSE(v.overwrite(3, bytes(read)));

  for (const std::uint64_t pending :
       {std::uint64_t{1 + 5}, std::uint64_t{0}, std::uint64_t{1 + 15}, ~std::uint64_t{0}}) {
    memory.words[4] = pending;  // entries have five words; the fourth is not used
    std::fill_n(memory.words.begin() + 8, 3, 77 + pending);
    v.repair();
    EXPECT_EQ(memory.words[4], 0U);
    for (std::uint64_t i = 0; i < 3; ++i) {
      ASSERT_TRUE(v.read(i, std::as_writable_bytes(std::span(&read, 1))));
      const std::uint64_t n = i == 1 ? 77 + 6 : 10 + i;
      EXPECT_EQ(read, (record{n, n, n})) << i << ", pending " << pending;
    }
  }
}

TEST(version, changes_a_value_for_ever_in_two_blocks) {
  room memory(version::size_for(texts, 4, version::block_size(1) + 2 * version::block_size(100)));
  auto v = version::begin(memory.data(), memory.size(), texts, 4);
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(set(v, "k", std::string(100, static_cast<char>('a' + i % 26)))) << i;
  EXPECT_EQ(text(v.value(0)), std::string(100, static_cast<char>('a' + 999 % 26)));
}

TEST(version, refuses_what_does_not_fit_and_stays_as_it_is) {
  room memory(version::size_for(texts, 4, 100));
  auto v = version::begin(memory.data(), memory.size(), texts, 4);
  EXPECT_FALSE(set(v, "key", std::string(1000, 'x')));
  EXPECT_EQ(v.live(), 0U);
  EXPECT_TRUE(set(v, "key", "small"));
  EXPECT_FALSE(set(v, "key", std::string(1000, 'x')));
  EXPECT_EQ(text(v.value(0)), "small");
}

TEST(version, of_more_than_32_GiB_is_not_begun) {
  room memory(4096);
  const std::size_t most = (std::size_t{32} << 30) - 1;
  EXPECT_NO_THROW((void)version::begin(memory.data(), most, texts, 4));  // which touches its beginning alone
  EXPECT_THROW((void)version::begin(memory.data(), most + 1, texts, 4), std::length_error);
  EXPECT_THROW((void)version::begin(memory.data(), 4096, texts, std::size_t{1} << 32), std::length_error);
}

TEST(version, of_a_list_uses_what_was_prepared) {
  room memory(4096);
  auto v = version::begin(memory.data(), memory.size(), list_of_texts, 8);
  EXPECT_TRUE(v.prepare(0, view("a")));
  EXPECT_TRUE(v.prepare(1, view("")));
  EXPECT_EQ(v.used(), 0U);
  v.use(2);
  EXPECT_EQ(v.used(), 2U);
  EXPECT_EQ(text(v.value(0)), "a");
  EXPECT_EQ(text(v.value(1)), "");
  EXPECT_FALSE(v.prepare(8, view("x")));
}

// What a scribbling process may have done: an error or some value, never memory that is not the version's.
TEST(version, that_was_damaged_throws_or_reads_its_own_memory) {
  std::mt19937 chance(5);
  for (int i = 0; i < 3000; ++i) {
    room memory(4096);
    auto v = version::begin(memory.data(), memory.size(), texts, 8);
    for (const char* key : {"a", "bb", "ccc"}) ASSERT_TRUE(set(v, key, std::string(50, 'x')));
    for (int flips = 0; flips < 20; ++flips) memory.words[chance() % memory.words.size()] ^= chance();
    try {
      version read(memory.data(), memory.size(), texts);
      read.repair();
      for (std::size_t e = 0; e < read.used(); ++e)
        if (read.is_live(e)) (void)(text(read.key(e)) + text(read.value(e)));
      (void)read.find(hash_of(view("bb")), view("bb"));
      (void)set(read, "bb", std::string(70, 'y'));
      (void)set(read, "new", std::string(70, 'y'));
    } catch (const kin::decode_error&) {
    }
  }
}

TEST(version, of_records_that_was_damaged_throws_or_reads_its_own_memory) {
  constexpr container_form records = container_form::dict(true, 64);
  using record = std::array<std::uint64_t, 8>;
  const auto bytes = [](const auto& of) { return std::as_bytes(std::span(&of, 1)); };
  std::mt19937 chance(6);
  for (int i = 0; i < 3000; ++i) {
    room memory(2048);
    auto v = version::begin(memory.data(), memory.size(), records, 8);
    for (std::uint64_t key = 0; key < 5; ++key)
      ASSERT_TRUE(v.insert(v.hash_of_key(bytes(key)), bytes(key), bytes(record{key})));
    for (int flips = 0; flips < 20; ++flips) memory.words[chance() % memory.words.size()] ^= chance();
    try {
      version read(memory.data(), memory.size(), records);
      read.repair();
      record value{};
      for (std::uint64_t key = 0; key < 6; ++key) {
        (void)read.read(key, std::as_writable_bytes(std::span(&value, 1)));
        if (!read.overwrite(key, bytes(value)))
          (void)read.insert(read.hash_of_key(bytes(key)), bytes(key), bytes(value));
      }
    } catch (const kin::decode_error&) {
    }
  }
}

}  // namespace
