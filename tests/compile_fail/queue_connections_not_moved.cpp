// SPDX-License-Identifier: BSL-1.0
// queue_connections_not_moved: the same as an item.
// expect: std::move
// errors: 1
#include <kin/pipe.hpp>
#include <kin/queue.hpp>

#include <vector>

void call(const kin::queue<std::vector<kin::connection>>& to, std::vector<kin::connection>& ends) { to.put(ends); }
