// SPDX-License-Identifier: BSL-1.0
// log: what kin has to say and nobody asked for: starts, deaths, recoveries, exceptions of callbacks.
#pragma once

#include <functional>
#include <string>

#include <kin/core/export.hpp>

namespace kin {

struct log_record {
  enum class severity : unsigned char { debug, info, warning };
  severity level = severity::info;
  std::string text;
};

/// Who receives the records; nobody at first. The sink is called by kin's own threads and by those that call kin, one
/// record at a time, and what it throws is dropped. It must not call set_log, nor wait for what kin's other threads or
/// processes do, which may be waiting for it; what it causes to be logged itself is dropped. Empty: nobody again.
/// Children start with nobody.
///
/// debug: starts of processes, and what becomes of a pool's workers. info: ends of processes, when they are noticed;
/// locks that were recovered from their dead holders; a fork server that was replaced. warning: what went wrong and had
/// nobody to be thrown to.
KIN_EXPORT void set_log(std::function<void(const log_record&)> sink);

namespace detail {
KIN_EXPORT void log(log_record::severity level, const std::string& text) noexcept;
/// Whether somebody receives them: for texts that cost something.
KIN_EXPORT bool log_is_wanted() noexcept;
/// In a forked copy, whose sink is its parent's.
void forget_log() noexcept;
}  // namespace detail

}  // namespace kin
