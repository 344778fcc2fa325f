// SPDX-License-Identifier: BSL-1.0
// object_ref: objects of the arena and their spans, alone, and what a handle is not.
#include <kin/memory/object_ref.hpp>
#include <kin/process.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include <kin/wire/codec.hpp>

#include "memory/family.hpp"
#include "memory/object_header.hpp"
#include "support/eventually.hpp"
#include "support/leaves_nothing_behind.hpp"
#include "sync/forked.hpp"
#include "sync/shared_page.hpp"

namespace {

using kin::detail::object_kind;
using kin::detail::object_ref;
using kin_test::forked;

const bool warm = kin_test::warm_up([] {
  (void)object_ref::make(object_kind::array, 64).make_span(1);
  kin::process([] {}).join();
});

struct handle {
  std::uint64_t family, offset, serial, size;
};
handle handle_to(const object_ref& object) {
  kin::writer out;
  object.encode(out);
  handle h{};
  std::memcpy(&h, out.take().bytes.data(), sizeof h);
  return h;
}
object_ref at(const handle& h, object_kind kind = object_kind::array) {
  kin::writer out;
  out(h.family, h.offset, h.serial, h.size);
  auto message = out.take();
  kin::reader in(message);
  return object_ref::decode(in, kind, sizeof(kin::detail::object_header));
}

TEST(object_ref, is_found_by_its_handle) {
  for (const std::size_t size : {64U, 100U, 4096U, 5000U, 16384U, 20'000U, 1U << 20}) {
    const auto object = object_ref::make(object_kind::array, size);
    const auto again = at(handle_to(object));
    EXPECT_EQ(again, object) << size;
    EXPECT_GE(again.size(), size);
  }
}

TEST(object_ref, is_looked_for_only_where_one_begins) {
  const auto object = object_ref::make(object_kind::array, 1024);
  const handle right = handle_to(object);
  // A forged object inside the body of a true one: right in every field, and yet none.
  auto* forged = reinterpret_cast<kin::detail::object_header*>(reinterpret_cast<std::byte*>(object.get()) + 128);
  forged->kind.store(static_cast<std::uint32_t>(object_kind::array));
  forged->granules.store(2);
  forged->serial.store(77);
  EXPECT_THROW((void)at({right.family, right.offset + 128, 77, 128}), kin::decode_error);
  EXPECT_THROW((void)at({right.family, right.offset, right.serial, 128}), kin::decode_error);
  EXPECT_THROW((void)at({right.family, right.offset, right.serial, 2048}), kin::decode_error);
  EXPECT_THROW((void)at({right.family, right.offset + 1, right.serial, right.size}), kin::decode_error);
  EXPECT_THROW((void)at({right.family, ~std::uint64_t{0} / 64 * 64, right.serial, right.size}), kin::decode_error);
  EXPECT_THROW((void)at({right.family, 0, 0, 0}), kin::decode_error);
  EXPECT_THROW((void)at(right, object_kind::mutex), kin::decode_error);
}

TEST(object_ref, that_has_gone_is_not_found) {
  handle gone{};
  {
    const auto object = object_ref::make(object_kind::array, 64);
    gone = {kin::detail::family::table->identity, object.offset(), object.get()->serial.load(), object.size()};
    EXPECT_EQ(at(gone), object);
  }
  EXPECT_THROW((void)at(gone), kin::decode_error);
}

// What ThreadSanitizer watches: damaged handles read headers while the root erases the chunks of the dead.
TEST(object_ref, may_be_looked_for_anywhere_while_others_die) {
  const auto object = object_ref::make(object_kind::array, 64);
  const handle right = handle_to(object);
  std::atomic<bool> done{false};
  std::thread reader([&] {
    std::mt19937_64 chance(1);
    while (!done) {
      const std::uint64_t somewhere = chance() % (std::uint64_t{1} << 20) / 64 * 64;
      const std::uint64_t size = std::uint64_t{64} << chance() % 4;
      EXPECT_THROW((void)at({right.family, somewhere, chance(), size}), kin::decode_error);
    }
  });
  for (int i = 0; i < 20; ++i) {
    forked maker([i] {
      std::vector<object_ref> many;
      for (int n = 0; n < 200; ++n) many.push_back(object_ref::make(object_kind::array, 64U << i % 4));
      raise(SIGKILL);
    });
    EXPECT_EQ(maker.join(), -SIGKILL);
  }
  done = true;
  reader.join();
}

// The root uses the chunks of the dead again for objects of other sizes.
TEST(object_ref, is_zero_where_objects_of_the_dead_had_their_bells) {
  constexpr std::size_t whole = kin::detail::family_table::unit_size;
  const kin_test::shared_page<std::atomic<std::uint64_t>> place;
  forked maker([&] {
    std::vector<object_ref> many;
    for (std::size_t n = 0; n < 2 * whole / 128; ++n) {
      many.push_back(object_ref::make(object_kind::array, 128));
      std::memset(static_cast<void*>(&many.back().get()->bell), 0x55, sizeof(kin::detail::bell));
    }
    place->store(many[whole / 128].offset() / whole);
    raise(SIGKILL);
  });
  EXPECT_EQ(maker.join(), -SIGKILL);
  std::vector<object_ref> held;
  ASSERT_TRUE(kin_test::eventually([&] {
    held.push_back(object_ref::make(object_kind::array, whole));
    return held.back().offset() / whole == *place;
  }));
  const auto* const bytes = reinterpret_cast<const std::byte*>(held.back().get());
  EXPECT_EQ(std::count(bytes + sizeof(kin::detail::object_header), bytes + whole, std::byte{0}),
            whole - sizeof(kin::detail::object_header));
}

TEST(object_ref, has_spans_that_its_process_can_map_by_number) {
  const auto object = object_ref::make(object_kind::array, 64);
  auto first = object.make_span(10'000);
  std::memset(first.data, 7, first.size);
  EXPECT_EQ(object.open_span(first.number).data[9'999], std::byte{7});
  const auto second = object.make_span(10'000, first.number);
  EXPECT_NE(first.number, second.number);
  EXPECT_EQ(object.open_span(first.number).data[0], std::byte{7});
  object.keep_span(second.number);
  EXPECT_THROW((void)object.open_span(first.number), kin::decode_error);
  EXPECT_EQ(object.open_span(second.number).data[0], std::byte{0});
  const auto other = object_ref::make(object_kind::array, 64);
  EXPECT_THROW((void)other.open_span(second.number), kin::decode_error) << "another's";
}

TEST(object_ref, of_a_member_has_spans_that_others_open) {
  const auto object = object_ref::make(object_kind::array, 64);
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  EXPECT_EQ(forked([&] {
              const auto span = object.make_span(5'000);
              span.data[4'999] = std::byte{9};
              if (write(ends[1], &span.number, sizeof span.number) != sizeof span.number) _exit(2);
            }).join(),
            0);
  std::uint64_t number = 0;
  ASSERT_EQ(read(ends[0], &number, sizeof number), static_cast<ssize_t>(sizeof number));
  EXPECT_EQ(object.open_span(number).data[4'999], std::byte{9}) << "its maker has ended, its owner lives";
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
