// SPDX-License-Identifier: BSL-1.0
// wordcount: counts the words in every text file below a directory with a pool of processes. Shows the most frequent
// ones and the time of one worker against that of many, and draws timeline.svg: which worker did what when.
//
// A first round of tasks looks which files are text, and so brings them all into the page cache: the rounds that are
// timed meet the same files. What the tasks do is in wordcount/words.cpp; this file is the part that uses kin.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <numeric>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <kin/pool.hpp>
#include <kin/process.hpp>

#include "wordcount/request.hpp"
#include "wordcount/text.hpp"
#include "wordcount/timeline.hpp"
#include "wordcount/words.hpp"

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using namespace wordcount;

namespace {

using steady = std::chrono::steady_clock;
using file_list = std::vector<std::string>;
using task_list = std::vector<std::vector<piece>>;

double seconds_between(steady::time_point a, steady::time_point b) {
  return std::chrono::duration<double>(b - a).count();
}
double megabytes(std::uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }
std::string plural(std::size_t n, const char* noun) { return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s"); }

std::string grouped(std::uint64_t n) {
  std::string digits = std::to_string(n);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, 1, ',');
  return digits;
}

template <class T>
void append(std::vector<T>& to, std::vector<T> more) {
  to.insert(to.end(), std::move_iterator(more.begin()), std::move_iterator(more.end()));
}

// --- Ctrl-C: thrown from wherever main is; a pool that an exception passes ends its workers --------------------------
volatile std::sig_atomic_t signal_taken = 0;
struct interrupted {};

extern "C" void take_signal(int number) {
  signal_taken = number;
  std::signal(number, SIG_DFL);  // who asks a second time gets it at once
}
void stop_if_interrupted() {
  if (signal_taken != 0) throw interrupted{};
}

// --- finding the files -----------------------------------------------------------------------------------------------
// Links to files are followed; links to directories are not, as they may lead in circles.
file_list files_below(const fs::path& top, std::vector<problem>& problems) {
  file_list files;
  std::vector<fs::path> folders{top};
  while (!folders.empty()) {
    const fs::path folder = std::move(folders.back());
    folders.pop_back();
    std::error_code failed, ignored;
    for (fs::directory_iterator entry(folder, failed), end; !failed && entry != end; entry.increment(failed)) {
      stop_if_interrupted();
      const fs::file_status status = entry->status(ignored);
      if (fs::is_directory(status)) {
        if (!entry->is_symlink(ignored)) folders.push_back(entry->path());
      } else if (fs::is_other(status)) {
        problems.push_back({entry->path(), "neither a file nor a directory"});
      } else {
        files.push_back(entry->path());  // who opens it sees what is the matter with it, if anything is
      }
    }
    if (failed) problems.push_back({folder, failed.message()});
  }
  std::sort(files.begin(), files.end());
  return files;
}

// --- the work --------------------------------------------------------------------------------------------------------
// Takes the results in order; shows how far they have come by their shares of the whole, and minds Ctrl-C.
template <class T, class Take>
void collect(const std::string& what, std::vector<kin::future<T>> results, const std::vector<double>& shares,
             Take take) {
  const kin::progress progress = kin::progress_bar(what);
  const double all = std::accumulate(shares.begin(), shares.end(), 0.0);
  double done = 0;
  for (std::size_t i = 0; i < results.size(); ++i) {
    while (!results[i].wait_for(50ms)) stop_if_interrupted();
    stop_if_interrupted();
    take(i, std::move(results[i]));
    done += shares[i];
    const auto whole = static_cast<std::size_t>(std::ceil(all));
    progress(i + 1 == results.size() ? whole : std::min(whole - 1, static_cast<std::size_t>(done)), whole);
  }
}

survey look_at_all(const file_list& files, std::size_t workers) {
  constexpr std::size_t at_once = 100;
  kin::pool pool({.workers = workers, .initializer = use_utf8});
  std::vector<file_list> tasks;
  std::vector<double> shares;
  std::vector<kin::future<survey>> results;
  for (std::size_t i = 0; i < files.size(); i += at_once) {
    tasks.emplace_back(&files[i], &files[i] + std::min(at_once, files.size() - i));
    shares.push_back(static_cast<double>(tasks.back().size()));
    results.push_back(pool.apply_async({.retries = 1}, look_at, tasks.back()));
  }
  survey all;
  collect("looking at files", std::move(results), shares, [&](std::size_t i, kin::future<survey> result) {
    try {
      survey part = std::move(result).get();
      append(all.texts, std::move(part.texts));
      append(all.problems, std::move(part.problems));
    } catch (const kin::error& e) {  // its worker died, twice: the others go on
      for (const std::string& path : tasks[i]) all.problems.push_back({path, e.what()});
    }
  });
  return all;
}

// A task is small files together, or a piece of a large one. The counts, which come back from each task, cost less for
// few large tasks; so that no worker is left working alone at the end, the tasks become smaller towards it.
task_list divide(const std::vector<text_file>& files, std::uint64_t bytes, std::size_t workers) {
  constexpr std::uint64_t least = 256 << 10, most = 8 << 20, not_split = 1 << 20;
  task_list tasks;
  std::uint64_t room = 0;
  for (const text_file& file : files) {
    for (std::uint64_t offset = 0, size = 0; offset < file.size; offset += size) {
      if (room == 0) {
        tasks.emplace_back();
        room = std::clamp(bytes / (2 * workers), least, most);
      }
      const std::uint64_t rest = file.size - offset;
      size = rest <= room + not_split ? rest : room;
      tasks.back().push_back({file.path, offset, size});
      room -= std::min(room, size);
      bytes -= size;
    }
  }
  return tasks;
}

std::uint64_t bytes_of(const std::vector<piece>& task) {
  return std::accumulate(task.begin(), task.end(), std::uint64_t{0},
                         [](auto sum, auto& part) { return sum + part.size; });
}

struct counted {
  steady::time_point begin = steady::now();
  double seconds = 0;
  word_counts words{};
  std::vector<problem> problems{};
  std::vector<tally> tallies{};                     // one a task; their words have been taken out
  std::vector<std::pair<double, double>> merges{};  // when this process was busy with them
};

counted count_all(const task_list& tasks, std::size_t workers) {
  counted all;
  all.words.reserve(1 << 19);  // growing step by step would cost more than the rest of merging
  kin::pool pool({.workers = workers, .initializer = use_utf8});
  std::vector<double> shares;
  std::vector<kin::future<tally>> results;
  for (const auto& task : tasks) {
    shares.push_back(megabytes(bytes_of(task)));
    results.push_back(pool.apply_async({.retries = 1}, count_words, task));
  }
  const std::string what = fmt::format("MB counted by {}", plural(workers, "worker"));
  collect(what, std::move(results), shares, [&](std::size_t i, kin::future<tally> result) {
    const double begin = seconds_between(all.begin, steady::now());
    tally part;
    try {
      part = std::move(result).get();
    } catch (const kin::error& e) {
      for (const piece& p : tasks[i]) all.problems.push_back({p.path, e.what()});
    }
    for (const auto& [word, times] : part.words) all.words[word] += times;
    part.words = {};
    append(all.problems, std::move(part.problems));
    all.tallies.push_back(std::move(part));
    all.seconds = seconds_between(all.begin, steady::now());
    all.merges.emplace_back(begin, all.seconds);
  });
  return all;
}

// --- the picture -----------------------------------------------------------------------------------------------------
// The directory directly below `top` that most of the task's bytes are from.
std::string group_of(const std::vector<piece>& task, const fs::path& top) {
  std::map<std::string, std::uint64_t> bytes;
  for (const piece& part : task) {
    const fs::path below = fs::path(part.path).lexically_relative(top);
    bytes[below.has_parent_path() ? below.begin()->string() : "top level"] += part.size;
  }
  return std::max_element(bytes.begin(), bytes.end(), [](auto& a, auto& b) { return a.second < b.second; })->first;
}

run history_of(const counted& all, const task_list& tasks, const fs::path& top, const std::string& heading) {
  run history{.heading = heading, .merges = all.merges, .seconds = all.seconds};
  std::map<int, std::size_t> lanes;  // by process id
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const tally& did = all.tallies[i];
    if (did.worker == 0) continue;  // nobody lived to tell
    bar b{.lane = lanes.try_emplace(did.worker, lanes.size()).first->second,
          .begin = seconds_between(all.begin, did.begin),
          .end = seconds_between(all.begin, did.end),
          .group = group_of(tasks[i], top),
          .bytes = bytes_of(tasks[i])};
    const std::string first = fs::path(tasks[i].front().path).lexically_relative(top);
    const std::string more = tasks[i].size() == 1 ? "" : fmt::format(" and {} more", tasks[i].size() - 1);
    b.what = fmt::format("{}{}, {:.2f} MB, {:.1f} ms", first, more, megabytes(b.bytes), 1e3 * (b.end - b.begin));
    history.bars.push_back(std::move(b));
  }
  history.lanes.resize(lanes.size());
  for (const auto& [pid, lane] : lanes) history.lanes[lane] = fmt::format("process {}", pid);
  return history;
}

void write_picture(const std::string& picture) {
  constexpr const char* name = "timeline.svg";
  std::ofstream file(name);
  if (!(file << picture).flush())
    throw std::runtime_error(fmt::format("could not write {} here: {}", name, std::generic_category().message(errno)));
  fmt::print("\nWhich worker did what when (open it in a browser): {}\n", fs::absolute(name).string());
}

// --- the report ------------------------------------------------------------------------------------------------------
void report(const std::vector<problem>& problems) {
  std::map<std::string, std::string> reasons;  // what was met in several pieces or rounds is said once
  for (const problem& p : problems) reasons.try_emplace(p.path, p.reason);
  for (const auto& [path, reason] : reasons)
    fmt::print(stderr, "wordcount: skipped {}: {}\n", printable(path), printable(reason));
}

void show_table(const word_counts& words) {
  std::uint64_t sum = 0;
  for (const auto& [word, times] : words) sum += times;
  std::vector<std::pair<std::string, std::uint64_t>> top(std::min<std::size_t>(20, words.size()));
  std::partial_sort_copy(words.begin(), words.end(), top.begin(), top.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  fmt::print("\n   #  {}  {:>14}  share\n", fitted("word", 24), "times");
  for (std::size_t i = 0; i < top.size(); ++i) {
    const auto& [word, times] = top[i];
    std::string blocks;
    for (std::uint64_t n = 0; n < 24 * times / top.front().second; ++n) blocks += "█";
    fmt::print("  {:>2}  {}  {:>14}  {:>4.1f}%  {}\n", i + 1, fitted(word, 24), grouped(times),
               100 * static_cast<double>(times) / static_cast<double>(sum), blocks);
  }
  fmt::print("\n{} words, {} of them different\n", grouped(sum), grouped(words.size()));
}

std::string speed(std::size_t workers, double seconds, std::uint64_t bytes) {
  return fmt::format("{:<10} {:>6.2f} s, {:>6.1f} MB/s", plural(workers, "worker") + ":", seconds,
                     megabytes(bytes) / seconds);
}

void count_below(const fs::path& top, std::size_t workers) {
  std::vector<problem> problems;
  survey seen = look_at_all(files_below(top, problems), workers);
  append(problems, std::move(seen.problems));
  std::uint64_t bytes = 0;
  for (const text_file& file : seen.texts) bytes += file.size;
  const task_list tasks = divide(seen.texts, bytes, workers);
  if (tasks.empty()) {
    report(problems);
    throw std::runtime_error("there is no text below " + printable(top));
  }

  const counted alone = count_all(tasks, 1);
  const counted together = workers == 1 ? alone : count_all(tasks, workers);
  append(problems, together.problems);
  report(problems);

  const std::string what =
      fmt::format("{}: {} of text, {:.1f} MB", printable(top), plural(seen.texts.size(), "file"), megabytes(bytes));
  const std::string of_one = speed(1, alone.seconds, bytes);
  fmt::print("{}\n", what);
  show_table(together.words);
  fmt::print("{}\n", of_one);
  std::vector<run> runs{history_of(alone, tasks, top, of_one)};
  if (workers > 1) {
    const double times = alone.seconds / together.seconds;
    const std::string of_all = fmt::format("{}, {:.2f} times as fast", speed(workers, together.seconds, bytes), times);
    double load = 0;
    getloadavg(&load, 1);
    fmt::print("{}\n", of_all);
    if (times < 1.05) fmt::print("They did not help: too little text, or a busy machine (its load is {:.1f}).\n", load);
    runs.insert(runs.begin(), history_of(together, tasks, top, of_all));
  }
  write_picture(draw_timeline("wordcount: which worker did what when", what, runs));
}

}  // namespace

int main(int argc, char** argv) {
  kin::init();
  use_utf8();
  std::signal(SIGINT, take_signal);
  std::signal(SIGTERM, take_signal);
  try {
    const request asked = read_request({argv + 1, argv + argc}, kin::cpu_count());
    if (asked.help)
      fmt::print("{}", usage);
    else
      count_below(asked.directory, asked.workers);
    return 0;
  } catch (const interrupted&) {
    fmt::print(stderr, "{}wordcount: interrupted\n", isatty(STDERR_FILENO) ? "\n" : "");  // below the bar
    return 128 + signal_taken;
  } catch (const refusal& e) {
    fmt::print(stderr, "wordcount: {}\n", e.what());
    return 2;
  } catch (const std::exception& e) {
    fmt::print(stderr, "wordcount: {}\n", e.what());
    return 1;
  }
}
