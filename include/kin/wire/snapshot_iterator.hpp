// SPDX-License-Identifier: BSL-1.0
// snapshot_iterator: walks a copy of a shared list or dict that it owns, so that nothing another process does meanwhile
// is seen, and nothing is asked of the server again.
#pragma once

#include <cstddef>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

namespace kin {

/// A forward iterator that ends at std::default_sentinel. References stay valid as long as any copy of it.
template <class T>
class snapshot_iterator {
 public:
  using value_type = T;
  using difference_type = std::ptrdiff_t;
  using reference = typename std::vector<T>::const_reference;
  using iterator_category = std::input_iterator_tag;

  snapshot_iterator() = default;
  explicit snapshot_iterator(std::vector<T> elements)
      : elements_(std::make_shared<const std::vector<T>>(std::move(elements))) {}

  [[nodiscard]] reference operator*() const { return (*elements_)[index_]; }
  [[nodiscard]] const T* operator->() const { return &(*elements_)[index_]; }
  snapshot_iterator& operator++() {
    ++index_;
    return *this;
  }
  snapshot_iterator operator++(int) {
    snapshot_iterator before = *this;
    ++index_;
    return before;
  }
  friend bool operator==(const snapshot_iterator& a, const snapshot_iterator& b) {
    return a.elements_ == b.elements_ && a.index_ == b.index_;
  }
  friend bool operator==(const snapshot_iterator& a, std::default_sentinel_t) {
    return !a.elements_ || a.index_ == a.elements_->size();
  }

 private:
  std::shared_ptr<const std::vector<T>> elements_;
  std::size_t index_ = 0;
};

}  // namespace kin
