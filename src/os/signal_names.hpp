// SPDX-License-Identifier: BSL-1.0
// signal_names: what signals are called. glibc tells only from 2.32 on (sigabbrev_np).
#pragma once

#include <string>

namespace kin::os {

/// "SIGSEGV", "SIGRTMIN+3", or "signal 99".
std::string signal_name(int signal);
/// "Segmentation fault"; "" for one without a meaning of its own.
const char* signal_meaning(int signal) noexcept;

}  // namespace kin::os
