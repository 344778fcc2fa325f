// SPDX-License-Identifier: BSL-1.0
// object_ref: no memory for what a process keeps beside an object. Allocations of one thread fail, one after the other.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#include <kin/memory/object_ref.hpp>

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <new>
#include <optional>
#include <vector>

#include <kin/wire/codec.hpp>

#include "memory/object_header.hpp"
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

}  // namespace

#endif
