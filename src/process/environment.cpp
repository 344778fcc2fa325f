// SPDX-License-Identifier: BSL-1.0
// environment: see the header.
#include "process/environment.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include <kin/core/error.hpp>

#include "process/bootstrap.hpp"

namespace kin::detail {
namespace {
constexpr const char* variable = "KIN_CHILD";
constexpr const char* library_variable = "KIN_LIBRARY";
constexpr const char* bind_now = "LD_BIND_NOW";
constexpr std::string_view bound = ":bound";  // follows the mark where that variable is kin's
}  // namespace

std::optional<child_mark> find_child_mark() {
  const char* text = std::getenv(variable);
  if (!text) return std::nullopt;
  int fd = -1;
  child_mark mark{};
  const bool whole = std::sscanf(text, "%d:%d:%d", &fd, &mark.parent_pid, &mark.depth) == 3;
  if (!whole || fd != channel_fd) return std::nullopt;
  return mark;
}

std::optional<child_mark> take_child_mark() {
  const auto mark = find_child_mark();
  if (const char* text = std::getenv(variable); text && std::string_view(text).ends_with(bound)) ::unsetenv(bind_now);
  ::unsetenv(variable);
  return mark;
}

std::vector<std::string> child_environment(const std::vector<std::string>& at_init,
                                           const std::map<std::string, std::string>& extra) {
  std::vector<std::string> result;
  result.reserve(at_init.size() + extra.size() + 2);
  for (const auto& entry : at_init) {
    const std::string name = entry.substr(0, entry.find('='));
    if (name != variable && !extra.contains(name)) result.push_back(entry);
  }
  for (const auto& [name, value] : extra) {
    if (name.empty() || name.find_first_of(std::string_view("=\0", 2)) != std::string::npos)
      throw start_error("kin: process_options::environment: \"" + name.substr(0, name.find('\0')) +
                        "\" is no name of an environment variable");
    if (value.find('\0') != std::string::npos)
      throw start_error("kin: process_options::environment: the value of " + name + " has a null character inside");
    if (name == variable || name == library_variable)
      throw start_error("kin: process_options::environment: " + name + " is kin's own, and says what a child is to do");
    result.push_back(name + "=" + value);
  }
  return result;
}

std::string entry_of(const child_mark& mark) {
  return std::string(variable) + "=" + std::to_string(channel_fd) + ":" + std::to_string(mark.parent_pid) + ":" +
         std::to_string(mark.depth);
}

void bind_at_start(std::vector<std::string>& environment) {
  const auto names = [](std::string_view name) {
    return [name](const std::string& entry) {
      return entry.starts_with(name) && entry.size() > name.size() && entry[name.size()] == '=';
    };
  };
  if (std::ranges::any_of(environment, names(bind_now))) return;
  *std::ranges::find_if(environment, names(variable)) += bound;
  environment.push_back(std::string(bind_now) + "=1");
}

std::string library_entry(const std::string& library) { return std::string(library_variable) + "=" + library; }

}  // namespace kin::detail
