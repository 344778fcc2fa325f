// SPDX-License-Identifier: BSL-1.0
// watch_set: see the header.
#include "os/watch_set.hpp"

#include <sys/epoll.h>

#include <algorithm>

#include <kin/os/duplicate.hpp>

#include "os/gate.hpp"

namespace kin::os {

watch_set::watch_set()
    : epoll_(above_standard(
          unique_fd(call("epoll_create1", "watch descriptors", [] { return ::epoll_create1(EPOLL_CLOEXEC); })))) {}

namespace {
bool watch(int epoll, int fd, std::uint32_t events, std::uint64_t key) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.u64 = key;
  return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}
}  // namespace

bool watch_set::add(int fd, std::uint64_t key) noexcept { return watch(epoll_.get(), fd, EPOLLIN, key); }
bool watch_set::add_for_end(int fd, std::uint64_t key) noexcept { return watch(epoll_.get(), fd, 0, key); }

void watch_set::remove(int fd) noexcept { ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

void watch_set::also_writable(int fd, std::uint64_t key, bool wanted) noexcept {
  epoll_event event{};
  event.events = wanted ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.u64 = key;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

namespace {
std::size_t ready(int epoll, std::span<std::uint64_t> keys, int milliseconds) noexcept {
  epoll_event events[64];
  const int most = static_cast<int>(std::min<std::size_t>(keys.size(), 64));
  const int n = ::epoll_wait(epoll, events, most, milliseconds);
  for (int i = 0; i < n; ++i) keys[static_cast<std::size_t>(i)] = events[i].data.u64;
  return n > 0 ? static_cast<std::size_t>(n) : 0;
}
}  // namespace

std::size_t watch_set::wait(std::span<std::uint64_t> keys) noexcept {
  for (;;)
    if (const std::size_t n = ready(epoll_.get(), keys, -1); n > 0) return n;
}

std::size_t watch_set::wait_for(std::span<std::uint64_t> keys, std::chrono::milliseconds time) noexcept {
  return ready(epoll_.get(), keys, static_cast<int>(time.count()));
}

}  // namespace kin::os
