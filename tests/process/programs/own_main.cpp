// SPDX-License-Identifier: BSL-1.0
// own_main: a program that misbehaves around kin::init(), as its argument says; and one that does not.
#include <kin/process/process.hpp>
#include <kin/process/process_view.hpp>
#include <kin/transport/connection.hpp>

#include <unistd.h>

#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {
void leave_with(int code) { std::exit(code); }
void nothing() {}

int start_one() {
  try {
    kin::process child(leave_with, 5);
    child.join();
    std::printf("child: %d\n", child.exitcode().value_or(-1000));
    return 0;
  } catch (const kin::start_error& e) {
    std::printf("refused: %s\n", e.what());
    return 3;
  }
}

void answer(kin::connection to) { to.send(5); }

int start_by_all_methods() {
  for (const auto method : {kin::start_method(kin::start::spawn), kin::start_method(kin::start::forkserver),
                            kin::start_method(kin::start::fork)}) {
    auto [here, there] = kin::pipe();
    kin::process child({.start = method}, answer, std::move(there));
    if (here.recv<int>() != 5) return 1;
    child.join();
    if (child.exitcode() != 0) return 2;
  }
  return 0;
}

void say_locale(kin::connection to) { to.send(std::string(std::setlocale(LC_ALL, nullptr))); }

int say_locales() {
  std::setlocale(LC_ALL, "C");
  for (const auto method : {kin::start_method(kin::start::spawn), kin::start_method(kin::start::forkserver),
                            kin::start_method(kin::start::fork)}) {
    auto [here, there] = kin::pipe();
    kin::process child({.start = method}, say_locale, std::move(there));
    std::printf("%s\n", here.recv<std::string>().c_str());
  }
  return 0;
}

void dig(int depth) {
  try {
    kin::process child(dig, depth + 1);
    child.join();
    std::exit(child.exitcode().value_or(0));
  } catch (const kin::start_error&) {
    std::exit(depth);
  }
}
}  // namespace

int main(int, char** arguments) {
  const std::string how = arguments[1] ? arguments[1] : "";
  // A child comes here as well: it has the arguments of its parent.
  const bool child = std::getenv("KIN_CHILD") != nullptr;
  if (how == "child never reaches init" && child) return 0;
  if (how == "child sleeps before init" && child) ::sleep(60);
  if (how == "child dies before init" && child) std::abort();
  if (how == "locale" && !child) std::setlocale(LC_ALL, "C.UTF-8");
  kin::init();
  kin::init();
  if (how == "child sleeps before init") {
    kin::process sleeper({.err = kin::redirect::null()}, nothing);
    const bool ended = sleeper.join_for(std::chrono::milliseconds(100));
    sleeper.kill();
    sleeper.join();
    std::printf("child: %d, ended by itself: %d\n", sleeper.exitcode().value_or(-1000), ended);
    return 0;
  }
  if (how == "all methods") return start_by_all_methods();
  if (how == "locale") return say_locales();
  if (how == "dig") {
    kin::process first(dig, 1);
    first.join();
    std::printf("depth: %d\n", first.exitcode().value_or(-1000));
    return 0;
  }
  std::printf("main of %s, mark left: %d\n", kin::current_process().name().c_str(),
              std::getenv("KIN_CHILD") != nullptr);
  return start_one();
}
