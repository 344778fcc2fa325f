// SPDX-License-Identifier: BSL-1.0
// protocol_run: one run of a program of protocol/, whole or broken by a mutant, or of another: its exit status and what
// it said.
#pragma once

#include <sys/wait.h>

#include <cstdio>
#include <string>

namespace kin_test {

struct protocol_run {
  int status;
  std::string said;
};

/// Of a shell's command.
inline protocol_run run_command(const std::string& command) {
  std::FILE* run = popen((command + " 2>&1").c_str(), "re");
  std::string said;
  for (int c; (c = std::fgetc(run)) != EOF;) said += static_cast<char>(c);
  const int status = pclose(run);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, said};
}

inline protocol_run run_protocol(const std::string& program, const std::string& mutant, const std::string& check) {
  return run_command(program + " \"" + mutant + "\" \"" + check + "\"");
}

}  // namespace kin_test
