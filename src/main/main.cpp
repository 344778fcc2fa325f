// SPDX-License-Identifier: BSL-1.0
// main: for programs whose main() belongs to somebody else (gtest_main, Qt). Linking kin::main adds
// -Wl,--wrap=__libc_start_main, so that kin::init() runs first in whatever main() there is: after static objects have
// been made, unlike a constructor in this library would.
#include <kin/process/init.hpp>

namespace {
using main_function = int (*)(int, char**, char**);
main_function program_main = nullptr;

int main_after_init(int argc, char** argv, char** environment) {
  kin::init();
  return program_main(argc, argv, environment);
}
}  // namespace

// The names are the linker's (ld --wrap); the signature is that of glibc's csu/libc-start.c.
// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" int __real___libc_start_main(main_function, int, char**, void (*)(), void (*)(), void (*)(), void*);
extern "C" __attribute__((visibility("default"))) int __wrap___libc_start_main(main_function main, int argc,
                                                                               char** argv, void (*init)(),
                                                                               void (*fini)(), void (*rtld_fini)(),
                                                                               void* stack_end) {
  program_main = main;
  return __real___libc_start_main(&main_after_init, argc, argv, init, fini, rtld_fini, stack_end);
}
// NOLINTEND(bugprone-reserved-identifier)
