// SPDX-License-Identifier: BSL-1.0
// byte_ring: between two threads, where ThreadSanitizer sees it; and with control blocks that no writer or reader has
// written, where AddressSanitizer sees what is touched.
#include "memory/byte_ring.hpp"

#include <kin/core/error.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace {

using kin::detail::ring_control;
using kin::detail::ring_reader;
using kin::detail::ring_words;
using kin::detail::ring_writer;

struct ring_in_memory {
  std::unique_ptr<ring_control> control = std::make_unique<ring_control>();
  std::vector<std::byte> data{kin::detail::ring_data_size};
  std::optional<ring_writer> writer{std::in_place, *control, data.data()};
  std::optional<ring_reader> reader{std::in_place, *control, data.data()};
};
constexpr auto memory_is_there = [](std::size_t, std::size_t) { return true; };

std::vector<std::byte> message(std::uint64_t number, std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(number * 31 + i * 7);
  return bytes;
}

// The next frame, if all of it is there: its first word is its number, its second its size.
bool take_frame(ring_reader& from, ring_words& words, std::vector<std::byte>& bytes) {
  if (from.readable(16) < 16) return false;
  words = from.words();
  const std::size_t whole = 16 + kin::detail::padded(words.second);
  if (from.readable(whole) < whole) return false;
  bytes.clear();
  while (bytes.size() < words.second) {
    const auto piece = from.piece(16 + bytes.size(), words.second - bytes.size());
    bytes.insert(bytes.end(), piece.begin(), piece.end());
  }
  from.advance(whole);
  return true;
}

TEST(byte_ring, begins_empty_and_gives_back_what_was_put) {
  ring_in_memory ring;
  ring_words words{};
  std::vector<std::byte> bytes;
  EXPECT_FALSE(take_frame(*ring.reader, words, bytes));
  ASSERT_TRUE(ring.writer->try_put({1, 5}, message(1, 5)));
  ASSERT_TRUE(ring.writer->try_put({2, 0}, {}));
  ASSERT_TRUE(take_frame(*ring.reader, words, bytes));
  EXPECT_EQ(words.first, 1u);
  EXPECT_EQ(bytes, message(1, 5));
  ASSERT_TRUE(take_frame(*ring.reader, words, bytes));
  EXPECT_EQ(words.first, 2u);
  EXPECT_TRUE(bytes.empty());
  EXPECT_FALSE(take_frame(*ring.reader, words, bytes));
}

TEST(byte_ring, takes_exactly_what_fits_and_no_more) {
  ring_in_memory ring;
  ASSERT_TRUE(ring.writer->try_put({1, 4096 - 16}, message(1, 4096 - 16)));
  EXPECT_EQ(ring.writer->room(), 0u);
  EXPECT_FALSE(ring.writer->try_put({2, 0}, {}));
  ring_words words{};
  std::vector<std::byte> bytes;
  ASSERT_TRUE(take_frame(*ring.reader, words, bytes));
  EXPECT_EQ(bytes, message(1, 4096 - 16));
  EXPECT_TRUE(ring.writer->try_put({2, 0}, {}));
}

TEST(byte_ring, grows_with_everything_unread_and_keeps_the_order) {
  ring_in_memory ring;
  std::uint64_t put = 0;
  for (unsigned level = 0; level < ring_control::levels; ++level) {
    if (level != 0) {
      ASSERT_TRUE(ring.writer->grow(memory_is_there));
    }
    EXPECT_EQ(ring.writer->capacity(), kin::detail::ring_capacity(level));
    while (ring.writer->try_put({put, put % 900}, message(put, put % 900))) ++put;
  }
  EXPECT_FALSE(ring.writer->grow(memory_is_there));
  EXPECT_GT(put, 500u);
  ring_words words{};
  std::vector<std::byte> bytes;
  for (std::uint64_t i = 0; i < put; ++i) {
    ASSERT_TRUE(take_frame(*ring.reader, words, bytes)) << i;
    ASSERT_EQ(words.first, i);
    ASSERT_EQ(bytes, message(i, i % 900));
  }
  EXPECT_FALSE(take_frame(*ring.reader, words, bytes));
  EXPECT_EQ(ring.writer->room(), kin::detail::ring_capacity(3));
}

TEST(byte_ring, does_not_grow_where_there_is_no_memory) {
  ring_in_memory ring;
  EXPECT_FALSE(ring.writer->grow([](std::size_t, std::size_t) { return false; }));
  EXPECT_EQ(ring.writer->capacity(), 4096u);
}

TEST(byte_ring, is_read_on_by_another_reader_at_any_level) {
  ring_in_memory ring;
  ring_words words{};
  std::vector<std::byte> bytes;
  for (std::uint64_t i = 0; i < 300; ++i) {
    while (!ring.writer->try_put({i, i % 700}, message(i, i % 700))) {
      if (!ring.writer->grow(memory_is_there)) FAIL();
    }
    // A reader and a writer that begin now must see the same ring.
    ring.writer.emplace(*ring.control, ring.data.data());
    if (i % 3 == 0) continue;
    ring_reader fresh(*ring.control, ring.data.data());
    ASSERT_TRUE(take_frame(fresh, words, bytes));
    ASSERT_EQ(bytes, message(words.first, words.second));
  }
  while (take_frame(*ring.reader, words, bytes)) ASSERT_EQ(bytes, message(words.first, words.second));
  EXPECT_EQ(words.first, 299u);
}

TEST(byte_ring, carries_everything_between_two_threads) {
  for (const std::size_t most : {8u, 100u, 5000u}) {
    ring_in_memory ring;
    constexpr std::uint64_t frames = 20'000;
    std::thread producer([&] {
      for (std::uint64_t i = 0; i < frames;) {
        const std::size_t size = i * 37 % most;
        if (ring.writer->try_put({i, size}, message(i, size)))
          ++i;
        else if (size + 16 > ring.writer->capacity() / 2 || i % 5000 == 4999)
          (void)ring.writer->grow(memory_is_there);
        else
          std::this_thread::yield();
      }
    });
    ring_words words{};
    std::vector<std::byte> bytes;
    for (std::uint64_t i = 0; i < frames;) {
      if (!take_frame(*ring.reader, words, bytes)) {
        std::this_thread::yield();
        continue;
      }
      if (words.first != i || words.second != i * 37 % most || bytes != message(i, words.second)) {
        ADD_FAILURE() << "frame " << i;
        break;
      }
      ++i;
    }
    producer.join();
  }
}

// Whatever is written into the control block, both sides stay within their memory: the vector ends where the ring does.
TEST(byte_ring, stays_within_its_memory_whatever_the_other_side_writes) {
  std::mt19937_64 random(7);
  const auto wild = [&]() -> std::uint64_t {
    switch (random() % 6) {
      case 0:
        return random();
      case 1:
        return random() % 8192;
      case 2:
        return 0 - random() % 8192;
      case 3:
        return random() % (1u << 20);
      case 4:
        return random() % 8;
      default:
        return 0;
    }
  };
  ring_in_memory ring;
  std::uint64_t refused = 0, touched = 0;
  const std::vector<std::byte> bytes(3000);
  for (int round = 0; round < 200'000; ++round) {
    ring.control->tail = wild();
    ring.control->head = wild();
    ring.control->level = static_cast<std::uint32_t>(wild());
    for (auto& start : ring.control->level_start) start = wild();
    if (round % 100 == 0) ring.reader.emplace(*ring.control, ring.data.data());
    try {
      const std::size_t there = ring.reader->readable(16);
      ASSERT_LE(there, kin::detail::ring_capacity(3));
      if (there >= 16) touched += ring.reader->words().first & 1;
      const auto piece = ring.reader->piece(random() % 64, there);
      if (!piece.empty())
        touched += static_cast<std::uint64_t>(piece.front()) + static_cast<std::uint64_t>(piece.back());
      ring.reader->advance(there);
    } catch (const kin::decode_error&) {
      ++refused;
    }
    try {
      (void)ring.writer->try_put({static_cast<std::uint64_t>(round), 0},
                                 std::span(bytes).first(random() % bytes.size()));
    } catch (const kin::decode_error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 0u);
  EXPECT_GT(touched, 0u);
}

}  // namespace
