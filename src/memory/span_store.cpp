// SPDX-License-Identifier: BSL-1.0
// span_store: see the header.
#include "memory/span_store.hpp"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <new>

#include <kin/core/error.hpp>

#include "memory/page.hpp"
#include "os/memory_file.hpp"
#include "os/named_memory.hpp"

namespace kin::detail {
namespace {

constexpr std::size_t most_in_span = std::size_t{1} << 46;

void check_size(std::size_t size) {
  if (size == 0 || size > most_in_span) throw os_error("allocate shared memory", "span", size == 0 ? EINVAL : ENOMEM);
}
std::size_t whole_pages(std::size_t size) {
  check_size(size);
  return (size + page - 1) / page * page;
}

}  // namespace

const span_store::span& span_store::add(span s) {
  s.number = last_number_ + 1;
  const span& added = spans_.emplace(s.owner.offset, std::move(s))->second;
  ++last_number_;
  return added;
}

const span_store::span& span_store::make(span_owner owner, std::size_t size) {
  size = whole_pages(size);
  if (!file_) {
    file_ = os::make_memory_file("kin-spans", 0);
    os::forbid_shrinking(file_.get());
  }
  const auto fits = std::find_if(free_.begin(), free_.end(), [&](const auto& f) { return f.second >= size; });
  if (fits == free_.end()) {
    // Never beyond what will be used: its length is what RLIMIT_FSIZE is about.
    os::extend_memory_file(file_.get(), end_ + size);
    const span& made = add({0, owner, end_, size, {}, {}, {}});
    end_ += size;
    return made;
  }
  const auto [offset, had] = *fits;
  const span& made = add({0, owner, offset, size, {}, {}, {}});
  // The node is used again: nothing can fail from here on.
  auto rest = free_.extract(fits);
  if (had > size) {
    rest.key() = offset + size;
    rest.mapped() = had - size;
    free_.insert(std::move(rest));
  }
  return made;
}

const span_store::span& span_store::make_named(span_owner owner, const std::string& name, std::size_t size) {
  check_size(size);  // and keep it: whoever opens it gets what was asked for
  unique_fd file = os::make_memory_without_name();
  os::extend_memory_file(file.get(), size);
  const os::memory_identity identity = os::identity_of(file.get());
  names_.add(name, identity);  // before there is one
  try {
    os::name_memory(file.get(), name);
    return add({0, owner, 0, size, std::move(file), name, identity});
  } catch (...) {
    remove_name(name, identity);
    throw;
  }
}

const span_store::span& span_store::open_named(span_owner owner, const std::string& name) {
  unique_fd file = os::open_named_memory(name);
  const std::size_t size = os::memory_file_size(file.get());
  return add({0, owner, 0, size, std::move(file), {}, {}});
}

const span_store::span* span_store::find(span_owner owner, std::uint64_t number) const {
  const auto [first, last] = spans_.equal_range(owner.offset);
  const auto found =
      std::find_if(first, last, [&](const auto& s) { return s.second.number == number && s.second.owner == owner; });
  return found == last ? nullptr : &found->second;
}

const span_owner* span_store::owner_of(const std::string& name) const noexcept {
  const auto found = std::ranges::find_if(spans_, [&](const auto& s) { return s.second.name == name; });
  return found == spans_.end() ? nullptr : &found->second.owner;
}

void span_store::keep_only(span_owner owner, std::uint64_t kept) noexcept {
  auto [at, last] = spans_.equal_range(owner.offset);
  while (at != last) at = at->second.owner == owner && at->second.number != kept ? drop(at) : std::next(at);
}

span_store::place span_store::drop(place at) noexcept {
  const span& s = at->second;
  if (!s.name.empty()) remove_name(s.name, s.identity);
  try {
    // What the kernel cannot erase is not used again: a new span is zeroed.
    if (!s.file && os::free_memory(file_.get(), s.offset, s.size)) give_back(s.offset, s.size);
  } catch (const std::exception&) {
    // No memory to note that this is free: then it is not used again.
  }
  return spans_.erase(at);
}

void span_store::remove_name(const std::string& name, const os::memory_identity& identity) noexcept {
  try {
    os::unlink_named_memory(name, identity);
  } catch (const std::exception&) {
    // Nobody is left to be told.
  }
  names_.remove(identity);
}

void span_store::give_back(std::size_t offset, std::size_t size) {
  const auto after = free_.upper_bound(offset);
  if (after != free_.begin()) {
    const auto before = std::prev(after);
    if (before->first + before->second == offset) {
      before->second += size;
      if (after != free_.end() && before->first + before->second == after->first) {
        before->second += after->second;
        free_.erase(after);
      }
      return;
    }
  }
  if (after != free_.end() && offset + size == after->first) {
    auto grown = free_.extract(after);
    grown.key() = offset;
    grown.mapped() += size;
    free_.insert(std::move(grown));
    return;
  }
  free_.emplace(offset, size);
}

void span_store::forget_name(const std::string& name) noexcept {
  for (auto& [offset, s] : spans_)
    if (s.name == name && !os::has_name(name, s.identity)) {
      names_.remove(s.identity);
      s.name.clear();
    }
}

void span_store::remove_names() noexcept {
  for (auto& [offset, s] : spans_)
    if (!s.name.empty()) {
      remove_name(s.name, s.identity);
      s.name.clear();
    }
}

void span_store::abandon() noexcept {
  names_.abandon();
  file_.reset();
  spans_.clear();  // closes, removes nothing
  free_.clear();
}

}  // namespace kin::detail
