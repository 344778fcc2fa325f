// SPDX-License-Identifier: BSL-1.0
// object_ref, hold_book: no memory for what a process keeps beside an object, or the root about a process. Allocations
// of one thread fail, one after the other.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#include <kin/memory/object_ref.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include <kin/wire/codec.hpp>

#include "memory/hold_book.hpp"
#include "memory/object_header.hpp"
#include "os/memory_file.hpp"
#include "sync/forked.hpp"

namespace {
thread_local int until_failure = 0;  // 0: none fails
}

// Not inline: compilers would see malloc behind new, and free behind delete, and warn of the mixture.
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (until_failure > 0 && --until_failure == 0) throw std::bad_alloc();
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

using kin::detail::object_kind;
using kin::detail::object_ref;

// In a copy of this process, which an alarm ends should it hang. 0: it failed as it should, and worked afterwards.
int failing_each_allocation(const auto& operation) {
  return kin_test::forked([&] {
           ::alarm(60);
           int failures = 0;
           for (int n = 1;; ++n) {
             until_failure = n;
             try {
               operation();
               if (until_failure != 0) break;  // so many it does not make
             } catch (const std::bad_alloc&) {
               ++failures;
             }
             until_failure = 0;
             operation();
           }
           until_failure = 0;
           if (failures == 0) ::_exit(2);
         })
      .join();
}

TEST(object_ref, is_made_or_not_where_memory_is_short) {
  EXPECT_EQ(failing_each_allocation([] { (void)object_ref::make(object_kind::array, 128); }), 0);
}

TEST(object_ref, arrives_or_not_where_memory_is_short) {
  std::optional<object_ref> object = object_ref::make(object_kind::array, 128);
  kin::writer out;
  object->encode(out);
  const auto sent = out.take().bytes;
  EXPECT_EQ(failing_each_allocation([&] {
              std::vector<kin::unique_fd> none;
              object.reset();  // known, it would need no memory
              kin::reader in(sent, none);
              (void)object_ref::decode(in, object_kind::array, sizeof(kin::detail::object_header));
            }),
            0);
}

TEST(hold_book, ends_a_list_or_leaves_it_whole_where_memory_is_short) {
  using kin::detail::hold_book;
  constexpr std::uint32_t member = 7;
  EXPECT_EQ(failing_each_allocation([] {
              const int failure = std::exchange(until_failure, 0);
              hold_book book;
              for (const std::size_t words : {512U, 512U, 1024U}) {
                const auto part = book.give(member, words);
                kin::os::mapping its(book.file(), part.offset, part.size, kin::os::access::write);
                reinterpret_cast<std::atomic<kin::detail::hold_word>*>(its.data())[words - 1].store(2 * words);
              }
              const auto held = [&] {
                std::size_t n = 0;
                book.each([&](kin::detail::hold_word) { ++n; });
                return n;
              };
              until_failure = failure;
              try {
                const auto had = book.end(member);
                if (had.size() != 3 || held() != 0 || book.size() != 0) ::_exit(3);
              } catch (const std::bad_alloc&) {
                if (held() != 3 || book.size() != 2048 || book.end(member).size() != 3) ::_exit(4);
                throw;
              }
            }),
            0);
}

}  // namespace

#endif
