// SPDX-License-Identifier: BSL-1.0
// client_references: see the header.
#include "manager/client_references.hpp"

namespace kin::detail {

void client_references::add(std::shared_ptr<hosted> object) {
  const std::lock_guard hold(mutex_);
  counted& entry = objects_[object->number];
  entry.object = std::move(object);
  ++entry.references;
}

void client_references::release(std::uint64_t object) {
  std::shared_ptr<hosted> last;  // destroyed after the lock is released: that runs code of the user's
  const std::lock_guard hold(mutex_);
  const auto found = objects_.find(object);
  if (found == objects_.end() || --found->second.references > 0) return;
  last = std::move(found->second.object);
  objects_.erase(found);
}

}  // namespace kin::detail
