// SPDX-License-Identifier: BSL-1.0
// plugin: uses kin in a program that knows nothing of it; its children begin in kin-worker.
#include <kin/kin.hpp>

#include <string>

namespace {
int square(int n) { return n * n; }
void say(const kin::queue<std::string>& to, const std::string& text) { to.put(text); }
}  // namespace

// Where kin is a shared library it finds its kin-worker; an archive has no place on disk to look from.
extern "C" KIN_EXPORT int plugin_main() {
  kin::set_executable(WORKER);
  kin::queue<std::string> words;
  kin::process(say, words, "word").join();
  kin::pool workers(2);
  return workers.apply(square, 3) == 9 && words.get() == "word" ? 0 : 1;
}
