// SPDX-License-Identifier: BSL-1.0
// process: see the header.
#include <kin/process/process.hpp>

#include <algorithm>
#include <csignal>
#include <exception>

#include <kin/core/error.hpp>
#include <kin/core/log.hpp>

namespace kin {
namespace {
constexpr std::chrono::seconds end_patience{2};
}

detail::child& process::get() const {
  if (!child_) throw closed_error("kin: this kin::process object holds no process (default-made or moved from)");
  return *child_;
}

void process::start(const process_options& options, detail::parcel call) {
  child_ = detail::start_child(options, detail::child_role::process, std::move(call));
  note_unwinding();
  if (detail::log_is_wanted())
    detail::log(log_record::severity::debug, "kin: process " + child_->name() + " (" + std::to_string(child_->pid()) +
                                                 ") was started by " + std::string(options.start.name()));
}

void process::note_unwinding() noexcept { unwinding_ = std::min(unwinding_, std::uncaught_exceptions()); }

void process::finish() noexcept {
  const auto child = std::move(child_);
  if (!child) return;
  if (child->daemon() || std::uncaught_exceptions() > unwinding_) {
    child->end(end_patience);
    return;
  }
  try {
    child->join(deadline::never());
  } catch (...) {
    // A forked copy of the owner has nothing to wait for.
  }
}

std::optional<int> process::exitcode() const {
  const auto status = get().status();
  if (!status || (!status->known && status->code < 0)) return std::nullopt;
  return status->signal != 0 ? -status->signal : status->code;
}

bool process::terminate() { return get().signal(SIGTERM); }
bool process::kill() { return get().signal(SIGKILL); }
bool process::interrupt() { return get().signal(SIGINT); }

}  // namespace kin
