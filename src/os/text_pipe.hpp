// SPDX-License-Identifier: BSL-1.0
// text_pipe: a pipe whose reader never waits: for the output of a child that is read beside other things.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include <kin/os/unique_fd.hpp>

namespace kin::os {

/// {reader, writer}, close-on-exec; the reader does not block, the writer does.
std::pair<unique_fd, unique_fd> make_text_pipe();
/// What is there now, at most `into`; 0 when there is nothing, or nobody writes any more.
std::size_t read_available(int reader, std::span<char> into) noexcept;

}  // namespace kin::os
