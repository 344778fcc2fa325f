// SPDX-License-Identifier: BSL-1.0
// What may cross to another process: plain structs as they are, classes that say how, and exceptions of yours.
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>

#include <kin/async.hpp>

struct point {  // a plain struct: nothing to write
  double x = 0, y = 0;
};
struct route {
  std::string name;
  std::map<std::string, point> stops;
};

struct account {  // private members: serialize(), as for cereal
  explicit account(int total = 0) : total_(total) {}
  int total() const { return total_; }
  void serialize(auto& archive) { archive(total_); }

 private:
  int total_;
};

struct celsius {  // no default constructor: a codec, which makes the object
  explicit celsius(double d) : degrees(d) {}
  double degrees;
};
template <>
struct kin::codec<celsius> {
  static void encode(writer& out, const celsius& c) { out(c.degrees); }
  static celsius decode(reader& in) { return celsius(in.take<double>()); }
};

struct bad_line : std::runtime_error {
  explicit bad_line(int n = 0) : std::runtime_error("bad line"), line(n) {}
  int line;
  void serialize(auto& archive) { archive(line); }
};
inline const kin::transportable<bad_line> bad_line_registration;  // so that it comes back as itself

route longer(route r) {
  r.stops["museum"] = point{5, 6};
  return r;
}

int main() {
  kin::init();
  route tram = kin::async(longer, route{"tram 8", {{"station", {3, 4}}, {"airport", {9, 0}}}}).get();
  std::cout << tram.name << ": " << tram.stops.size() << " stops, the museum at " << tram.stops["museum"].x << '\n';
  std::cout << kin::async([](account a) { return account(a.total() + 1); }, account(41)).get().total() << '\n';
  std::cout << kin::async([](celsius c) { return c; }, celsius(21.5)).get().degrees << " °C\n";
  try {
    kin::async([] { throw bad_line(17); }).get();
  } catch (const bad_line& e) {
    std::cout << e.what() << ' ' << e.line << '\n';
  }
}
