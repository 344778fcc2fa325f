// SPDX-License-Identifier: BSL-1.0
// error: the destructors anchor each class's vtable and type_info in the library, so that all modules share them.
#include <kin/core/error.hpp>

#include <cstdio>
#include <cstdlib>

namespace kin {

namespace detail {
void assertion_failed(const char* expression, const char* file, int line) noexcept {
  std::fprintf(stderr, "kin: internal error: %s is false at %s:%d; please report it\n", expression, file, line);
  std::abort();
}
}  // namespace detail

error::~error() = default;

os_error::os_error(const std::string& what_was_done, const char* call, int errno_value)
    : error("kin: could not " + what_was_done + ": " + call + ": " + std::system_category().message(errno_value)),
      code_(errno_value, std::system_category()) {}
os_error::~os_error() = default;

start_error::~start_error() = default;
closed_error::~closed_error() = default;
encode_error::~encode_error() = default;
decode_error::~decode_error() = default;
type_mismatch::~type_mismatch() = default;

buffer_too_short::buffer_too_short(std::vector<std::byte> whole_message)
    : error("kin: the buffer is too short for a message of " + std::to_string(whole_message.size()) +
            " bytes; the message is in this exception's message()"),
      message_(std::move(whole_message)) {}
buffer_too_short::~buffer_too_short() = default;

task_timeout::~task_timeout() = default;
cancelled_error::~cancelled_error() = default;
owner_died::~owner_died() = default;
broken_barrier::~broken_barrier() = default;
authentication_error::~authentication_error() = default;
retryable::~retryable() = default;

}  // namespace kin
