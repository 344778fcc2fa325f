// SPDX-License-Identifier: BSL-1.0
// plugin_host: a program that knows nothing of kin and loads a plugin that uses it.
//   plugin_host PLUGIN SCENE [ARGUMENT [new name of PLUGIN once it is loaded]]
// KIN_TEST_SECOND_PLUGIN, of the environment, is loaded, too, and runs the same scene after it.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

extern "C" __attribute__((visibility("default"))) int of_host(int n) { return n; }

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::puts("host");  // once: a child that ran this main() would say it again
  void* const plugin = ::dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (argc > 4) std::rename(argv[1], argv[4]);
  using entry = void (*)(const char*, const char*, int (*)(int));
  const auto run = plugin ? reinterpret_cast<entry>(::dlsym(plugin, "kin_test_plugin_main")) : nullptr;
  if (!run) {
    std::puts(::dlerror());
    return 1;
  }
  run(argv[2], argc > 3 ? argv[3] : "", &of_host);
  if (const char* const second = std::getenv("KIN_TEST_SECOND_PLUGIN")) {
    void* const other = ::dlopen(second, RTLD_NOW | RTLD_LOCAL);
    if (const auto runs = other ? reinterpret_cast<entry>(::dlsym(other, "kin_test_plugin_main")) : nullptr)
      runs(argv[2], argv[3], &of_host);
  }
  ::dlclose(plugin);
  std::puts("end");
}
