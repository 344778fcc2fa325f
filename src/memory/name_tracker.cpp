// SPDX-License-Identifier: BSL-1.0
// name_tracker: see the header.
#include "memory/name_tracker.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <utility>

#include <kin/core/deadline.hpp>

#include "os/fork_hooks.hpp"
#include "os/own_process.hpp"
#include "os/packet.hpp"
#include "os/poll.hpp"
#include "os/socket.hpp"

namespace kin::detail {
namespace {

constexpr std::size_t first_size = 4096;

using starter = std::function<unique_fd(int book)>;

// Under os::whole_over_fork. Never destroyed: the root's thread may need it while the process exits.
std::shared_ptr<const starter>& the_starter() {
  static auto* const s = new std::shared_ptr<const starter>;
  return *s;
}

std::span<name_record> records_in(const os::mapping& book) noexcept {
  return {reinterpret_cast<name_record*>(book.data()), book.size() / sizeof(name_record)};
}

// Whoever is killed before the first character has written nothing.
void write(name_record& place, const std::string& name, const os::memory_identity& identity) {
  place.identity = identity;
  std::memcpy(place.name + 1, name.c_str() + 1, name.size());  // with the end
  std::atomic_ref(place.name[0]).store(name[0], std::memory_order_release);
}

void erase(name_record& place) noexcept { std::atomic_ref(place.name[0]).store(0, std::memory_order_release); }

void remove_names(int book) {
  const os::mapping mapped(book, 0, os::memory_file_size(book), os::access::read);
  for (const name_record& each : records_in(mapped)) try {
      const std::string name(each.name, strnlen(each.name, sizeof each.name));
      if (!name.empty()) os::unlink_named_memory(name, each.identity);
    } catch (const std::exception&) {
      // The others still go.
    }
}

}  // namespace

void name_tracker::start_by(std::function<unique_fd(int book)> start) {
  auto made = std::make_shared<const starter>(std::move(start));
  const std::lock_guard hold(os::whole_over_fork);
  the_starter() = std::move(made);
}

std::span<name_record> name_tracker::records() const noexcept { return records_in(mapped_); }

name_record& name_tracker::free_place() {
  const auto is_free = [](const name_record& r) { return r.name[0] == 0; };
  if (const auto found = std::ranges::find_if(records(), is_free); found != records().end()) return *found;
  const std::size_t had = mapped_.size(), size = std::max(first_size, 2 * had);
  if (!book_) book_ = os::make_memory_file("kin-names", 0);
  os::grow_memory_file(book_.get(), had, size);
  mapped_ = os::mapping(book_.get(), size);
  return records()[had / sizeof(name_record)];
}

void name_tracker::add(const std::string& name, const os::memory_identity& identity) {
  static_assert(sizeof(name_record::name) > os::longest_memory_name);
  name_record& place = free_place();
  start_one_if_none();
  write(place, name, identity);
}

void name_tracker::remove(const os::memory_identity& identity) noexcept {
  const auto is_it = [&](const name_record& r) { return r.name[0] != 0 && r.identity == identity; };
  if (const auto found = std::ranges::find_if(records(), is_it); found != records().end()) erase(*found);
}

void name_tracker::abandon() noexcept {
  link_.reset();
  book_.reset();
  mapped_ = {};
}

void name_tracker::start_one_if_none() {
  if (link_ && !os::is_hung_up(link_.get())) return;
  std::shared_ptr<const starter> start;
  {
    const std::lock_guard hold(os::whole_over_fork);
    start = the_starter();
  }
  if (!start) return;
  link_.reset();
  link_ = (*start)(book_.get());
}

void run_name_tracker(unique_fd link, unique_fd root, unique_fd book) noexcept {
  try {
    os::go_on_in_a_copy();
    os::name_own_process("kin-names");
    os::ignore_group_signals();
    os::silence_standard_streams();
    os::send_packet(link.get(), std::as_bytes(std::span(&name_tracker_is_there, 1)), {}, os::packet_wait::no);
    std::array<pollfd, 2> either{{{link.get(), 0, 0}, {root.get(), POLLIN, 0}}};  // a hang-up is always told
    os::poll_until(either, deadline::never());
    remove_names(book.get());
  } catch (const std::exception&) {
    // Its root sees that the link has hung up, and starts another for its next name.
  }
  os::leave_at_once(0);
}

}  // namespace kin::detail
