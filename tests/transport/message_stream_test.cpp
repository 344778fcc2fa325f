// SPDX-License-Identifier: BSL-1.0
// message_stream: large messages are sent from where they lie and decoded while they arrive; neither side holds one
// twice.
#include <kin/process/process.hpp>
#include <kin/transport/connection.hpp>

#include <gtest/gtest.h>

#include <unistd.h>

#include <bitset>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <deque>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

using namespace std::chrono_literals;

namespace {

// Sends `value` in another thread while this one receives it.
template <class T>
T there(const T& value) {
  auto [a, b] = kin::pipe();
  std::thread sender([&, &to = a] { to.send(value); });
  T got = b.template recv<T>();
  sender.join();
  return got;
}

std::vector<std::uint32_t> numbers(std::size_t n, std::uint32_t first = 0) {
  std::vector<std::uint32_t> all(n);
  std::iota(all.begin(), all.end(), first);
  return all;
}

// --- what crosses ---------------------------------------------------------------------------------------------------

struct record {
  std::string text;
  std::vector<double> samples;
  std::optional<std::vector<std::uint32_t>> more;
  int last = 0;
  bool operator==(const record&) const = default;
};

struct not_trivial {
  int a = 7, b = 8;
  bool operator==(const not_trivial&) const = default;
};

TEST(message_stream, carries_large_values_of_every_shape) {
  const std::vector<std::uint32_t> large = numbers(1'000'000);
  EXPECT_EQ(there(large), large);
  EXPECT_EQ(there(std::string(3'000'000, 'x')), std::string(3'000'000, 'x'));
  const record all{std::string(400'000, 'a'), std::vector<double>(300'000, 1.5), large, 42};
  EXPECT_EQ(there(all), all);
  EXPECT_EQ(there(std::tuple(1, large, std::string("end"))), std::tuple(1, large, std::string("end")));
  const std::vector<std::vector<std::uint32_t>> rows{numbers(100'000), {}, numbers(70'000, 5), numbers(3)};
  EXPECT_EQ(there(rows), rows);
  const std::vector<not_trivial> structs(200'000, {1, 2});
  EXPECT_EQ(there(structs), structs);
  const std::deque<std::uint32_t> scattered(large.begin(), large.end());
  EXPECT_EQ(there(scattered), scattered);
  std::vector<bool> bits(3'000'000);
  for (std::size_t i = 0; i < bits.size(); i += 7) bits[i] = true;
  EXPECT_EQ(there(bits), bits);
}

TEST(message_stream, carries_large_values_of_many_small_ones) {
  std::map<std::string, std::string> words;
  for (int i = 0; i < 30'000; ++i) words["key " + std::to_string(i)] = std::string(static_cast<unsigned>(i % 90), 'v');
  EXPECT_EQ(there(words), words);
  const std::vector<std::string> lines(50'000, "a line of text");
  EXPECT_EQ(there(lines), lines);
  auto flags = std::make_shared<std::bitset<3'000'001>>();
  for (std::size_t i = 0; i < flags->size(); i += 13) flags->set(i);
  EXPECT_EQ(*there(flags), *flags);
}

TEST(message_stream, carries_one_object_of_many_pointers_once) {
  const auto shared = std::make_shared<std::vector<std::uint32_t>>(numbers(300'000));
  const auto got = there(std::vector{shared, shared});
  EXPECT_EQ(*got[0], *shared);
  EXPECT_EQ(got[0], got[1]);
}

// Each encodes what is gone, or another, when the message is sent.
struct of_temporaries {
  std::uint32_t n = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    std::vector<std::uint32_t> packed = numbers(n, 1);
    std::string text(n, 'p');
    ar(packed, text);
    n = static_cast<std::uint32_t>(packed.size());
    sum = std::accumulate(packed.begin(), packed.end(), std::uint64_t{0}) + text.size();
  }
  std::uint64_t sum = 0;
};

struct of_its_own_memory {
  std::vector<std::uint32_t> scratch;
  std::vector<std::uint32_t> first, second;
  template <class Archive>
  void serialize(Archive& ar) {
    if constexpr (Archive::is_saving) {
      scratch = numbers(200'000, 1);
      ar(scratch);
      scratch = numbers(200'000, 2);
      ar(scratch);
    } else {
      ar(first, second);
    }
  }
};

TEST(message_stream, copies_what_a_users_serialize_need_not_keep) {
  const std::uint64_t n = 400'000;
  EXPECT_EQ(there(of_temporaries{n}).sum, n * (n + 1) / 2 + n);
  auto [a, b] = kin::pipe();
  std::thread sender([&, &to = a] { to.send(of_its_own_memory{}); });
  const auto got = b.recv<of_its_own_memory>();
  sender.join();
  EXPECT_EQ(got.first, numbers(200'000, 1));
  EXPECT_EQ(got.second, numbers(200'000, 2));
}

// Containers of somebody else's, that show their elements in memory which they use again for the next ones: a number,
// repeated; and lines that are made when they are looked at.
class repeated {
 public:
  using value_type = std::uint32_t;
  using iterator = std::uint32_t*;
  using const_iterator = const std::uint32_t*;
  repeated() = default;
  repeated(std::uint32_t number, std::size_t times) : number_(number), times_(times) {}
  void resize(std::size_t n) { received_.resize(n); }
  void clear() { received_.clear(); }
  void push_back(std::uint32_t n) { received_.push_back(n); }
  std::uint32_t* data() { return received_.data(); }
  [[nodiscard]] const std::uint32_t* data() const {
    if (!received_.empty()) return received_.data();
    static std::vector<std::uint32_t> shown;
    shown.assign(times_, number_);
    return shown.data();
  }
  [[nodiscard]] std::size_t size() const { return received_.empty() ? times_ : received_.size(); }
  iterator begin() { return received_.data(); }
  iterator end() { return received_.data() + received_.size(); }
  [[nodiscard]] const_iterator begin() const { return data(); }
  [[nodiscard]] const_iterator end() const { return data() + size(); }

 private:
  std::vector<std::uint32_t> received_;
  std::uint32_t number_ = 0;
  std::size_t times_ = 0;
};

class lines_made_at_sight {
 public:
  using value_type = std::string;
  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = std::string;
    using difference_type = std::ptrdiff_t;
    using pointer = const std::string*;
    using reference = const std::string&;
    iterator(const lines_made_at_sight* of, std::size_t at) : of_(of), at_(at) {}
    reference operator*() const {
      if (!of_->received_.empty()) return of_->received_[at_];
      of_->shown_.assign(300'000, static_cast<char>('a' + at_));
      return of_->shown_;
    }
    iterator& operator++() {
      ++at_;
      return *this;
    }
    iterator operator++(int) { return {of_, at_++}; }
    bool operator==(const iterator& other) const { return at_ == other.at_; }

   private:
    const lines_made_at_sight* of_;
    std::size_t at_;
  };
  using const_iterator = iterator;
  lines_made_at_sight() = default;
  explicit lines_made_at_sight(std::size_t n) : made_(n) {}
  [[nodiscard]] iterator begin() const { return {this, 0}; }
  [[nodiscard]] iterator end() const { return {this, size()}; }
  [[nodiscard]] std::size_t size() const { return received_.empty() ? made_ : received_.size(); }
  void clear() { received_.clear(); }
  void push_back(std::string line) { received_.push_back(std::move(line)); }

 private:
  std::vector<std::string> received_;
  mutable std::string shown_;
  std::size_t made_ = 0;
};

TEST(message_stream, copies_what_containers_of_others_show) {
  const auto numbers_got = there(std::vector<repeated>{{1, 100'000}, {2, 100'000}, {3, 100'000}});
  for (std::uint32_t i = 0; i < 3; ++i) EXPECT_EQ(numbers_got[i].data()[7], i + 1);
  std::string begins;
  for (const std::string& line : there(lines_made_at_sight(3))) begins += line[0];
  EXPECT_EQ(begins, "abc");
}

struct with_descriptors {
  std::vector<kin::unique_fd> ends;
  std::vector<std::uint32_t> large;
};

TEST(message_stream, carries_descriptors_beside_large_values) {
  auto [a, b] = kin::pipe();
  std::thread sender([&, &to = a] {
    with_descriptors message;
    for (int i = 0; i < 300; ++i) message.ends.emplace_back(::dup(STDERR_FILENO));
    message.large = numbers(500'000);
    to.send(std::move(message));
  });
  const auto got = b.recv<with_descriptors>();
  sender.join();
  ASSERT_EQ(got.ends.size(), 300u);
  for (const auto& each : got.ends) EXPECT_GE(each.get(), 0);
  EXPECT_EQ(got.large, numbers(500'000));
}

TEST(message_stream, is_ready_for_pollers_until_it_is_received) {
  auto [a, b] = kin::pipe();
  EXPECT_GE(b.native_handle(), 0);
  std::thread sender([&, &to = a] {
    to.send(numbers(400'000));
    to.send(7);
  });
  EXPECT_EQ(b.recv<std::vector<std::uint32_t>>(), numbers(400'000));
  EXPECT_TRUE(b.poll(10s));
  EXPECT_EQ(b.recv<int>(), 7);
  sender.join();
  EXPECT_FALSE(b.poll());
}

// --- failures -------------------------------------------------------------------------------------------------------

struct refuses {
  std::vector<std::uint32_t> before, after;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(before);
    if constexpr (Archive::is_loading) throw std::runtime_error("no more of it");
    ar(after);
  }
};

TEST(message_stream, leaves_the_next_message_to_be_received_after_a_decoder_that_throws) {
  auto [a, b] = kin::pipe();
  std::thread sender([&, &to = a] {
    to.send(refuses{numbers(100'000), numbers(900'000)});
    to.send(std::string("next"));
  });
  EXPECT_THROW((void)b.recv<refuses>(), std::runtime_error);
  EXPECT_EQ(b.recv<std::string>(), "next");
  sender.join();
}

// Looks like any vector of numbers, and closes the connection that it comes from.
kin::connection* to_close = nullptr;
struct closes {
  std::uint32_t value = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(value);
    if constexpr (Archive::is_loading)
      if (value == 1000) to_close->close();
  }
};

TEST(message_stream, survives_a_decoder_that_closes_the_connection) {
  auto [a, b] = kin::pipe();
  to_close = &b;
  std::thread sender([&, &to = a] {
    std::vector<closes> many(500'000);
    for (std::uint32_t i = 0; i < many.size(); ++i) many[i].value = i;
    EXPECT_THROW(to.send(many), kin::closed_error);
  });
  EXPECT_THROW((void)b.recv<std::vector<closes>>(), kin::closed_error);
  EXPECT_TRUE(b.closed());
  sender.join();
}

struct polls {
  std::uint32_t value = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(value);
    if constexpr (Archive::is_loading) {
      if (value % 1000 == 999) {
        EXPECT_FALSE(to_close->poll(1h));
      }
    }
  }
};

TEST(message_stream, is_not_disturbed_by_a_decoder_that_polls_its_connection) {
  auto [a, b] = kin::pipe();
  to_close = &b;
  std::thread sender([&, &to = a] {
    std::vector<polls> many(300'000);
    for (std::uint32_t i = 0; i < many.size(); ++i) many[i].value = i;
    to.send(many);
    to.send(7);
  });
  EXPECT_EQ(b.recv<std::vector<polls>>().back().value, 299'999u);
  EXPECT_EQ(b.recv<int>(), 7);
  sender.join();
}

void send_large_for_ever(kin::connection to) {
  to.send(1);
  to.send(std::vector<std::uint32_t>(16'000'000));
}

TEST(message_stream, is_never_delivered_if_its_sender_dies_in_the_middle) {
  auto [a, b] = kin::pipe();
  kin::process child(send_large_for_ever, std::move(b));
  EXPECT_EQ(a.recv<int>(), 1);
  EXPECT_TRUE(a.poll(10s));
  child.kill();
  child.join();
  EXPECT_THROW((void)a.recv<std::vector<std::uint32_t>>(), kin::closed_error);
  EXPECT_THROW((void)a.recv<int>(), kin::closed_error);
}

// --- memory ---------------------------------------------------------------------------------------------------------

// A sanitizer's own memory would be counted.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// The most of this process that was in memory at once, in bytes, since begin() (proc_pid_clear_refs(5)).
struct peak_memory {
  static void begin() { std::ofstream("/proc/self/clear_refs") << 5; }
  static std::size_t now() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
    return 0;
  }
};

struct seen {
  std::size_t peak = 0;
  std::uint64_t sum = 0;
};

seen sends(kin::connection to, std::size_t n) {
  const auto all = numbers(n);
  peak_memory::begin();
  to.send(all);
  return {peak_memory::now(), std::accumulate(all.begin(), all.end(), std::uint64_t{0})};
}

seen receives(kin::connection from) {
  peak_memory::begin();
  const auto all = from.recv<std::vector<std::uint32_t>>();
  return {peak_memory::now(), std::accumulate(all.begin(), all.end(), std::uint64_t{0})};
}

void report_sending(kin::connection to, std::size_t n, kin::connection report) { report.send(sends(std::move(to), n)); }
void report_receiving(kin::connection from, kin::connection report) { report.send(receives(std::move(from))); }

// 1.2 times the data on each side, all that a process of kin is included.
void cross_within_a_fifth_more(std::size_t bytes) {
  auto [from, to] = kin::pipe(kin::simplex);
  auto [sent, sent_there] = kin::pipe();
  auto [received, received_there] = kin::pipe();
  kin::process sender(report_sending, std::move(to), bytes / 4, std::move(sent_there));
  kin::process receiver(report_receiving, std::move(from), std::move(received_there));
  const auto there = sent.recv<seen>(), here = received.recv<seen>();
  EXPECT_EQ(there.sum, here.sum);
  EXPECT_GT(there.peak, bytes);
  EXPECT_LT(there.peak, bytes + bytes / 5);
  EXPECT_GT(here.peak, bytes);
  EXPECT_LT(here.peak, bytes + bytes / 5);
}

TEST(message_stream, holds_a_vector_once_on_each_side) { cross_within_a_fifth_more(std::size_t{200} << 20); }

TEST(long_message_stream, holds_a_vector_of_5_gigabytes_once_on_each_side) { cross_within_a_fifth_more(5'000'000'000); }
#endif

}  // namespace
