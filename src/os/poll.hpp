// SPDX-License-Identifier: BSL-1.0
// poll: waiting on descriptors until a deadline, whatever signals arrive meanwhile.
#pragma once

#include <poll.h>

#include <span>

#include <kin/core/deadline.hpp>

namespace kin::os {

/// Polls until something is ready or `until` has passed; returns how many are ready (0: the deadline passed).
/// Throws os_error (ENOMEM, EINVAL when there are more entries than RLIMIT_NOFILE).
int poll_until(std::span<pollfd> entries, deadline until);

/// One descriptor; true when one of `events`, an error or a hang-up is there. POLLNVAL throws os_error(EBADF).
bool poll_until(int fd, short events, deadline until);

}  // namespace kin::os
