// SPDX-License-Identifier: BSL-1.0
// start_order: see the header.
#include "process/start_order.hpp"

#include <kin/wire/codec.hpp>

namespace kin::detail {

parcel encode_order(const start_order& order) {
  writer to;
  to(static_cast<int>(order.who.role), order.who.name, order.who.identity, order.who.parent_name, order.who.locale,
     order.who.daemon, order.who.parent_pid, order.who.task, order.who.sharers, order.environment,
     order.working_directory, order.affinity);
  to(order.limits.size());
  for (const auto& [resource, limit] : order.limits) to(resource, limit.rlim_cur, limit.rlim_max);
  return to.take();
}

start_order decode_order(parcel message) {
  reader from(message);
  start_order order;
  int role = 0;
  from(role, order.who.name, order.who.identity, order.who.parent_name, order.who.locale, order.who.daemon,
       order.who.parent_pid, order.who.task, order.who.sharers, order.environment, order.working_directory,
       order.affinity);
  order.who.role = role_of(role);
  for (auto n = from.take<std::size_t>(); n > 0; --n) {
    auto& [resource, limit] = order.limits.emplace_back();
    from(resource, limit.rlim_cur, limit.rlim_max);
  }
  from.finish();
  return order;
}

}  // namespace kin::detail
