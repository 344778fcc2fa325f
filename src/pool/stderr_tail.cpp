// SPDX-License-Identifier: BSL-1.0
// stderr_tail: see the header.
#include "pool/stderr_tail.hpp"

#include "os/text_pipe.hpp"

namespace kin::detail {
namespace {
constexpr std::size_t kept = 4096;
constexpr int reads_at_once = 4;  // a worker that writes without end must not keep the others waiting
}  // namespace

bool stderr_tail::read() {
  if (!reader_) return false;
  char buffer[65536];
  bool any = false;
  for (int i = 0; i < reads_at_once; ++i) {
    const std::size_t n = os::read_available(reader_.get(), buffer);
    if (n == 0) break;
    any = true;
    text_.append(buffer, n);
    if (text_.size() > 2 * kept) text_.erase(0, text_.size() - 2 * kept);
  }
  return any;
}

void stderr_tail::forget() {
  read();
  text_.clear();
}

std::string stderr_tail::text() const {
  if (text_.size() <= kept) return text_;
  const std::string last = text_.substr(text_.size() - kept);
  const auto line = last.find('\n');
  return line == std::string::npos || line + 1 == last.size() ? last : last.substr(line + 1);
}

}  // namespace kin::detail
