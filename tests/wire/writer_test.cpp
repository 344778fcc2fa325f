// SPDX-License-Identifier: BSL-1.0
// writer: reuses buffers; descriptors travel as duplicates and none is lost, whatever fails.
#include <kin/wire/writer.hpp>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <iterator>

#include "wire/round_trip.hpp"

namespace {

using kin::unique_fd;
using kin::detail::decode;
using kin::detail::encode;
using kin_test::round_trip;

std::ptrdiff_t open_descriptors() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
}

unique_fd some_descriptor() { return unique_fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

TEST(writer, keeps_the_capacity_of_a_reused_buffer) {
  std::vector<std::byte> buffer(10'000);
  const auto* place = buffer.data();
  kin::writer out(std::move(buffer));
  out(1, 2);
  const auto message = out.take();
  EXPECT_EQ(message.bytes.size(), 2 * sizeof(int));
  EXPECT_EQ(message.bytes.data(), place);
}

TEST(writer, values_are_put_one_after_the_other) {
  kin::writer out;
  out(1, std::string("x")) & true;
  out.raw("abc", 3);
  auto message = out.take();
  EXPECT_EQ(out.written(), 0U);

  kin::reader in(message);
  int n = 0;
  std::string text;
  bool flag = false;
  in(n, text) & flag;
  EXPECT_EQ(n, 1);
  EXPECT_EQ(text, "x");
  EXPECT_TRUE(flag);
  EXPECT_EQ(in.left(), 3U);
  EXPECT_THROW(in.finish(), kin::decode_error);
  EXPECT_EQ(in.view(2)[1], std::byte{'b'});
  char c = 0;
  in.raw(&c, 1);
  EXPECT_EQ(c, 'c');
  EXPECT_NO_THROW(in.finish());
}

TEST(writer, a_descriptor_crosses_as_a_duplicate_of_its_own) {
  const auto before = open_descriptors();
  {
    auto original = some_descriptor();
    const auto got = round_trip(original);
    EXPECT_TRUE(got);
    EXPECT_NE(got.get(), original.get());
    EXPECT_EQ(::fcntl(got.get(), F_GETFD), FD_CLOEXEC);
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST(writer, an_empty_descriptor_crosses_empty) { EXPECT_FALSE(round_trip(unique_fd())); }

TEST(writer, descriptors_cross_inside_other_values) {
  std::vector<std::pair<std::string, unique_fd>> files;
  files.emplace_back("null", some_descriptor());
  files.emplace_back("none", unique_fd());
  files.emplace_back("again", some_descriptor());
  const auto got = round_trip(files);
  EXPECT_TRUE(got[0].second);
  EXPECT_FALSE(got[1].second);
  EXPECT_TRUE(got[2].second);
  EXPECT_NE(got[0].second.get(), got[2].second.get());
}

TEST(writer, a_descriptor_that_is_not_open_is_an_os_error) {
  kin::writer out;
  EXPECT_THROW(out.fd(-1), kin::os_error);
}

struct throws_after {
  unique_fd fd;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(fd);
    throw 1;
  }
};

TEST(writer, descriptors_are_closed_when_encoding_or_decoding_fails) {
  const auto original = some_descriptor();
  const auto before = open_descriptors();
  EXPECT_THROW((void)encode(throws_after{unique_fd(::dup(original.get()))}), int);
  EXPECT_EQ(open_descriptors(), before);

  for (const std::size_t n : {0U, 1U, 3U, 5U, 8U}) {
    kin::writer out;
    out(original, 1);
    auto message = out.take();
    message.bytes.resize(n);
    EXPECT_EQ(open_descriptors(), before + 1);
    EXPECT_THROW(((void)decode<std::pair<unique_fd, int>>(std::move(message))), kin::decode_error);
    EXPECT_EQ(open_descriptors(), before) << n;
  }
}

TEST(writer, a_descriptor_that_did_not_come_or_was_taken_is_refused) {
  const auto original = some_descriptor();
  const auto before = open_descriptors();
  auto none = encode(original);
  none.fds.clear();
  EXPECT_THROW((void)decode<unique_fd>(std::move(none)), kin::decode_error);

  auto twice = encode(original);
  const auto once = twice.bytes;
  twice.bytes.insert(twice.bytes.end(), once.begin(), once.end());
  EXPECT_THROW(((void)decode<std::pair<unique_fd, unique_fd>>(std::move(twice))), kin::decode_error);
  EXPECT_EQ(open_descriptors(), before);
}

}  // namespace
