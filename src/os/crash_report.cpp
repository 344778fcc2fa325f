// SPDX-License-Identifier: BSL-1.0
// crash_report: see the header. What is read comes from a process that has gone wrong: it is checked like any message.
#include "os/crash_report.hpp"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <vector>

#include "os/crash_handler.hpp"
#include "os/elf_symbols.hpp"
#include "os/signal_names.hpp"

namespace kin::os {
namespace {

constexpr std::size_t most_lines = 40;
constexpr std::size_t largest_report = 4u << 20;

std::string read_file(int fd) {
  std::string text;
  char buffer[16384];
  while (text.size() < largest_report) {
    const ssize_t n = ::pread(fd, buffer, sizeof buffer, static_cast<off_t>(text.size()));
    if (n <= 0) break;
    text.append(buffer, static_cast<std::size_t>(n));
  }
  return text;
}

struct mapped_file {
  std::uint64_t low, high, offset;
  std::string path;
};

std::vector<mapped_file> parse_maps(const std::string& text) {
  std::vector<mapped_file> files;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    unsigned long low = 0, high = 0, offset = 0;
    int path_at = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx %*4s %lx %*s %*s %n", &low, &high, &offset, &path_at) < 3 || path_at <= 0)
      continue;
    std::string path = line.substr(std::min(line.size(), static_cast<std::size_t>(path_at)));
    if (path.starts_with('/')) files.push_back({low, high, offset, std::move(path)});
  }
  return files;
}

struct named_frame {
  std::string text, file;  // file: empty where the address lies in none
};

class namer {
 public:
  explicit namer(const std::string& maps) : files_(parse_maps(maps)) {}

  named_frame name(std::uint64_t address) {
    char place[64];
    for (const auto& file : files_) {
      if (address < file.low || address >= file.high) continue;
      const elf_symbols& symbols = symbols_of(file.path);
      const std::uint64_t at = symbols.address_of(address - file.low + file.offset);
      const std::string function = symbols.function_at(at);
      std::snprintf(place, sizeof place, "+0x%llx", static_cast<unsigned long long>(at));
      return {(function.empty() ? "?" : function) + "  (" + file.path.substr(file.path.rfind('/') + 1) + place + ")",
              file.path};
    }
    std::snprintf(place, sizeof place, "0x%llx", static_cast<unsigned long long>(address));
    return {place, {}};
  }

 private:
  const elf_symbols& symbols_of(const std::string& path) {
    auto& entry = symbols_[path];
    // A file that was replaced since the start: our own executable can still be read by way of /proc.
    if (!entry) entry = std::make_unique<elf_symbols>(path.ends_with(" (deleted)") ? "/proc/self/exe" : path);
    return *entry;
  }
  std::vector<mapped_file> files_;
  std::map<std::string, std::unique_ptr<elf_symbols>> symbols_;
};

bool names_one(const named_frame& frame, std::span<const std::string_view> marks) {
  return std::any_of(marks.begin(), marks.end(),
                     [&](std::string_view mark) { return frame.text.find(mark) != std::string::npos; });
}

// What calls a task tells nobody anything: kin's entry, and the standard library's way to a callable. But a task may be
// part of that very function (inlined): then it has no frame of its own in that file, and the caller's is where it is.
void drop_callers(std::vector<named_frame>& frames, std::span<const std::string_view> entries) {
  constexpr std::string_view callers[] = {"std::__invoke", " std::invoke<"};
  while (frames.size() > 1 && (names_one(frames.back(), entries) || names_one(frames.back(), callers)) &&
         frames[frames.size() - 2].file == frames.back().file)
    frames.pop_back();
}

std::string headline(const crash_head& head) {
  const int signal = static_cast<int>(head.signal);
  std::string text = "crashed with " + signal_name(signal);
  if (head.code <= 0) {
    if (head.sender == head.pid && signal != SIGABRT) text += ", which it sent itself";  // abort() does so, too
    if (head.sender != head.pid && head.sender != 0) text += ", sent by process " + std::to_string(head.sender);
    return text;
  }
  if (signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL) {
    char place[64];
    std::snprintf(place, sizeof place, " at address 0x%llx", static_cast<unsigned long long>(head.address));
    text += place;
  }
  if (signal == SIGSEGV && head.code == SEGV_MAPERR) text += ", address not mapped";
  if (signal == SIGSEGV && head.code == SEGV_ACCERR) text += ", no permission";
  if (head.jumped_to_nowhere) text += ", after a jump to an address that holds no code";
  return text;
}

}  // namespace

std::string describe_crash(int fd, int pid, std::span<const std::string_view> entries) {
  const std::string report = read_file(fd);
  crash_head head{};
  if (report.size() < sizeof head) return {};
  std::memcpy(&head, report.data(), sizeof head);
  const std::size_t stack_size = head.frames * sizeof(std::uint64_t);
  if (head.magic != crash_magic || head.pid != pid || head.frames > most_frames ||
      report.size() - sizeof head < stack_size)
    return {};
  std::vector<std::uint64_t> stack(head.frames);
  std::memcpy(stack.data(), report.data() + sizeof head, stack_size);

  namer names(report.substr(sizeof head + stack_size));
  std::vector<named_frame> frames;
  for (const std::uint64_t address : stack) {
    frames.push_back(names.name(address));
    if (names_one(frames.back(), entries)) break;
  }
  drop_callers(frames, entries);
  std::string text = headline(head);
  for (std::size_t i = 0; i < frames.size(); ++i) {
    if (i == most_lines) return text + "\n  … " + std::to_string(frames.size() - i) + " more";
    text += "\n  #" + std::to_string(i) + " " + frames[i].text;
  }
  return text;
}

}  // namespace kin::os
