// SPDX-License-Identifier: BSL-1.0
// program: what a consumer might write; it ends with 0 when kin works for it.
#if __has_include(<kin/kin.hpp>)
#include <kin/kin.hpp>

#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

int square(int n) { return n * n; }
void greet(const std::string& name) { std::exit(name == "p1" ? 7 : 1); }

struct flags {
  char letter;
  bool on;
};
// Small values of many types: g++ 12 has warned in what became of these.
void send_small_values(kin::connection& to) {
  to.send(true);
  to.send('x');
  to.send(1.5f);
  to.send(flags{'a', true});
  to.send(std::optional<bool>(true));
  to.send(std::variant<char, bool>(true));
  to.send(std::pair(short{1}, 'x'));
  to.send(std::vector<bool>{true});
  to.send(std::map<char, bool>());
  to.send(std::string());
}

int main() {
  kin::init();
  auto [here, there] = kin::pipe();
  send_small_values(here);
  if (!there.recv<bool>()) return 3;
  kin::process child(greet, "p1");
  child.join();
  if (child.exitcode() != 7) return 1;
  kin::pool workers(2);
  return workers.apply(square, 3) == 9 ? 0 : 2;
}
#else
int main() {}
#endif
