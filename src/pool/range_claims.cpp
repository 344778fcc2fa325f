// SPDX-License-Identifier: BSL-1.0
// range_claims: see the header.
#include <kin/pool/range_claims.hpp>

#include <algorithm>
#include <atomic>
#include <list>
#include <mutex>

#include <kin/core/error.hpp>

#include "memory/object_header.hpp"
#include "os/process_id.hpp"

namespace kin::detail {
namespace {

constexpr std::uint32_t is_done = std::uint32_t{1} << 31;
// What is reserved at once is about this much work: much more than a line costs that goes from core to core.
constexpr std::chrono::microseconds worth_a_step{5};
constexpr std::size_t most_kept = 4;

}  // namespace

struct range_claims::words : object_header {
  alignas(64) std::atomic<std::uint64_t> next;  // the first that nobody has reserved; a hint
  alignas(64) std::atomic<std::uint64_t> done;
  alignas(64) std::atomic<std::uint32_t> of[most_ranges];  // 0: free; else who, and perhaps is_done
};

namespace {

// Claims that no map uses. A forked copy of this process must not use them, too.
struct shelf {
  std::mutex mutex;
  int owner = os::own_pid();
  std::vector<range_claims> free;
};
shelf& the_shelf() {
  static auto& instance = *new shelf;
  return instance;
}

}  // namespace

range_claims::words& range_claims::shared() const noexcept { return *static_cast<words*>(ref_.get()); }

range_claims range_claims::take(std::size_t ranges) {
  shelf& all = the_shelf();
  std::optional<range_claims> found;
  {
    const std::lock_guard hold(all.mutex);
    if (all.owner != os::own_pid()) {
      new std::vector<range_claims>(std::move(all.free));  // the original's to let go
      all.free.clear();
      all.owner = os::own_pid();
    }
    if (!all.free.empty()) {
      found = all.free.back();
      all.free.pop_back();
    }
  }
  if (!found) found = range_claims(object_ref::make(object_kind::range_claims, sizeof(words)));
  words& w = found->shared();
  w.next.store(0, std::memory_order_relaxed);
  w.done.store(0, std::memory_order_relaxed);
  for (std::size_t r = 0; r < std::min(ranges, most_ranges); ++r) w.of[r].store(0, std::memory_order_relaxed);
  return *found;
}

void range_claims::give_back() const {
  shelf& all = the_shelf();
  const std::lock_guard hold(all.mutex);
  if (all.owner == os::own_pid()) all.free.push_back(*this);
}

// acquire: pairs with claimant::tell().
std::size_t range_claims::done() const noexcept { return shared().done.load(std::memory_order_acquire); }

std::size_t range_claims::unclaimed(std::size_t ranges) const noexcept {
  const words& w = shared();
  return static_cast<std::size_t>(
      std::count_if(w.of, w.of + ranges, [](const auto& word) { return word.load(std::memory_order_acquire) == 0; }));
}

std::optional<std::size_t> range_claims::left_by(std::uint32_t who, std::size_t ranges) const noexcept {
  const words& w = shared();
  for (std::size_t r = 0; r < ranges; ++r)
    if (w.of[r].load(std::memory_order_acquire) == who) return r;
  return std::nullopt;
}

// ---- one who takes part

claimant::claimant(const range_claims& claims, std::uint32_t who, std::size_t ranges, std::size_t others)
    : claims_(claims), who_(who), ranges_(ranges), others_(std::max<std::size_t>(others, 1)) {
  if (who == 0 || (who & is_done) != 0 || ranges > range_claims::most_ranges)
    throw decode_error("kin: a part of a map that cannot be");
  const range_claims::words& w = claims_.shared();
  for (std::size_t r = ranges; r-- > 0;)
    if (w.of[r].load(std::memory_order_relaxed) == who) left_.push_back(r);
}

claimant::~claimant() { tell(); }

void claimant::tell() noexcept {
  if (untold_ == 0) return;
  // release: all that was done of them is to be seen by whoever sees that all is done.
  claims_.shared().done.fetch_add(untold_, std::memory_order_release);
  untold_ = 0;
}

void claimant::finish() noexcept {
  if (!current_) return;
  claims_.shared().of[*current_].store(who_ | is_done, std::memory_order_release);
  ++untold_;
  current_.reset();
}

std::optional<std::size_t> claimant::next() {
  finish();
  current_ = find();
  if (!current_) tell();
  return current_;
}

std::optional<std::size_t> claimant::claim(std::size_t range) {
  std::uint32_t free = 0;
  auto& word = claims_.shared().of[range];
  if (word.load(std::memory_order_relaxed) == 0 && word.compare_exchange_strong(free, who_, std::memory_order_relaxed))
    return range;
  return std::nullopt;
}

std::optional<std::size_t> claimant::find() {
  if (!left_.empty()) {
    const std::size_t range = left_.back();
    left_.pop_back();
    return range;
  }
  for (;;) {
    while (at_ < end_)
      if (const auto range = claim(at_++)) return range;
    take_more();
    if (at_ < end_) continue;
    // All is reserved: what those have not begun who reserved it, or died before, is anybody's. From the end, where
    // they come last.
    while (sweep_ < ranges_)
      if (const auto range = claim(ranges_ - ++sweep_)) return range;
    return std::nullopt;
  }
}

void claimant::take_more() {
  tell();
  range_claims::words& w = claims_.shared();
  const auto now = std::chrono::steady_clock::now();
  if (end_ > 0) {
    const auto each = (now - began_) / static_cast<std::int64_t>(share_);
    share_ = each >= worth_a_step ? 1 : static_cast<std::size_t>(worth_a_step / std::max(each, decltype(each)(1)));
  }
  began_ = now;
  const std::size_t reserved = w.next.load(std::memory_order_relaxed);
  if (reserved >= ranges_) {
    at_ = end_ = ranges_;
    return;
  }
  share_ = std::clamp<std::size_t>(share_, 1, std::max<std::size_t>((ranges_ - reserved) / (2 * others_), 1));
  at_ = w.next.fetch_add(share_, std::memory_order_relaxed);
  end_ = std::min(at_ + share_, ranges_);
  at_ = std::min(at_, ranges_);
}

// ---- what stays mapped

void keep_mapped(const void* data, std::shared_ptr<const void> handle) {
  struct kept {
    const void* data;
    std::shared_ptr<const void> handle;
  };
  static std::mutex& mutex = *new std::mutex;
  static auto& recent = *new std::list<kept>;
  std::shared_ptr<const void> dropped;  // after the lock
  const std::lock_guard hold(mutex);
  for (auto it = recent.begin(); it != recent.end(); ++it)
    if (it->data == data) {
      recent.splice(recent.begin(), recent, it);
      return;
    }
  recent.push_front({data, std::move(handle)});
  if (recent.size() > most_kept) {
    dropped = std::move(recent.back().handle);
    recent.pop_back();
  }
}

}  // namespace kin::detail

namespace kin {
void codec<detail::range_claims>::encode(writer& to, const detail::range_claims& value) { value.ref_.encode(to); }
detail::range_claims codec<detail::range_claims>::decode(reader& from) {
  return detail::range_claims(
      detail::object_ref::decode(from, detail::object_kind::range_claims, sizeof(detail::range_claims::words)));
}
}  // namespace kin
