// SPDX-License-Identifier: BSL-1.0
// send_connections_not_moved: a container of what only moves, by its name. It claims that it can be copied.
// expect: kin: this value is move-only; write connection.send(std::move(value))
// errors: 1
#include <kin/pipe.hpp>

#include <vector>

void call(kin::connection& to, const std::vector<kin::connection>& ends) { to.send(ends); }
