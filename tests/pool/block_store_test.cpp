// SPDX-License-Identifier: BSL-1.0
// block_store, opened_blocks: large messages lie in memory that is used again, and what refers to them is checked.
#include "pool/block_store.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <numeric>
#include <vector>

#include <kin/core/error.hpp>
#include <kin/wire/codec.hpp>

#include "pool/block_reference.hpp"
#include "pool/opened_blocks.hpp"

namespace kin::detail {
namespace {

constexpr std::size_t large = std::size_t{300} << 10;

std::vector<int> numbers(std::size_t n) {
  std::vector<int> all(n);
  std::iota(all.begin(), all.end(), 0);
  return all;
}
parcel written(block_store& store, const std::vector<int>& value) {
  writer out(delivery::kept, &store);
  out(7);  // so that what follows is not aligned for longs
  out(value);
  return out.take();
}
const std::byte* place_of(const parcel& message) { return message.view().data(); }

class blocks : public testing::Test {
 protected:
  std::shared_ptr<block_store> store_ = std::make_shared<block_store>();
  opened_blocks here_{opened_blocks::role::reads_and_returns};
};

TEST_F(blocks, carry_what_was_written_to_them) {
  for (const std::size_t n : {large, 3 * large, large / 3, 20 * large}) {
    parcel message = written(*store_, numbers(n));
    ASSERT_TRUE(message.block);
    const auto reference = block_store::refer_or_leave(message);
    ASSERT_TRUE(reference);
    EXPECT_LT(reference->bytes.size(), 64u);
    parcel arrived = here_.open(std::move(*reference));
    reader in(arrived);
    EXPECT_EQ(in.take<int>(), 7);
    EXPECT_EQ(in.take<std::vector<int>>(), numbers(n));
    in.finish();
  }
}

TEST_F(blocks, grow_with_a_message_of_many_small_parts) {
  writer out(delivery::kept, store_.get());
  for (int i = 0; i < 500'000; ++i) out(i);
  EXPECT_EQ(out.written(), 500'000 * sizeof(int));
  parcel message = out.take();
  EXPECT_TRUE(message.block);
  reader in(message);
  for (int i = 0; i < 500'000; ++i) ASSERT_EQ(in.take<int>(), i);
}

TEST_F(blocks, are_not_taken_for_small_messages) {
  EXPECT_FALSE(written(*store_, numbers(1000)).block);
  writer out(delivery::kept, store_.get());
  out(numbers(large));
  out.clear();
  out(1);
  EXPECT_FALSE(out.take().block);
}

TEST_F(blocks, are_used_again_once_their_message_is_gone) {
  parcel first = written(*store_, numbers(large));
  const std::byte* const place = place_of(first);
  parcel second = written(*store_, numbers(large));
  EXPECT_NE(place_of(second), place);
  first = {};
  EXPECT_EQ(place_of(written(*store_, numbers(large))), place);
}

TEST_F(blocks, that_were_handed_over_are_used_again_once_their_receiver_has_done_with_them) {
  const std::byte* place = nullptr;
  parcel arrived;
  {
    parcel message = written(*store_, numbers(large));
    place = place_of(message);
    arrived = here_.open(std::move(*block_store::refer_or_leave(message)));
    block_store::hand_over(message);
  }
  EXPECT_NE(place_of(written(*store_, numbers(large))), place);
  arrived = {};
  EXPECT_EQ(place_of(written(*store_, numbers(large))), place);
}

TEST_F(blocks, are_as_many_as_a_process_can_have_descriptors_to_spare_for) {
  std::vector<parcel> all;
  while (all.size() < 100) {
    all.push_back(written(*store_, numbers(large)));
    if (!all.back().block) break;
  }
  EXPECT_LT(all.size(), 100u);
  reader in(all.back());  // it went as others do
  EXPECT_EQ(in.take<int>(), 7);
  EXPECT_EQ(in.take<std::vector<int>>(), numbers(large));
}

TEST_F(blocks, that_cannot_grow_any_more_give_way_to_bytes) {
  std::vector<parcel> others;
  writer out(delivery::kept, store_.get());
  out(numbers(large));
  while (others.size() < 100 && (others.empty() || others.back().block))
    others.push_back(written(*store_, numbers(large)));
  out(numbers(10 * large));
  parcel message = out.take();
  EXPECT_FALSE(message.block);
  reader in(message);
  EXPECT_EQ(in.take<std::vector<int>>(), numbers(large));
  EXPECT_EQ(in.take<std::vector<int>>(), numbers(10 * large));
}

TEST_F(blocks, are_not_for_a_forked_copy) {
  const pid_t copy = ::fork();
  if (copy == 0) ::_exit(store_->take(large) == nullptr ? 0 : 1);
  int status = -1;
  ASSERT_EQ(::waitpid(copy, &status, 0), copy);
  EXPECT_EQ(status, 0);
}

TEST_F(blocks, give_their_memory_back_although_others_have_their_file) {
  const auto has_memory = [](int file) {
    struct stat status {};
    return ::fstat(file, &status) == 0 && status.st_blocks > 0;
  };
  parcel read = written(*store_, numbers(large)), unread = written(*store_, numbers(large));
  const auto of_read = block_store::refer_or_leave(read), of_unread = block_store::refer_or_leave(unread);
  block_store::hand_over(unread);
  read = {};
  unread = {};
  EXPECT_TRUE(has_memory(of_read->fds.back().get()));
  store_.reset();
  EXPECT_FALSE(has_memory(of_read->fds.back().get()));
  EXPECT_TRUE(has_memory(of_unread->fds.back().get()));
  parcel arrived = here_.open(std::move(*of_unread));
  reader in(arrived);
  EXPECT_EQ(in.take<int>(), 7);
  EXPECT_EQ(in.take<std::vector<int>>(), numbers(large));
}

TEST_F(blocks, refuse_references_that_cannot_be) {
  const auto refused = [&](auto spoil) {
    parcel message = written(*store_, numbers(large));
    auto reference = block_store::refer_or_leave(message);
    block_reference where{};
    std::memcpy(&where, reference->bytes.data(), sizeof where);
    spoil(*reference, where);
    if (reference->bytes.size() == sizeof where) std::memcpy(reference->bytes.data(), &where, sizeof where);
    EXPECT_THROW((void)here_.open(std::move(*reference)), decode_error);
  };
  refused([](parcel&, block_reference& w) { w.size = w.whole; });  // reaches beyond the end
  refused([](parcel&, block_reference& w) { w.size = UINT64_MAX; });
  refused([](parcel&, block_reference& w) { w.whole += 1 << 20; });  // larger than the file
  refused([](parcel&, block_reference& w) { w.whole = UINT64_MAX; });
  refused([](parcel&, block_reference& w) { w.whole = 8, w.size = 0; });  // no room for its head
  refused([](parcel& p, block_reference&) { p.fds.clear(); });
  refused([](parcel& p, block_reference&) { p.bytes.pop_back(); });
  refused([](parcel& p, block_reference& w) {  // of which pages could be taken away
    p.fds.back() = unique_fd(::memfd_create("shrinks", MFD_CLOEXEC));
    ASSERT_EQ(::ftruncate(p.fds.back().get(), static_cast<off_t>(w.whole)), 0);
  });
}

}  // namespace
}  // namespace kin::detail
