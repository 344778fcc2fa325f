// SPDX-License-Identifier: BSL-1.0
// as_completed: futures in the order in which their tasks end.
#pragma once

#include <cstddef>
#include <iterator>
#include <ranges>
#include <utility>
#include <vector>

#include <kin/pool/future.hpp>
#include <kin/pool/gather.hpp>

namespace kin {

/// An input range of the futures given, each once, as their outcomes arrive; reading the next one waits for it. Leaving
/// early leaves the tasks alone. One thread.
template <class T>
class completed_futures {
 public:
  explicit completed_futures(std::vector<future<T>> futures) : futures_(std::move(futures)) {
    for (std::size_t i = 0; i < futures_.size(); ++i) ended_.expect(i, *futures_[i].shared_state());
  }

  class iterator {
   public:
    using value_type = future<T>;
    using difference_type = std::ptrdiff_t;
    iterator() = default;
    const future<T>& operator*() const { return of_->futures_[of_->current_]; }
    iterator& operator++() {
      of_->advance();
      return *this;
    }
    void operator++(int) { of_->advance(); }
    friend bool operator==(const iterator& a, std::default_sentinel_t) { return a.finished(); }

   private:
    friend completed_futures;
    [[nodiscard]] bool finished() const { return of_->given_ > of_->futures_.size(); }
    explicit iterator(completed_futures* of) : of_(of) {}
    completed_futures* of_ = nullptr;
  };

  /// Waits for the first. Once.
  iterator begin() {
    advance();
    return iterator(this);
  }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  void advance() {
    if (++given_ <= futures_.size()) current_ = ended_.next();
  }

  std::vector<future<T>> futures_;
  detail::arrivals ended_;
  std::size_t current_ = 0, given_ = 0;
};

/// `for (const auto& f : kin::as_completed(futures)) use(f.get());`
template <std::ranges::input_range Range>
[[nodiscard]] auto as_completed(Range&& range) {
  std::ranges::range_value_t<Range>* const none = nullptr;
  return [&]<class T>(const future<T>*) {
    std::vector<future<T>> futures;
    for (const auto& each : range) futures.push_back(each);
    return completed_futures<T>(std::move(futures));
  }(none);
}

}  // namespace kin
