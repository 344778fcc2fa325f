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
constexpr std::size_t most_sections = 64;  // more who take part have none
constexpr std::size_t most_recent = 4;

}  // namespace

struct range_claims::words : object_header {
  alignas(64) std::atomic<std::uint32_t> sections[most_sections];  // who begins there; 0: nobody. A hint
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
  for (auto& section : w.sections) section.store(0, std::memory_order_relaxed);
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

namespace {
bool took(std::atomic<std::uint32_t>& word, std::uint32_t who) noexcept {
  std::uint32_t free = 0;
  return word.load(std::memory_order_relaxed) == 0 &&
         word.compare_exchange_strong(free, who, std::memory_order_relaxed);
}
}  // namespace

claimant::claimant(const range_claims& claims, std::uint32_t who, std::size_t ranges, std::size_t others)
    : claims_(claims),
      words_(claims_.shared()),
      who_(who),
      process_(os::own_pid()),
      ranges_(ranges),
      sections_(std::clamp<std::size_t>(others, 1, most_sections)) {
  if (who == 0 || (who & is_done) != 0 || ranges > range_claims::most_ranges)
    throw decode_error("kin: a part of a map that cannot be");
  for (std::size_t r = ranges; r-- > 0;)
    if (words_.of[r].load(std::memory_order_relaxed) == who) left_.push_back(r);
  take_section();
}

claimant::~claimant() {
  if (in_copy()) return;
  tell();
  // Somebody may go on there. The section of one that died stays its own, and is taken from its end.
  if (own_) words_.sections[*own_].store(0, std::memory_order_relaxed);
}

bool claimant::in_copy() const noexcept { return os::own_pid() != process_; }

void claimant::take_section() {
  thread_local std::size_t last = 0;
  auto& sections = words_.sections;
  for (std::size_t i = 0; i < sections_ && !own_; ++i) {
    const std::size_t section = (last + i) % sections_;
    std::uint32_t nobody = 0;
    if (sections[section].compare_exchange_strong(nobody, who_, std::memory_order_relaxed)) own_ = section;
  }
  if (!own_) return;
  last = *own_;
  at_ = begin_of(*own_);
  end_ = begin_of(*own_ + 1);
}

void claimant::tell() noexcept {
  if (untold_ == 0) return;
  // release: all that was done of them is to be seen by whoever sees that all is done.
  words_.done.fetch_add(untold_, std::memory_order_release);
  untold_ = 0;
}

void claimant::finish() noexcept {
  if (current_ && !in_copy()) end_current();
}

// release: what was done of it is seen by whoever sees this.
void claimant::end_current() noexcept {
  words_.of[*current_].store(who_ | is_done, std::memory_order_release);
  ++untold_;
  current_.reset();
}

std::optional<std::size_t> claimant::next() {
  if (in_copy()) return std::nullopt;
  if (current_) end_current();
  if (!left_.empty()) {
    current_ = left_.back();
    left_.pop_back();
    return current_;
  }
  while (at_ < end_)
    if (took(words_.of[at_++], who_)) return current_ = at_ - 1;
  tell();
  return current_ = find_elsewhere();
}

std::optional<std::size_t> claimant::find_elsewhere() noexcept {
  for (; others_ < sections_; ++others_, sweep_ = 0) {
    const std::size_t section = (own_.value_or(0) + others_) % sections_;
    const std::size_t begin = begin_of(section), end = begin_of(section + 1);
    while (sweep_ < end - begin)
      if (took(words_.of[end - ++sweep_], who_)) return end - sweep_;
  }
  return std::nullopt;
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
  if (recent.size() > most_recent) {
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
