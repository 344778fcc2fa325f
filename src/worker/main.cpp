// SPDX-License-Identifier: BSL-1.0
// kin-worker: the program that children begin in where the program that starts them knows nothing of kin: a plugin's
// host, an interpreter. It has no kin of its own: it loads the module that holds the asker's, libkin.so or the plugin
// itself, so one kin-worker serves every build. KIN_LIBRARY says which (src/process/worker_program.hpp).
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <string>

int main() {
  // Null in a set-user-id program: nobody is to choose what that loads.
  const char* text = ::secure_getenv("KIN_LIBRARY");
  if (text == nullptr) {
    std::fputs("kin-worker: kin starts this program for kin::set_executable(); it does nothing by itself\n", stderr);
    return 2;
  }
  const std::string library = text;
  ::unsetenv("KIN_LIBRARY");
  void* const module = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  void* const serve = module ? ::dlsym(module, "kin_serve_as_worker") : nullptr;
  if (serve == nullptr) {
    std::fprintf(stderr, "kin-worker: %s\n", ::dlerror());
    return 127;
  }
  reinterpret_cast<void (*)(const char*)>(serve)(library.c_str());
  std::fputs("kin-worker: this process was not started as a child of kin\n", stderr);
  return 2;
}
