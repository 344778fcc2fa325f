// SPDX-License-Identifier: BSL-1.0
// plugin_host: knows nothing of kin; loads the plugin beside it.
#include <dlfcn.h>

#include <cstdio>

int main() {
  void* const plugin = ::dlopen(PLUGIN, RTLD_NOW | RTLD_LOCAL);
  void* const entry = plugin ? ::dlsym(plugin, "plugin_main") : nullptr;
  if (entry == nullptr) {
    std::fputs(::dlerror(), stderr);
    return 2;
  }
  return reinterpret_cast<int (*)()>(entry)();
}
