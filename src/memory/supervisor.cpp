// SPDX-License-Identifier: BSL-1.0
// supervisor: see the header.
#include "memory/supervisor.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <random>
#include <system_error>
#include <thread>

#include <kin/core/error.hpp>

#include "memory/mutant.hpp"
#include "memory/object_header.hpp"
#include "os/memory_barrier.hpp"
#include "os/surroundings.hpp"

namespace kin::detail {
namespace {

constexpr std::uint64_t requests_key = 0;  // of the watch set; members are their own keys, and begin at 1

std::uint64_t random_identity() {
  std::random_device source;
  return std::uint64_t{source()} << 32 | source();
}

// Whoever has a damaged handle may look at a header meanwhile, never at what lies between two.
void clear(std::byte* chunk, std::size_t size, std::size_t stride) noexcept {
  std::size_t at = 0;
  for (; at + stride <= size; at += stride) {
    auto& header = *reinterpret_cast<object_header*>(chunk + at);
    header.kind.store(0);
    header.granules.store(0);
    header.serial.store(0);
    header.escaped.store(0);
    header.bell.word.store(0);
    header.bell.slept_on.store(0);
    header.bell.rung_at.store(0);
    header.bell.in_vain.store(0);
    std::memset(chunk + at + sizeof header, 0, stride - sizeof header);
  }
  std::memset(chunk + at, 0, size - at);
}

}  // namespace

supervisor::supervisor() : last_generation_(family_table::members) {
  table_end_ = offsetof(family_table, stride);
  table_file_ = os::make_memory_file("kin-family", table_end_);
  table_ = os::mapping(table_file_.get(), sizeof(family_table));
  os::forbid_shrinking(table_file_.get());
  os::forbid_new_writers(table_file_.get());
  arena_file_ = os::make_memory_file("kin-arena", 0);
  os::forbid_shrinking(arena_file_.get());
  std::tie(link_, requests_) = os::packet_pair();
  own_table().magic = family_table::magic_value;
  own_table().identity = random_identity();
  own_table().light_publication = os::register_for_heavy_barrier() && os::heavy_barrier() ? 1 : 0;
  windows_.reserve(windows);  // never moves: other threads use mapped windows without the lock
  if (!watched_.add(requests_.get(), requests_key)) throw os_error("watch processes", "epoll_ctl", errno);
  try {
    std::thread([this] { run(); }).detach();
  } catch (const std::system_error& e) {
    throw os_error("start the thread that watches processes", "pthread_create", e.code().value());
  }
  running_.wait(false);  // counted among kin's own threads from here on: start::fork refuses others
}

void supervisor::run() {
  const os::own_thread me("kin-supervisor");
  running_.store(true);
  running_.notify_all();
  std::array<std::uint64_t, 64> ready;
  for (;;) {
    const std::size_t n = watched_.wait(ready);
    const std::lock_guard hold(mutex_);
    // The dead first, all of a storm at once; a request of theirs may still be there.
    bool deaths = false;
    for (std::size_t i = 0; i < n; ++i)
      if (ready[i] != requests_key) {
        bury(static_cast<std::uint32_t>(ready[i]));
        deaths = true;
      }
    if (deaths && !mutant("death not announced")) rouse_everybody();
    for (std::size_t i = 0; i < n; ++i)
      if (ready[i] == requests_key) serve();
  }
}

void supervisor::bury(std::uint32_t member) {
  const auto found = pidfds_.find(member);
  if (found == pidfds_.end()) return;
  watched_.remove(found->second.get());
  pidfds_.erase(found);
  own_table().generation[member].store(0);
  own_table().deaths.fetch_add(1);
  for (auto f = flags_.begin(); f != flags_.end();) {
    std::erase(f->second.users, member);
    f = f->second.users.empty() ? flags_.erase(f) : std::next(f);
  }
  // What only the dead had is free; what it has handed on stays with the others.
  std::erase_if(chunks_, [&](chunk& c) {
    if (c.member != member) return false;
    if (release_private_objects(c)) {
      note_stride(c, 0);
      free_chunks_.emplace_back(c.offset, c.size);
      return true;
    }
    c.member = 0;
    return false;
  });
  spans_.drop_if([&](span_owner owner) { return is_gone(owner); });
  free_numbers_.push_back(member);
}

template <class Visit>
void supervisor::walk(const chunk& c, Visit visit) {
  std::byte* begin = window(c.offset / window_size) + c.offset % window_size;
  // Never into an object's inside: its stride is what the root knows, not what the memory says.
  for (std::size_t at = 0; at + c.stride <= c.size; at += c.stride) {
    auto& header = *reinterpret_cast<object_header*>(begin + at);
    if (header.kind.load(std::memory_order_acquire) != 0) visit(header);
  }
}

void supervisor::rouse_everybody() {
  for (const chunk& c : chunks_)
    walk(c, [&](object_header& header) {
      rouse(header.bell);
      // Not believed beyond the object's end.
      const std::size_t room = (c.stride - sizeof(object_header)) / sizeof(bell);
      const std::size_t more = std::min<std::size_t>(header.more_bells.load(std::memory_order_acquire), room);
      auto* bells = reinterpret_cast<bell*>(&header + 1);
      for (std::size_t i = 0; i < more; ++i) rouse(bells[i]);
    });
}

bool supervisor::release_private_objects(const chunk& c) {
  bool empty = true;
  walk(c, [&](object_header& header) {
    if (header.escaped.load() != 0)
      empty = false;
    else
      header.kind.store(0);
  });
  if (empty) clear(window(c.offset / window_size) + c.offset % window_size, c.size, c.stride);
  return empty;
}

bool supervisor::is_gone(span_owner owner) {
  if (owner.offset % granule != 0 || owner.offset >= end_) return true;
  const auto& header =
      *reinterpret_cast<object_header*>(window(owner.offset / window_size) + owner.offset % window_size);
  return header.kind.load(std::memory_order_acquire) == 0 || header.serial.load() != owner.serial;
}

membership supervisor::new_member() {
  std::uint32_t member = 0;
  if (next_number_ < family_table::members) {
    member = next_number_++;
  } else if (!free_numbers_.empty()) {
    member = free_numbers_.front();
    free_numbers_.pop_front();
  } else {
    throw os_error("let more than " + std::to_string(family_table::members - 1) + " processes share objects", "join",
                   EAGAIN);
  }
  std::uint32_t& generation = last_generation_[member];
  if (++generation == 0) ++generation;
  own_table().generation[member].store(generation);
  return {member, generation};
}

membership supervisor::join_root() {
  const std::lock_guard hold(mutex_);
  return new_member();
}

membership supervisor::join(unique_fd pidfd) {
  const membership made = new_member();
  if (!watched_.add(pidfd.get(), made.member)) {
    const int error = errno;
    own_table().generation[made.member].store(0);
    free_numbers_.push_back(made.member);
    throw os_error("watch a process", "epoll_ctl", error);
  }
  pidfds_[made.member] = std::move(pidfd);
  return made;
}

std::byte* supervisor::window(std::size_t number) {
  while (windows_.size() <= number)
    windows_.emplace_back(arena_file_.get(), windows_.size() * window_size, window_size, os::access::write);
  return windows_[number].data();
}

void supervisor::grow(std::size_t by) {
  const std::size_t table_end = offsetof(family_table, stride) + (end_ + by) / chunk_unit * sizeof(std::uint16_t);
  if (table_end > table_end_) {
    os::grow_memory_file(table_file_.get(), table_end_, (table_end + 4095) / 4096 * 4096);
    table_end_ = (table_end + 4095) / 4096 * 4096;
  }
  os::grow_memory_file(arena_file_.get(), end_, end_ + by);
  end_ += by;
  own_table().arena_end.store(end_);
}

std::uint64_t supervisor::allocate_chunk(std::size_t size, std::size_t stride, std::uint32_t member) {
  size = (size + chunk_unit - 1) / chunk_unit * chunk_unit;
  if (size == 0 || size > window_size || stride < granule || stride % granule != 0)
    throw os_error("allocate shared memory", "chunk", EINVAL);
  const auto fits = std::find_if(free_chunks_.begin(), free_chunks_.end(), [&](auto& c) { return c.second == size; });
  if (fits != free_chunks_.end()) {
    const std::uint64_t offset = fits->first;
    chunks_.push_back({offset, size, stride, member});
    free_chunks_.erase(fits);
    note_stride(chunks_.back(), static_cast<std::uint16_t>(stride / granule));
    return offset;
  }
  // A chunk lies in one window. What is left of the last one is kept for others.
  if (const std::size_t left = (window_size - end_ % window_size) % window_size; left != 0 && left < size) {
    grow(left);
    for (std::uint64_t at = end_ - left; at < end_; at += chunk_unit) free_chunks_.emplace_back(at, chunk_unit);
  }
  if (end_ / window_size >= windows) throw os_error("allocate shared memory: too many objects", "chunk", ENOSPC);
  window(end_ / window_size);
  const std::uint64_t offset = end_;
  grow(size);
  chunks_.push_back({offset, size, stride, member});
  note_stride(chunks_.back(), static_cast<std::uint16_t>(stride / granule));
  return offset;
}

// Only the first unit of a chunk that has several: it holds one object.
void supervisor::note_stride(const chunk& c, std::uint16_t stride) noexcept {
  own_table().stride[c.offset / chunk_unit].store(stride, std::memory_order_release);
}

family_answer supervisor::answer_about_spans(const family_request& request, std::vector<int>& fds) {
  const auto described = [&](const span_store::span& s) {
    fds.push_back(spans_.file(s));
    family_answer reply{};
    reply.number = s.number;
    reply.offset = s.offset;
    reply.size = s.size;
    return reply;
  };
  const std::string name(request.name, strnlen(request.name, sizeof request.name));
  switch (request.what) {
    case family_request::verb::make_span:
      spans_.keep_only(request.owner, request.number);
      if (name.empty()) return described(spans_.make(request.owner, request.size));
      return described(request.size == 0 ? spans_.open_named(request.owner, name)
                                         : spans_.make_named(request.owner, name, request.size));
    case family_request::verb::open_span:
      if (const auto* found = spans_.find(request.owner, request.number)) return described(*found);
      throw os_error("find shared memory", "span", ENOENT);
    case family_request::verb::forget_name:
      spans_.forget_name(name);
      return {};
    default:
      spans_.keep_only(request.owner, request.number);
      return {};
  }
}

void supervisor::remove_names() noexcept {
  const std::lock_guard hold(mutex_);
  spans_.remove_names();
}

int supervisor::take_flag(std::uint64_t object, std::uint32_t member) {
  if (object % granule != 0 || object >= end_) throw os_error("poll an object", "flag", EINVAL);
  flag& f = flags_.try_emplace(object).first->second;
  f.users.push_back(member);
  return f.fd.get();
}

void supervisor::leave_flag(std::uint64_t object, std::uint32_t member) noexcept {
  const auto found = flags_.find(object);
  if (found == flags_.end()) return;
  auto& users = found->second.users;
  if (const auto one = std::find(users.begin(), users.end(), member); one != users.end()) users.erase(one);
  if (users.empty()) flags_.erase(found);
}

void supervisor::serve() {
  family_request request{};
  os::packet message;
  try {
    message = os::recv_packet(requests_.get(), std::as_writable_bytes(std::span(&request, 1)), os::packet_wait::no);
  } catch (const error&) {
    return;
  }
  if (message.size != sizeof request || message.fds.empty()) return;  // its end closes: the asker sees that
  family_answer reply{};
  std::vector<int> fds;
  try {
    reply = answer(request, message, fds);
  } catch (const os_error& e) {
    reply.error = e.code().value();
  } catch (const std::exception&) {
    reply.error = ENOMEM;
  }
  try {
    os::send_packet(message.fds[0].get(), std::as_bytes(std::span(&reply, 1)), fds, os::packet_wait::no);
  } catch (const error&) {
    // The asker is gone, or sent something that is no socket.
  }
}

family_answer supervisor::answer(const family_request& request, os::packet& message, std::vector<int>& fds) {
  family_answer reply{};
  switch (request.what) {
    case family_request::verb::join: {
      if (message.fds.size() < 2) throw os_error("watch a process", "recvmsg", message.fds_lost ? EMFILE : EINVAL);
      const membership made = join(std::move(message.fds[1]));
      reply.member = made.member;
      reply.generation = made.generation;
      fds.push_back(table_file_.get());
      break;
    }
    case family_request::verb::window:
      if (request.number * window_size >= end_) throw os_error("map shared memory", "window", EINVAL);
      fds.push_back(arena_file_.get());
      break;
    case family_request::verb::flag:
      fds.push_back(take_flag(request.number, request.member));
      break;
    case family_request::verb::leave_flag:
      leave_flag(request.number, request.member);
      break;
    case family_request::verb::chunk:
      reply.offset = allocate_chunk(request.number >> 32, request.number & 0xffffffff, request.member);
      break;
    default:
      return answer_about_spans(request, fds);
  }
  return reply;
}

unique_fd supervisor::abandon() noexcept {
  table_.make_read_only();
  for (unique_fd* fd : {&table_file_, &arena_file_, &requests_}) fd->reset();
  pidfds_.clear();
  spans_.abandon();
  flags_.clear();
  watched_.abandon();
  return std::move(link_);
}

}  // namespace kin::detail
