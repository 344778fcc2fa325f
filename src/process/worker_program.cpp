// SPDX-License-Identifier: BSL-1.0
// worker_program: see the header.
#include "process/worker_program.hpp"

#include <filesystem>
#include <optional>
#include <system_error>

#include <kin/core/error.hpp>
#include <kin/process/init.hpp>

#include "os/launch.hpp"
#include "os/loaded_module.hpp"
#include "process/bootstrap.hpp"
#include "process/name_tracker_starter.hpp"
#include "process/runtime.hpp"
#include "process/start_plan.hpp"
#include "wire/task_place.hpp"

// kin-worker's door into whichever module holds kin: the plugin itself, where that was linked to libkin.a. `library` is
// the path it was loaded from. Does not return in a child.
extern "C" KIN_EXPORT void kin_serve_as_worker(const char* library);

namespace kin {
namespace detail {
namespace {

namespace fs = std::filesystem;

os::module_place place_of_kin() {
  const auto place = os::find_place(reinterpret_cast<const void*>(&kin_serve_as_worker));
  if (!place || place->path.empty())
    throw start_error(
        "kin: set_executable: kin is part of the program itself, which kin-worker cannot load. Call kin::init() as the "
        "first statement of its main(), or link kin::main; a plugin has to link libkin.so, or hold kin itself");
  return *place;
}

// Where `cmake --install` and a build folder put kin-worker, seen from libkin.so.
fs::path installed_worker(const fs::path& library) {
  const fs::path beside = library.parent_path();
  for (const char* const way : {"kin-worker", "../bin/kin-worker", "../../bin/kin-worker"})
    if (std::error_code ec; fs::exists(beside / way, ec)) return beside / way;
  throw start_error("kin: set_executable: there is no kin-worker beside " + library.string() +
                    " nor in the bin folder of its installation; give its path");
}

std::string absolute_program(const fs::path& program) {
  std::error_code ec;
  const fs::path path = fs::canonical(program, ec);
  if (ec) throw start_error("kin: set_executable: " + program.string() + ": " + ec.message());
  if (!fs::is_regular_file(path, ec) || !os::may_execute(path.string()))
    throw start_error("kin: set_executable: " + path.string() + " is no program that this process may run");
  return path.string();
}

void check_library(const worker_program& worker) {
  const auto on_disk = os::file_identity(worker.library);
  if (on_disk == worker.identity) return;
  throw start_error("kin: " + worker.library + ", which holds kin, was " + (on_disk.empty() ? "removed" : "replaced") +
                    " while the program was running; kin-worker cannot load the build that runs here");
}

}  // namespace

std::string task_to_load(const parcel& call) {
  const auto worker = runtime::get().worker();
  if (!worker) return {};
  check_library(*worker);
  std::string place(task_place(call.bytes));
  if (lives_in_executable(place))
    throw start_error(
        "kin: the task lives in the program itself, which knows nothing of kin::init() and which kin-worker cannot "
        "load. "
        "Put the task into the plugin or a shared library, or call kin::init() as the first statement of main()");
  return place;
}

void await_loaded(child& started, child_role role) {
  const auto worker = runtime::get().worker();
  if (!worker) return;
  const std::string program = worker->executable.empty() ? "kin-worker" : worker->executable;
  try {
    if (!started.link().poll(deadline::after(runtime::get().start_patience())))
      throw start_error("kin: " + program + " was started (process " + std::to_string(started.pid()) +
                        "), but does not answer: is it kin-worker?");
    const bool refused = started.link().next().signature == refused_frame;
    // A process's hello is left for complete_from_last_words; of a service's nothing may stay in the channel's hands,
    // because its owner reads the socket.
    if (!refused && role != child_role::service) return;
    parcel message = started.link().take();
    if (refused) throw_refusal(std::move(message));
  } catch (const closed_error&) {
    started.join(deadline::never());
    const auto status = started.status();
    throw start_error("kin: " + program + " did not become a child (" + (status ? status->describe() : "it ended") +
                      "): is it kin-worker? Its stderr may say more");
  }
}

}  // namespace detail

void set_executable(const std::string& program) {
  detail::runtime& self = detail::runtime::get();
  const bool starts_itself = self.starts_itself();
  // Without a path there is nothing to check where the program starts itself.
  if (starts_itself && program.empty()) return;
  const auto place = starts_itself ? os::module_place{} : detail::place_of_kin();
  const auto path =
      detail::absolute_program(program.empty() ? detail::installed_worker(place.path) : detail::fs::path(program));
  if (starts_itself) return;
  if (!os::keep_loaded(place.path))
    throw start_error("kin: set_executable: " + place.path + ", which holds kin, cannot be kept loaded");
  self.initialise(0);
  self.start_by({path, place.path, place.identity});
  detail::let_names_be_tracked();
}

}  // namespace kin

void kin_serve_as_worker(const char* library) {
  kin::detail::runtime& self = kin::detail::runtime::get();
  const auto place = kin::os::find_place(reinterpret_cast<const void*>(&kin_serve_as_worker));
  self.start_by({{}, library, place ? place->identity : std::string()});
  kin::init();
}
