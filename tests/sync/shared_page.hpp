// SPDX-License-Identifier: BSL-1.0
// shared_page: memory that forked copies share with the test, and that is not kin's.
#pragma once

#include <sys/mman.h>

#include <type_traits>

namespace kin_test {

template <class T>
class shared_page {
 public:
  shared_page() : page_(new(mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) T{}) {}
  shared_page(const shared_page&) = delete;
  shared_page& operator=(const shared_page&) = delete;
  ~shared_page() { munmap(const_cast<std::remove_volatile_t<T>*>(page_), sizeof(T)); }
  T* operator->() const { return page_; }
  T& operator*() const { return *page_; }

 private:
  T* page_;
};

}  // namespace kin_test
