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

/// Who receives the records; nobody at first. The sink is called by kin's own threads, one record at a time; what it
/// throws is dropped. It must not call set_log. Empty: nobody again. Children start with nobody.
KIN_EXPORT void set_log(std::function<void(const log_record&)> sink);

namespace detail {
KIN_EXPORT void log(log_record::severity level, const std::string& text) noexcept;
}

}  // namespace kin
