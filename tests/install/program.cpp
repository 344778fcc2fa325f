// SPDX-License-Identifier: BSL-1.0
// program: what a consumer might write; it ends with 0 when kin works for it.
#if __has_include(<kin/kin.hpp>)
#include <kin/kin.hpp>

#include <string>

int square(int n) { return n * n; }
void greet(const std::string& name) { std::exit(name == "p1" ? 7 : 1); }

int main() {
  kin::init();
  kin::process child(greet, "p1");
  child.join();
  if (child.exitcode() != 7) return 1;
  kin::pool workers(2);
  return workers.apply(square, 3) == 9 ? 0 : 2;
}
#else
int main() {}
#endif
