// SPDX-License-Identifier: BSL-1.0
// buffer_views: see the header.
#include "pool/buffer_views.hpp"

#include <algorithm>
#include <utility>

#include <kin/core/error.hpp>

#include "os/process_id.hpp"

namespace kin::detail {
namespace {
// For the next time.
constexpr std::size_t most_views_kept = 4;
constexpr std::size_t most_bytes_kept = std::size_t{512} << 20;
}  // namespace

struct buffer_views::view {
  view(std::uint64_t n, os::mapping m) noexcept : number(n), memory(std::move(m)) {}
  view(const view&) = delete;
  view& operator=(const view&) = delete;
  ~view() {
    if (os::own_pid() != owner) (void)std::move(memory).release();  // something else may be there
  }
  const std::uint64_t number;
  os::mapping memory;
  const int owner = os::own_pid();
};

std::shared_ptr<const os::mapping> buffer_views::find(std::uint64_t number, std::uint64_t bytes, int file) {
  std::erase_if(recent_, [](const auto& v) { return v->owner != os::own_pid(); });
  std::shared_ptr<const view> found;
  const auto known = std::find_if(recent_.begin(), recent_.end(),
                                  [&](const auto& v) { return v->number == number && v->memory.size() == bytes; });
  if (known != recent_.end()) {
    found = std::move(*known);
    recent_.erase(known);
  } else {
    const auto size = static_cast<std::size_t>(bytes);
    if (!os::is_whole_memory_file(file, size))
      throw decode_error("kin: a message lies in shared memory that is not there");
    os::mapping memory(file, 0, size, how_);
    if (forked_ == copies::have_none) memory.keep_from_copies();
    found = std::make_shared<view>(number, std::move(memory));
  }
  recent_.push_back(found);
  std::size_t kept = 0;
  for (const auto& v : recent_) kept += v->memory.size();
  while (recent_.size() > most_views_kept || kept > most_bytes_kept) {
    kept -= recent_.front()->memory.size();
    recent_.erase(recent_.begin());
  }
  return {found, &found->memory};
}

}  // namespace kin::detail
