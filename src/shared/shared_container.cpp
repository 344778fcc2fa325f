// SPDX-License-Identifier: BSL-1.0
// shared_container: see the header. A small version lies in the object itself, a larger one in a span; both have two
// halves, so that the next version can be written beside the one that counts. current says which counts: one store.
#include <kin/shared/shared_container.hpp>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <stdexcept>

#include <kin/core/error.hpp>
#include <kin/wire/codec.hpp>

#include "memory/mutant.hpp"
#include "shared/version.hpp"
#include "sync/owned_lock.hpp"

namespace kin::detail {

struct container_object : owned_lock {
  std::atomic<std::uint64_t> current;           // number of the span << 1 | which half; 0 as number: in the object
  std::atomic<std::uint32_t> left_by_the_dead;  // 1: a writer died, and nobody has tidied up after it yet
};

namespace {

constexpr std::size_t halves_at = 128, half_size_inside = 448;
constexpr std::size_t object_size = halves_at + 2 * half_size_inside;
static_assert(sizeof(container_object) <= halves_at);
// As many as lie in the object, a power of two.
std::size_t fewest_entries(container_form form) noexcept {
  return version::size_for(form, 4, 0) <= half_size_inside ? 4 : 2;
}

}  // namespace

// What this process has mapped. Changed by whoever holds the lock, as a whole: a fork may come at any time.
struct opened_version {
  std::uint64_t current;
  object_ref::span span;  // none: in the object
  std::byte* halves;
  std::size_t half_size;
  version contents;
};
struct container_beside {
  std::atomic<opened_version*> opened{nullptr};
  container_beside() = default;
  container_beside(const container_beside&) = delete;
  container_beside& operator=(const container_beside&) = delete;
  ~container_beside() { delete opened.load(); }
};

namespace {

/// Null: this process knows nothing of it yet, or somebody has to tidy up first.
inline version* known_version(const container_object& object, const container_beside& beside) noexcept {
  opened_version* known = beside.opened.load(std::memory_order_acquire);
  return known && known->current == object.current.load(std::memory_order_acquire) && known->contents.is_still_this() &&
                 object.left_by_the_dead.load(std::memory_order_relaxed) == 0
             ? &known->contents
             : nullptr;
}
// A copy of this process, forked within update(), does not have the lock. (Its word would say so too, but to read what
// a locked instruction has just written takes as long as the instruction.)
inline void leave(container_object& object, claim me) noexcept {
  if (me == family::this_thread) object.release();
}
/// Whether version::read() and overwrite() are for it.
inline bool is_quick(container_form form) noexcept { return form.inline_keys && form.value_words != 0; }

}  // namespace

inline container_object& shared_container::object() const noexcept {
  return *static_cast<container_object*>(ref_.get());
}

shared_container::shared_container(object_ref ref, container_form form)
    : ref_(ref),
      beside_(std::static_pointer_cast<container_beside>(ref_.keep_beside(std::make_shared<container_beside>()))),
      form_(form) {}

shared_container::shared_container(object_kind kind, container_form form)
    : shared_container(object_ref::make(kind, object_size), form) {
  version::begin(reinterpret_cast<std::byte*>(ref_.get()) + halves_at, half_size_inside, form, fewest_entries(form));
}

shared_container shared_container::decode(reader& from, object_kind kind, container_form form) {
  return {object_ref::decode(from, kind, object_size), form};
}

container_access::container_access(const shared_container& all)
    : all_(all), object_(*static_cast<container_object*>(all.ref_.get())), me_(family::self()) {
  if (!object_.try_take(me_) && object_.lock_slowly(me_, deadline::never()) != owned_lock::outcome::locked) {
    object_.recover_slowly(me_);
    if (!mutant("lock taken over without repair")) object_.left_by_the_dead.store(1);
  }
  now_ = known_version(object_, *all_.beside_);
  if (now_) [[likely]]
    return;
  try {
    open();
    if (object_.left_by_the_dead.load() != 0) tidy_up();
  } catch (...) {
    object_.release();
    throw;
  }
}

container_access::~container_access() { leave(object_, me_); }

void container_access::require_lock() const {
  if (me_ != family::this_thread)
    throw closed_error(
        "kin: this process was forked inside update(), whose lock its parent has; nothing was put back here");
}

// What the dead one has not got to: the rest of a value in its entry, its count, and the memory of a version it was
// writing.
void container_access::tidy_up() {
  now_->repair();
  all_.ref_.keep_span(object_.current.load() >> 1);
  object_.left_by_the_dead.store(0);
}

void container_access::open() {
  const std::uint64_t current = object_.current.load(std::memory_order_acquire);
  opened_version* known = all_.beside_->opened.load(std::memory_order_acquire);
  object_ref::span span;
  std::byte* halves = reinterpret_cast<std::byte*>(&object_) + halves_at;
  std::size_t half_size = half_size_inside;
  if (const std::uint64_t number = current >> 1; number != 0) {
    span = known && known->span.number == number ? known->span : all_.ref_.open_span(number);
    halves = span.data;
    half_size = span.size / 2 / 64 * 64;
  }
  const version contents(halves + (current & 1) * half_size, half_size, all_.form_);
  know(std::make_unique<opened_version>(opened_version{current, std::move(span), halves, half_size, contents}));
}

void container_access::know(std::unique_ptr<opened_version> opened) noexcept {
  now_ = &opened->contents;
  delete all_.beside_->opened.exchange(opened.release(), std::memory_order_acq_rel);
}

void container_access::write_anew(std::size_t entries, std::size_t heap_bytes, void (*fill)(version&, void*),
                                  void* argument) {
  const container_form form = all_.form_;
  const opened_version& known = *all_.beside_->opened.load(std::memory_order_relaxed);
  const std::uint64_t number = known.current >> 1, other_half = (known.current & 1) ^ 1;
  entries = std::bit_ceil(std::max(entries, fewest_entries(form)));
  const std::size_t needed = version::size_for(form, entries, heap_bytes);
  object_ref::span span;
  std::byte* halves = reinterpret_cast<std::byte*>(&object_) + halves_at;
  std::size_t half_size = known.half_size;
  std::uint64_t next = 0;
  if (needed <= half_size_inside) {
    next = number == 0 ? other_half : 0;
    half_size = half_size_inside;
  } else if (number != 0 && needed <= half_size && needed >= half_size / 8) {
    next = number << 1 | other_half;
    span = known.span;
    halves = known.halves;
  } else {
    half_size = (needed + 4095) / 4096 * 4096;
    span = all_.ref_.make_span(2 * half_size, number);
    next = span.number << 1;
    halves = span.data;
  }
  // What this process is to know of it: after it counts nothing may fail.
  const version begun = version::begin(halves + (next & 1) * half_size, half_size, form, entries);
  auto opened = std::make_unique<opened_version>(opened_version{next, std::move(span), halves, half_size, begun});
  if (mutant("version before its contents")) object_.current.store(next, std::memory_order_release);
  fill(opened->contents, argument);
  if (mutant("span given away before another counts") && next >> 1 != number) all_.ref_.keep_span(next >> 1);
  object_.current.store(next, std::memory_order_release);  // from here on it counts
  if (next >> 1 != number) all_.ref_.keep_span(next >> 1);
  know(std::move(opened));
}

void container_access::make_room(std::size_t heap_bytes) {
  const version::need alive = now_->needed();
  struct both {
    const version* old;
    container_form form;
  } argument{now_, all_.form_};
  // Twice what lies there: as much again can be written before it is done the next time.
  write_anew(
      alive.entries + alive.entries / 2 + 1, 2 * (heap_bytes + alive.heap_bytes),
      [](version& fresh, void* given) {
        const auto& [old, how] = *static_cast<both*>(given);
        const std::size_t n = old->used();
        bool whole = true;  // or it has been changed since it was measured
        for (std::size_t i = 0; i < n; ++i) {
          if (!how.is_dict)
            whole &= fresh.prepare(i, old->value(i));
          else if (old->is_live(i))
            whole &= fresh.insert(old->hash(i), old->key(i), old->value(i));
        }
        if (!whole) throw_damaged_container();
        if (!how.is_dict) fresh.use(n);
      },
      &argument);
}

std::size_t container_access::size() const noexcept { return now_->live(); }

void container_access::clear() {
  write_anew(
      0, 0, [](version&, void*) {}, nullptr);
}

// Where nobody has the lock and all is known, without calls, as version::read() is. In two functions, so that nothing
// has to be saved on the stack before the lock is taken: what is seems to be had back only when the locked instruction
// is over (19 ns instead of 15).
bool shared_container::read(byte_view key, std::span<std::byte> value) const {
  const claim me = family::this_thread;
  if (me != 0 && is_quick(form_) && object().try_take(me)) [[likely]]
    return read_holding(key, value, me);
  return read_slowly(key, value);
}
bool shared_container::read_holding(byte_view key, std::span<std::byte> value, claim me) const {
  const version* const now = known_version(object(), *beside_);
  const bool found = now && now->read(inline_word(key), value);
  leave(object(), me);
  return now ? found : read_slowly(key, value);
}
bool shared_container::read_slowly(byte_view key, std::span<std::byte> value) const {
  const container_access dict(*this);
  const byte_view there = dict.find(key);
  if (there.data() == nullptr) return false;
  if (there.size() < value.size() || there.size() >= value.size() + 8) throw_damaged_element();
  std::memcpy(value.data(), there.data(), value.size());
  return true;
}

void shared_container::set(byte_view key, byte_view value) const {
  const claim me = family::this_thread;
  if (me != 0 && is_quick(form_) && object().try_take(me)) [[likely]]
    return set_holding(key, value, me);
  container_access(*this).set(key, value);
}
void shared_container::set_holding(byte_view key, byte_view value, claim me) const {
  version* const now = known_version(object(), *beside_);
  const bool done = now && now->overwrite(inline_word(key), value);
  leave(object(), me);
  if (!done) container_access(*this).set(key, value);
}

byte_view container_access::find(byte_view key) const {
  const std::size_t entry = now_->find(now_->hash_of_key(key), key);
  return entry == version::npos ? byte_view() : now_->value(entry);
}

void container_access::set(byte_view key, byte_view value) {
  const std::uint64_t hash = now_->hash_of_key(key);
  for (int attempt = 0;; ++attempt) {
    const std::size_t entry = now_->find(hash, key);
    if (entry == version::npos ? now_->insert(hash, key, value) : now_->set(entry, value)) return;
    if (attempt != 0) throw std::length_error("kin: a value of more than 4 GiB in a shared dict");
    const container_form form = all_.form_;
    make_room((form.inline_keys ? 0 : version::block_size(key.size())) +
              (form.value_words != 0 ? 0 : version::block_size(value.size())));
  }
}

bool container_access::erase(byte_view key) {
  const std::size_t entry = now_->find(now_->hash_of_key(key), key);
  if (entry == version::npos) return false;
  now_->erase(entry);
  return true;
}

bool container_access::last(byte_view& key, byte_view& value) const {
  const std::size_t i = now_->last_live();
  if (i == version::npos) return false;
  key = now_->key(i);
  value = now_->value(i);
  return true;
}

bool container_access::next(std::size_t& entry, byte_view& key, byte_view& value) const {
  for (const std::size_t n = now_->used(); entry < n; ++entry)
    if (now_->is_live(entry)) {
      key = now_->key(entry);
      value = now_->value(entry);
      return true;
    }
  return false;
}

byte_view container_access::at(std::size_t index) const { return now_->value(index); }
std::vector<byte_view> container_access::values() const { return now_->values(); }

void container_access::set_at(std::size_t index, byte_view value) {
  if (now_->set(index, value)) return;
  make_room(version::block_size(value.size()));  // an inline one always fits
  if (!now_->set(index, value)) throw std::length_error("kin: an element of more than 4 GiB in a shared list");
}

void container_access::append(std::span<const byte_view> values) {
  const std::size_t before = now_->used();
  if (mutant("length before the elements")) now_->use(before + values.size());
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!now_->prepare(before + i, values[i])) {
      std::vector<byte_view> all = now_->values();
      all.insert(all.end(), values.begin(), values.end());
      return assign(all);
    }
  now_->use(before + values.size());
}

void container_access::pop_back() { now_->use(now_->used() - 1); }

void container_access::assign(std::span<const byte_view> values) {
  std::size_t bytes = 0;
  if (all_.form_.value_words == 0)
    for (const byte_view value : values) bytes += version::block_size(value.size());
  struct result {
    std::span<const byte_view> values;
    bool fits;
  } argument{values, true};
  const auto fill = [](version& fresh, void* given) {
    auto& to = *static_cast<result*>(given);
    for (std::size_t i = 0; i < to.values.size(); ++i)
      if (!fresh.prepare(i, to.values[i]))
        throw std::length_error("kin: an element of more than 4 GiB in a shared list");
    fresh.use(to.values.size());
  };
  write_anew(values.size() + values.size() / 2 + 1, 2 * bytes, fill, &argument);
}

void throw_damaged_element() { throw decode_error("kin: a shared list or dict holds values of another type"); }
void throw_beyond_end() { throw std::out_of_range("kin: an index beyond the end of a shared list"); }
void throw_missing_key(const std::string& key) {
  throw std::out_of_range(key.empty() ? "kin: no such key in a shared dict"
                                      : "kin: no such key in a shared dict: " + key);
}

}  // namespace kin::detail
