// SPDX-License-Identifier: BSL-1.0
// process_options: what a child gets instead of what its parent had at init().
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <kin/process/start_method.hpp>

namespace kin {

/// Where a child's stdout or stderr goes. Default: where the parent's goes. Files are written at their end, so several
/// streams and processes may go to one.
class redirect {
 public:
  enum class kind : unsigned char { inherit, null, truncate, append, descriptor };
  redirect() noexcept = default;
  /// /dev/null.
  static redirect null() { return redirect(kind::null, {}, -1); }
  /// A file, made or emptied; a relative path counts from the parent's directory.
  static redirect to(std::filesystem::path file) { return redirect(kind::truncate, std::move(file), -1); }
  /// The same, but what the file holds stays.
  static redirect append_to(std::filesystem::path file) { return redirect(kind::append, std::move(file), -1); }
  /// A descriptor of this process, borrowed until the child has started.
  static redirect to(int descriptor) { return redirect(kind::descriptor, {}, descriptor); }

  [[nodiscard]] kind which() const noexcept { return kind_; }
  [[nodiscard]] const std::filesystem::path& file() const noexcept { return file_; }
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }

 private:
  redirect(kind k, std::filesystem::path file, int descriptor)
      : kind_(k), file_(std::move(file)), descriptor_(descriptor) {}
  kind kind_ = kind::inherit;
  std::filesystem::path file_;
  int descriptor_ = -1;
};

/// Resource limits of a child (setrlimit); absent: as the parent's at init().
struct limits {
  std::optional<std::uint64_t> memory{};      ///< bytes of address space
  std::optional<std::chrono::seconds> cpu{};  ///< CPU time; SIGXCPU when it is used up, SIGKILL a second later
  std::optional<std::uint64_t> open_files{};
  std::optional<std::uint64_t> file_size{};  ///< bytes
  std::optional<std::uint64_t> core_size{};  ///< bytes
};

/// How to start a process. `environment` is added to the one at init(), replacing equal names. `affinity` lists
/// processor numbers; empty means as at init().
struct process_options {
  std::string name{};
  bool daemon = false;
  kin::start_method start = kin::start::spawn;
  std::map<std::string, std::string> environment{};
  std::filesystem::path working_directory{};
  kin::redirect out{}, err{};
  std::vector<int> affinity{};
  kin::limits limits{};
};

}  // namespace kin
