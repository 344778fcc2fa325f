// SPDX-License-Identifier: BSL-1.0
// supervisor: see the header.
#include "memory/supervisor.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <new>
#include <random>
#include <system_error>
#include <thread>
#include <utility>

#include <kin/core/error.hpp>

#include "memory/mutant.hpp"
#include "memory/object_header.hpp"
#include "memory/passage.hpp"
#include "os/memory_barrier.hpp"
#include "os/pidfd.hpp"
#include "os/surroundings.hpp"

namespace kin::detail {
namespace {

constexpr std::size_t worth_a_look = 64;
constexpr std::size_t first_holds = 512;   // words: a page
constexpr std::uint64_t requests_key = 0;  // of the watch set; members are their own keys, and begin at 1

std::uint64_t random_identity() {
  std::random_device source;
  return std::uint64_t{source()} << 32 | source();
}

}  // namespace

supervisor::supervisor() : last_generation_(family_table::members) {
  table_file_ = os::make_memory_file("kin-family", offsetof(family_table, stride));
  table_ = os::mapping(table_file_.get(), sizeof(family_table));
  os::forbid_shrinking(table_file_.get());
  os::forbid_new_writers(table_file_.get());
  arena_.emplace(table_file_.get(), own_table());
  std::tie(link_, requests_) = os::packet_pair();
  room_.reserve(os::most_packet_fds);
  own_table().magic = family_table::magic_value;
  own_table().identity = random_identity();
  own_table().light_publication = os::register_for_heavy_barrier() && os::heavy_barrier() ? 1 : 0;
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
      if (ready[i] != requests_key) deaths |= bury(static_cast<std::uint32_t>(ready[i]));
    if (deaths && !mutant("death not announced")) rouse_everybody();
    for (std::size_t i = 0; i < n; ++i)
      // Several at once: a look at the lists of holds for all of them costs no more than for one.
      for (int most = 64; ready[i] == requests_key && most > 0 && serve(); --most) {
      }
    suspect({}, deaths ? urgency::at_once : std::exchange(wanted_, urgency::with_others));
  }
}

// Not where somebody else had it buried meanwhile, whose number another process may have got.
bool supervisor::bury(std::uint32_t member) {
  const auto found = pidfds_.find(member);
  if (found == pidfds_.end()) return false;
  try {
    if (!os::wait_for_end(found->second.get(), deadline::now())) return false;
  } catch (const os_error&) {
    return false;  // no memory: it will be told of again
  }
  watched_.remove(found->second.get());
  pidfds_.erase(found);
  own_table().generation[member].store(0);
  own_table().deaths.fetch_add(1);
  for (auto f = flags_.begin(); f != flags_.end();) {
    std::erase(f->second.users, member);
    f = f->second.users.empty() ? flags_.erase(f) : std::next(f);
  }
  forget_holds(member);
  return true;
}

void supervisor::bury_dead() {
  std::array<std::uint64_t, 64> ready;
  bool deaths = false;
  for (bool more = true; more;) {
    const std::size_t n = watched_.wait_for(ready, std::chrono::milliseconds(0));
    more = false;
    for (std::size_t i = 0; i < n; ++i)
      if (ready[i] != requests_key) more |= bury(static_cast<std::uint32_t>(ready[i]));
    deaths |= more;
  }
  if (!deaths) return;
  if (!mutant("death not announced")) rouse_everybody();
  suspect({}, urgency::at_once);
}

// Without memory for it, what the dead one had alone (its objects, its chunks) is nobody's while the family lives, and
// its number is not given to another.
void supervisor::forget_holds(std::uint32_t member) noexcept try {
  const std::vector<hold_word> held = holds_.end(member);
  for (const hold_word word : held)
    if (object_header* header = arena_->find(word)) header->passage.fetch_sub(passage::holder);
  unused_.suspect(held);
  arena_->orphan(member);
  free_numbers_.push_back(member);
} catch (const std::bad_alloc&) {
}

void supervisor::rouse_everybody() {
  arena_->each([](object_header& header, std::size_t stride) {
    rouse(header.bell);
    // Not believed beyond the object's end.
    const std::size_t room = (stride - sizeof(object_header)) / sizeof(bell);
    const std::size_t more = std::min<std::size_t>(header.more_bells.load(std::memory_order_acquire), room);
    auto* bells = reinterpret_cast<bell*>(&header + 1);
    for (std::size_t i = 0; i < more; ++i) rouse(bells[i]);
  });
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

void supervisor::answer_about_chunk(const family_request& request, family_answer& reply) {
  const std::size_t size = request.number >> 32, stride = request.number & 0xffffffff;
  if (request.owner.serial == 0) {
    reply.pieces = static_cast<std::uint32_t>(arena_->take_freed(request.member, stride, reply.piece));
    if (reply.pieces != 0) return;
  }
  reply.offset = arena_->allocate(size, stride, request.member, request.owner);
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
      if (request.size == 0) return described(spans_.open_named(request.owner, name));
      free_if_unused(name);
      return described(spans_.make_named(request.owner, name, request.size));
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

// Who makes a name anew may just have given up the last handle of what had it.
void supervisor::free_if_unused(const std::string& name) {
  const span_owner* const owner = spans_.owner_of(name);
  if (owner == nullptr) return;
  const hold_word word = hold_word_for(owner->offset, owner->serial);
  unused_.suspect(std::span(&word, 1));
  look_for_unused();
}

void supervisor::remove_names() noexcept {
  const std::lock_guard hold(mutex_);
  spans_.remove_names();
}

int supervisor::take_flag(std::uint64_t object, std::uint32_t member) {
  if (object % granule != 0 || object >= arena_->end()) throw os_error("poll an object", "flag", EINVAL);
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

bool supervisor::serve() {
  family_request request{};
  os::packet message;
  try {
    message = os::recv_packet(requests_.get(), std::as_writable_bytes(std::span(&request, 1)), os::packet_wait::no,
                              std::move(room_));
  } catch (const std::exception&) {
    return false;  // no descriptors, or no memory, left: it is still there in the next round
  }
  // The next one needs none: without memory it would be there in each round.
  struct at_end {
    ~at_end() {
      from.clear();
      to = std::move(from);
    }
    std::vector<unique_fd>&from, &to;
  } const keeps_room{message.fds, room_};
  if (message.size == 0) return false;
  if (message.size == sizeof request && request.what == family_request::verb::gave_up) note_given_up(request);
  if (message.size != sizeof request || message.fds.empty()) return true;  // its end closes: the asker sees that
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
  } catch (const std::exception&) {
    // The asker is gone, or sent something that is no socket.
  }
  return true;
}

void supervisor::note_given_up(const family_request& request) noexcept try {
  std::array<hold_word, most_given_up> words;
  std::memcpy(words.data(), request.name, sizeof words);
  const std::size_t n = std::min<std::size_t>(request.number, words.size());
  unused_.suspect(std::span(words).first(n));
  if (request.size != 0) wanted_ = urgency::at_once;
} catch (const std::bad_alloc&) {
  // Then these are looked at when the member ends.
}

void supervisor::suspect(std::span<const hold_word> words, urgency when) noexcept try {
  unused_.suspect(words);
  if (when == urgency::at_once || unused_.suspects() > std::max(worth_a_look, holds_.size() / 16)) look_for_unused();
} catch (const std::bad_alloc&) {
  // As above; or in vain, and what nobody holds stays.
}

void supervisor::look_for_unused() {
  unused_.look(*arena_, holds_, [this](const span_owner& object) {
    spans_.keep_only(object, 0);
    flags_.erase(object.offset);
    arena_->free(object);
  });
  if (!arena_->untidy()) return;
  std::vector<hold_word> held;
  holds_.each([&](hold_word word) { held.push_back(word); });
  arena_->tidy(held);
}

void supervisor::give_holds(std::uint32_t member, std::size_t words, family_answer& reply) {
  if (!pidfds_.contains(member)) throw os_error("share objects with other processes", "holds", EINVAL);
  const hold_book::part part = holds_.give(member, words);
  reply.offset = part.offset;
  reply.size = part.size;
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
      give_holds(made.member, first_holds, reply);
      fds.push_back(holds_.file());
      break;
    }
    case family_request::verb::window:
      if (request.number * arena::window_size >= arena_->end()) throw os_error("map shared memory", "window", EINVAL);
      fds.push_back(arena_->file());
      break;
    case family_request::verb::flag:
      fds.push_back(take_flag(request.number, request.member));
      break;
    case family_request::verb::leave_flag:
      leave_flag(request.number, request.member);
      break;
    case family_request::verb::holds:
      give_holds(request.member, request.number, reply);
      fds.push_back(holds_.file());
      break;
    case family_request::verb::chunk:
      answer_about_chunk(request, reply);
      break;
    case family_request::verb::deaths:
      bury_dead();
      break;
    default:
      return answer_about_spans(request, fds);
  }
  return reply;
}

unique_fd supervisor::abandon() noexcept {
  table_.make_read_only();
  for (unique_fd* fd : {&table_file_, &requests_}) fd->reset();
  arena_->abandon();
  holds_.abandon();
  pidfds_.clear();
  spans_.abandon();
  flags_.clear();
  watched_.abandon();
  return std::move(link_);
}

}  // namespace kin::detail
