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

using kin::detail::frame_kind;
using kin::detail::ring_control;
using kin::detail::ring_reader;
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

// A message whose signature is its number.
bool put(ring_writer& to, std::uint64_t number, std::size_t size) {
  return to.try_put(kin::detail::frame_word(frame_kind::message, size), number, message(number, size));
}

struct frame {
  std::uint64_t number = 0;
  std::vector<std::byte> bytes;
};
bool take_frame(ring_reader& from, frame& into) {
  const std::uint64_t word = from.look();
  if (word == 0) return false;
  into.number = from.second();
  const auto size = static_cast<std::size_t>(kin::detail::bytes_of_frame(word));
  into.bytes.clear();
  while (into.bytes.size() < size) {
    const auto piece = from.piece(word, into.bytes.size(), size - into.bytes.size());
    into.bytes.insert(into.bytes.end(), piece.begin(), piece.end());
  }
  from.advance(word);
  return true;
}

TEST(byte_ring, begins_empty_and_gives_back_what_was_put) {
  ring_in_memory ring;
  frame got;
  EXPECT_FALSE(take_frame(*ring.reader, got));
  ASSERT_TRUE(put(*ring.writer, 1, 5));
  ASSERT_TRUE(put(*ring.writer, 2, 0));
  ASSERT_TRUE(take_frame(*ring.reader, got));
  EXPECT_EQ(got.number, 1u);
  EXPECT_EQ(got.bytes, message(1, 5));
  ASSERT_TRUE(take_frame(*ring.reader, got));
  EXPECT_EQ(got.number, 2u);
  EXPECT_TRUE(got.bytes.empty());
  EXPECT_FALSE(take_frame(*ring.reader, got));
}

TEST(byte_ring, takes_exactly_what_fits_and_no_more) {
  ring_in_memory ring;
  EXPECT_FALSE(put(*ring.writer, 1, 4096 - 16));  // no room for the word behind it
  ASSERT_TRUE(put(*ring.writer, 1, 4096 - 24));
  EXPECT_EQ(ring.writer->room(), 0u);
  EXPECT_FALSE(put(*ring.writer, 2, 0));
  frame got;
  ASSERT_TRUE(take_frame(*ring.reader, got));
  EXPECT_EQ(got.bytes, message(1, 4096 - 24));
  EXPECT_TRUE(put(*ring.writer, 2, 0));
}

TEST(byte_ring, keeps_small_frames_within_a_cache_line) {
  for (std::uint64_t at = 0; at < 256; at += 8)
    for (std::size_t size = 0; size <= 48; ++size) {
      const std::uint64_t word = kin::detail::frame_word(frame_kind::message, size);
      const std::uint64_t next = kin::detail::end_of_frame(at, word);
      EXPECT_GE(next, at + 16 + size);
      EXPECT_EQ(next / 64, (next + 16 + kin::detail::padded(size) - 1) / 64) << at << ' ' << size;
    }
}

TEST(byte_ring, tells_a_writer_of_what_was_read_now_and_then_and_when_asked) {
  ring_in_memory ring;
  frame got;
  ASSERT_TRUE(put(*ring.writer, 1, 0));
  ASSERT_TRUE(take_frame(*ring.reader, got));
  EXPECT_EQ(ring.writer->room(), 4096u - 8 - 16);
  EXPECT_EQ(ring.writer->room_at_last(), 4096u - 8);
  ring.reader->give_back();
  EXPECT_EQ(ring.writer->room(), 4096u - 8);
  for (std::uint64_t i = 0; i < 100; ++i) {
    ASSERT_TRUE(put(*ring.writer, i, 40));
    ASSERT_TRUE(take_frame(*ring.reader, got));
    EXPECT_GE(ring.writer->room(), 4096u - 8 - 4096 / 16);
  }
}

TEST(byte_ring, grows_with_everything_unread_and_keeps_the_order) {
  ring_in_memory ring;
  std::uint64_t count = 0;
  for (unsigned level = 0; level < ring_control::levels; ++level) {
    if (level != 0) {
      ASSERT_TRUE(ring.writer->grow(memory_is_there));
    }
    EXPECT_EQ(ring.writer->capacity(), kin::detail::ring_capacity(level));
    while (put(*ring.writer, count, count % 900)) ++count;
  }
  EXPECT_FALSE(ring.writer->grow(memory_is_there));
  EXPECT_GT(count, 500u);
  frame got;
  for (std::uint64_t i = 0; i < count; ++i) {
    ASSERT_TRUE(take_frame(*ring.reader, got)) << i;
    ASSERT_EQ(got.number, i);
    ASSERT_EQ(got.bytes, message(i, i % 900));
  }
  EXPECT_FALSE(take_frame(*ring.reader, got));
  EXPECT_EQ(ring.writer->room_at_last(), kin::detail::ring_capacity(3) - 8);
}

TEST(byte_ring, does_not_grow_where_there_is_no_memory) {
  ring_in_memory ring;
  EXPECT_FALSE(ring.writer->grow([](std::size_t, std::size_t) { return false; }));
  EXPECT_EQ(ring.writer->capacity(), 4096u);
}

TEST(byte_ring, may_grow_again_before_anything_was_put) {
  ring_in_memory ring;
  frame got;
  ASSERT_TRUE(ring.writer->grow(memory_is_there));
  EXPECT_FALSE(take_frame(*ring.reader, got));
  ASSERT_TRUE(ring.writer->grow(memory_is_there));
  ASSERT_TRUE(put(*ring.writer, 1, 3000));
  ASSERT_TRUE(take_frame(*ring.reader, got));
  EXPECT_EQ(got.bytes, message(1, 3000));
}

TEST(byte_ring, is_used_on_by_others_at_any_level) {
  ring_in_memory ring;
  frame got;
  for (std::uint64_t i = 0; i < 300; ++i) {
    while (!put(*ring.writer, i, i % 700)) {
      if (!ring.writer->grow(memory_is_there)) FAIL();
    }
    // A reader and a writer that begin now must see the same ring.
    ring.writer.emplace(*ring.control, ring.data.data());
    if (i % 3 == 0) continue;
    ring_reader fresh(*ring.control, ring.data.data());
    ASSERT_TRUE(take_frame(fresh, got));
    ASSERT_EQ(got.bytes, message(got.number, got.number % 700));
  }
  while (take_frame(*ring.reader, got)) ASSERT_EQ(got.bytes, message(got.number, got.number % 700));
  EXPECT_EQ(got.number, 299u);
}

// What a writer leaves that is killed after a frame has been published, or a growth begun.
TEST(byte_ring, is_written_on_behind_a_writer_that_died_before_it_had_noted_what_it_did) {
  for (const bool was_read : {false, true})
    for (const bool has_grown : {false, true}) {
      ring_in_memory ring;
      frame got;
      ASSERT_TRUE(put(*ring.writer, 1, 30));
      const std::uint64_t before = ring.control->tail;
      if (has_grown) {
        ASSERT_TRUE(ring.writer->grow(memory_is_there));
      } else {
        ASSERT_TRUE(put(*ring.writer, 2, 30));
      }
      ring.control->tail = before;
      if (was_read) {
        while (take_frame(*ring.reader, got)) {
        }
      }
      ring.writer.emplace(*ring.control, ring.data.data());
      ASSERT_TRUE(put(*ring.writer, 3, 100));
      std::vector<std::uint64_t> numbers;
      while (take_frame(*ring.reader, got)) numbers.push_back(got.number);
      std::vector<std::uint64_t> all{1, 2, 3};
      if (has_grown) all = {1, 3};
      if (was_read) all = {3};
      EXPECT_EQ(numbers, all);
    }
}

TEST(byte_ring, is_written_on_behind_a_writer_that_died_between_the_level_and_its_announcement) {
  ring_in_memory ring;
  frame got;
  ASSERT_TRUE(put(*ring.writer, 1, 30));
  ring.control->level_start[1] = ring.control->tail + 8;
  ring.control->level = 1;
  EXPECT_TRUE(take_frame(*ring.reader, got));
  EXPECT_FALSE(take_frame(*ring.reader, got));
  ASSERT_TRUE(put(*ring.writer, 2, 5000));
  ASSERT_TRUE(take_frame(*ring.reader, got));
  EXPECT_EQ(got.bytes, message(2, 5000));
}

TEST(byte_ring, carries_everything_between_two_threads) {
  for (const std::size_t most : {8u, 100u, 5000u}) {
    ring_in_memory ring;
    constexpr std::uint64_t frames = 20'000;
    std::thread producer([&] {
      for (std::uint64_t i = 0; i < frames;) {
        const std::size_t size = i * 37 % most;
        if (put(*ring.writer, i, size))
          ++i;
        else if (size + 24 > ring.writer->capacity() / 2 || i % 5000 == 4999)
          (void)ring.writer->grow(memory_is_there);
        else if (ring.writer->room_at_last() < ring.writer->capacity() / 2)
          std::this_thread::yield();
      }
    });
    frame got;
    for (std::uint64_t i = 0; i < frames;) {
      if (!take_frame(*ring.reader, got)) {
        std::this_thread::yield();
        continue;
      }
      if (got.number != i || got.bytes != message(i, i * 37 % most)) {
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
    ring.control->position = wild();
    ring.control->level = static_cast<std::uint32_t>(wild());
    for (auto& start : ring.control->level_start) start = wild();
    if (round % 10 == 0) ring.reader.emplace(*ring.control, ring.data.data());
    if (round % 10 == 5) ring.writer.emplace(*ring.control, ring.data.data());
    const std::uint64_t word =
        round % 2 == 0 ? random() : kin::detail::frame_word(frame_kind::raw_message, random() % 8192);
    std::memcpy(ring.data.data() + random() % (ring.data.size() / 8) * 8, &word, sizeof word);
    if (round % 3 == 0) std::memcpy(ring.data.data(), &word, sizeof word);
    try {
      if (const std::uint64_t there = ring.reader->look(); there != 0) {
        ASSERT_LE(kin::detail::bytes_of_frame(there), kin::detail::ring_capacity(3));
        touched += ring.reader->second() & 1;
        const auto piece = ring.reader->piece(there, random() % 64, kin::detail::bytes_of_frame(there));
        if (!piece.empty())
          touched += static_cast<std::uint64_t>(piece.front()) + static_cast<std::uint64_t>(piece.back());
        ring.reader->advance(there);
        ring.reader->give_back();
      }
    } catch (const kin::decode_error&) {
      ++refused;
    }
    try {
      const auto some = std::span(bytes).first(random() % bytes.size());
      (void)ring.writer->try_put(kin::detail::frame_word(frame_kind::message, some.size()), 1, some);
      (void)ring.writer->room_at_last();
    } catch (const kin::decode_error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 0u);
  EXPECT_GT(touched, 0u);
}

}  // namespace
