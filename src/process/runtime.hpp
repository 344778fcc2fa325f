// SPDX-License-Identifier: BSL-1.0
// runtime: what kin knows about the process it runs in. One object, made at first use and never destroyed, because
// children and threads may outlive static destructors.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <kin/os/unique_fd.hpp>
#include <kin/process/child.hpp>

#include "os/surroundings.hpp"

namespace kin::detail {

struct parent_identity {
  int pid = -1;
  std::string name;
  unique_fd pidfd;  // empty when it could not be had
};

/// What children are started as where this program cannot be started again: see process/worker_program.hpp.
struct worker_program {
  std::string executable;  ///< empty: this process is kin-worker itself
  std::string library;     ///< the module that holds kin
  std::string identity;    ///< its build
};

class runtime {
 public:
  static runtime& get();

  /// Takes the snapshot that children start with. Idempotent.
  void initialise(int depth);
  /// Children are this program from now on; or another, where it cannot be.
  void start_itself();
  void start_by(worker_program other);
  /// Whether children are this program again: kin::init() has run.
  [[nodiscard]] bool starts_itself();
  [[nodiscard]] std::optional<worker_program> worker();
  /// In a child that has changed its surroundings by its options: its own children get those.
  void note_surroundings();
  void require_initialised() const;

  [[nodiscard]] const os::surroundings& at_init() const { return at_init_; }
  /// The last part of argv[0].
  [[nodiscard]] std::string program_name() const;
  [[nodiscard]] int depth() const { return depth_; }

  /// "Process-2" in the main process, "Process-1:2" in its child 1: Python's tree of names.
  struct child_name {
    std::string name, identity;
  };
  child_name next_child_name(const std::string& wanted);
  void add_child(const std::shared_ptr<child>& c);
  std::vector<std::shared_ptr<child>> children();

  /// In a child: who it is.
  void become(std::string name, std::string identity, bool daemon, std::optional<parent_identity> parent);
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::optional<parent_identity>& parent() const { return parent_; }
  [[nodiscard]] bool daemon() const { return daemon_; }

  /// How long a child may take to come to kin::init() where somebody has to wait for that.
  [[nodiscard]] std::chrono::milliseconds start_patience() const { return start_patience_; }
  /// For tests.
  void set_start_patience(std::chrono::milliseconds time) { start_patience_ = time; }

  /// Held while a child is started, from its first descriptor to add_child: a fork by another thread in between would
  /// copy ends of its channel and its lifeline that nobody in the copy knows to close.
  std::recursive_mutex& starting() { return starting_; }

  /// Registers what has to be forgotten in a forked copy of this process; called there, with one thread running.
  void on_fork(void (*forget)());

 private:
  runtime();
  static void before_fork();
  static void after_fork_in_parent();
  static void after_fork_in_child();

  std::recursive_mutex starting_;  // taken before mutex_; recursive, because fork_child itself forks under it
  std::mutex mutex_;
  std::chrono::milliseconds start_patience_{60'000};
  bool initialised_ = false;
  std::optional<worker_program> worker_;
  int depth_ = 0;
  os::surroundings at_init_;
  std::string name_ = "MainProcess", identity_;
  bool daemon_ = false;
  std::optional<parent_identity> parent_;
  unsigned children_started_ = 0;
  std::vector<std::weak_ptr<child>> children_;
  std::vector<std::weak_ptr<child>> parents_children_;  // in a copy: what it has copied
  std::vector<void (*)()> forget_;
};

}  // namespace kin::detail
