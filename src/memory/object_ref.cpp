// SPDX-License-Identifier: BSL-1.0
// object_ref: see the header: objects made, encoded and decoded, and their memory.
#include <kin/memory/object_ref.hpp>

#include <optional>
#include <utility>

#include <kin/core/error.hpp>
#include <kin/wire/codec.hpp>

#include "memory/cpu.hpp"
#include "memory/family.hpp"
#include "memory/object_header.hpp"
#include "memory/object_hold.hpp"
#include "memory/passage.hpp"
#include "os/process_id.hpp"

namespace kin::detail {
namespace {

// A handle's size, on the wire: bytes, and above them eight times the same four bits: the delivery, and whether the
// object has parts. Eight times, because one of these in place of another must not look right when it is damaged.
constexpr int sort_shift = 32;
constexpr std::uint64_t has_parts = 4, eight_times = 0x11111111;

// An object's handle in a message, until that is dropped, or has arrived and is counted.
class sent_handle final : public passenger {
 public:
  explicit sent_handle(const object_ref& object) : object_(object) {}
  sent_handle(const sent_handle&) = delete;
  sent_handle& operator=(const sent_handle&) = delete;
  ~sent_handle() override {
    if (under_way_) passage::end(object_->get()->passage, 0);
  }
  /// False: it cannot be counted.
  bool leave() noexcept { return under_way_ = passage::begin(object_->get()->passage); }
  void arrive() noexcept override {
    if (std::exchange(under_way_, false)) object_.reset();
  }

 private:
  std::optional<object_ref> object_;
  bool under_way_ = false;
};

}  // namespace

object_ref::object_ref(std::shared_ptr<object_hold> hold) noexcept : header_(hold->header), hold_(std::move(hold)) {}

object_ref object_ref::make(object_kind kind, std::size_t size) {
  size = (size + granule - 1) / granule * granule;
  const family::piece piece = family::allocate(size);
  auto* header = reinterpret_cast<object_header*>(piece.data);
  std::shared_ptr<object_hold> hold;
  try {
    hold = std::make_shared<object_hold>(piece.offset, header, size, 0);
    object_registry& all = the_registry();
    const std::lock_guard guard(all.mutex);
    hold->serial = all.new_serial();
    all.enter(*hold);
    all.holds.insert_or_assign(piece.offset, object_registry::known{hold, hold.get()});
    hold->counted = true;
    hold->maker = os::own_pid();
    header->serial.store(hold->serial);
    header->passage.store(passage::holder);
    header->bell.word.store(0);
    header->bell.slept_on.store(0);
    header->bell.in_vain.store(0);
    header->more_bells.store(0);
    header->granules.store(static_cast<std::uint16_t>(size / granule));
    header->kind.store(static_cast<std::uint32_t>(kind), std::memory_order_release);
  } catch (...) {
    family::release(piece.offset, size);
    throw;
  }
  return object_ref(std::move(hold));
}

void object_ref::encode(writer& to) const {
  delivery how = to.handles();
  hold_->shared.store(true);
  if (how == delivery::kept) {
    header_->passage.fetch_or(passage::kept);
  } else {
    auto sent = std::make_unique<sent_handle>(*this);
    if (how == delivery::once && !sent->leave()) how = delivery::kept;
    to.carry(std::move(sent));
  }
  const std::uint64_t sort = static_cast<std::uint64_t>(how) | (hold_->large.load() ? has_parts : 0);
  to(family::table->identity, hold_->offset, hold_->serial,
     std::uint64_t{hold_->size} | sort * eight_times << sort_shift);
}

object_ref object_ref::decode(reader& from, object_kind kind, std::size_t least_size) {
  std::uint64_t identity = 0, offset = 0, serial = 0, size = 0;
  from(identity, offset, serial, size);
  (void)family::self();
  if (identity != family::table->identity)
    throw decode_error(
        "kin: a handle to shared memory of other processes: mutexes, events, values and their kin can be handed only "
        "to "
        "processes that were started, directly or not, by the same first process");
  const std::uint64_t sort = size >> sort_shift & 0xf;
  const std::uint64_t how_sent = sort & 3;
  const bool intact = size >> sort_shift == sort * eight_times && sort < 2 * has_parts &&
                      how_sent <= static_cast<std::uint64_t>(delivery::lent);
  size &= (std::uint64_t{1} << sort_shift) - 1;
  if (!intact || size < least_size || size > std::size_t{1} << 20)
    throw decode_error("kin: not a handle to a shared object");
  const auto how = static_cast<delivery>(how_sent);
  auto* header = reinterpret_cast<object_header*>(family::at(offset, size));
  const auto exists = [&] {
    return header && header->kind.load(std::memory_order_acquire) == static_cast<std::uint32_t>(kind) &&
           header->serial.load() == serial && header->granules.load() == size / granule;
  };
  const auto check = [&] {
    if (!exists()) throw decode_error("kin: a handle to a shared object that does not exist (any more)");
  };
  check();
  object_registry& all = the_registry();
  for (std::shared_ptr<object_hold> fresh;; fresh = std::make_shared<object_hold>(offset, header, size, serial)) {
    std::shared_ptr<object_hold> held;
    const std::lock_guard guard(all.mutex);
    const auto found = all.holds.find(offset);
    if (found != all.holds.end()) held = found->second.hold.lock();
    if (held && held->serial == serial) {
      if (how == delivery::once) passage::end(header->passage, 0);
      return object_ref(std::move(held));
    }
    if (!fresh) continue;
    object_registry::known& known = all.holds[offset];
    if (known.raw == nullptr) known = {fresh, fresh.get()};
    all.enter(*fresh);
    // Pairs with the root's between the end of an object and its last look at the lists.
    cpu::full_fence();
    check();
    known = {fresh, fresh.get()};
    fresh->shared.store(true);
    fresh->large.store((sort & has_parts) != 0);
    fresh->counted = true;
    if (how == delivery::once)
      passage::end(header->passage, passage::holder);
    else
      header->passage.fetch_add(passage::holder + passage::transfer);
    return object_ref(std::move(fresh));
  }
}

std::uint64_t object_ref::offset() const noexcept { return hold_->offset; }
std::size_t object_ref::size() const noexcept { return hold_->size; }

namespace {
object_ref::span known_here(family::mapped_span s) {
  auto memory = std::make_shared<os::mapping>(std::move(s.memory));
  return {s.number, memory->data(), memory->size(), memory};
}
}  // namespace

object_ref::span object_ref::make_span(std::size_t size, std::uint64_t kept, const std::string& name) const {
  hold_->note_parts();
  return known_here(family::make_span({hold_->offset, hold_->serial}, size, kept, name));
}
object_ref::span object_ref::open_named_span(const std::string& name) const {
  hold_->note_parts();
  return known_here(family::open_named_span({hold_->offset, hold_->serial}, name));
}
object_ref::span object_ref::open_span(std::uint64_t number) const {
  hold_->note_parts();
  return known_here(family::open_span({hold_->offset, hold_->serial}, number));
}
void object_ref::keep_span(std::uint64_t kept) const noexcept {
  family::keep_span({hold_->offset, hold_->serial}, kept);
}

object_ref::part object_ref::make_part(std::size_t size) const {
  hold_->note_parts();
  const family::piece made = family::allocate_part({hold_->offset, hold_->serial}, size);
  return {made.offset, made.data};
}

std::shared_ptr<void> object_ref::keep_beside(std::shared_ptr<void> offered) const {
  const std::lock_guard guard(the_registry().mutex);
  if (!hold_->beside) hold_->beside = std::move(offered);
  return hold_->beside;
}

void object_ref::on_last_handle(void (*leave)(object_header&, std::size_t) noexcept) const { hold_->leave = leave; }

}  // namespace kin::detail
