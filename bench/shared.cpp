// SPDX-License-Identifier: BSL-1.0
// shared: a shared_dict of 10 000 keys against std::unordered_map + std::mutex in one process, one operation at a time.
#include <algorithm>
#include <array>
#include <cstdint>
#include <mutex>
#include <random>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include <kin/kin.hpp>

#include "support.hpp"

namespace {

constexpr std::size_t keys = 10'000;
using payload = std::array<char, 64>;

template <class K>
K key_of(std::size_t i) {
  if constexpr (std::is_integral_v<K>)
    return i * 0x9e3779b97f4a7c15;
  else
    return "user:" + std::to_string(i * 7919) + ":profile";
}
template <class V>
V value_of(std::size_t i) {
  if constexpr (std::is_same_v<V, payload>)
    return {static_cast<char>(i)};
  else
    return "value number " + std::to_string(i) + " of some length, as they have";
}
// In an order that no prefetcher guesses.
template <class K>
std::vector<K> shuffled_keys() {
  std::vector<K> all;
  for (std::size_t i = 0; i < keys; ++i) all.push_back(key_of<K>(i));
  std::shuffle(all.begin(), all.end(), std::mt19937(1));
  return all;
}

template <class K, class V>
struct local_dict {
  std::mutex mutex;
  std::unordered_map<K, V> map;
  void set(const K& key, const V& value) {
    const std::scoped_lock hold(mutex);
    map[key] = value;
  }
  V operator[](const K& key) {
    const std::scoped_lock hold(mutex);
    return map.at(key);
  }
};

template <class Dict, class K, class V>
void get(benchmark::State& state) {
  Dict dict;
  for (std::size_t i = 0; i < keys; ++i) dict.set(key_of<K>(i), value_of<V>(i));
  const auto order = shuffled_keys<K>();
  std::size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(dict[order[i]]);
    if (++i == keys) i = 0;
  }
}
template <class Dict, class K, class V>
void set(benchmark::State& state) {
  Dict dict;
  for (std::size_t i = 0; i < keys; ++i) dict.set(key_of<K>(i), value_of<V>(i));
  const auto order = shuffled_keys<K>();
  const V value = value_of<V>(5);
  std::size_t i = 0;
  for (auto _ : state) {
    dict.set(order[i], value);
    if (++i == keys) i = 0;
  }
}

using shared_numbers = kin::shared_dict<std::uint64_t, payload>;
using local_numbers = local_dict<std::uint64_t, payload>;
using shared_texts = kin::shared_dict<std::string, std::string>;
using local_texts = local_dict<std::string, std::string>;
BENCHMARK(get<shared_numbers, std::uint64_t, payload>)->Name("shared_get/numbers");
BENCHMARK(get<local_numbers, std::uint64_t, payload>)->Name("local_get/numbers");
BENCHMARK(set<shared_numbers, std::uint64_t, payload>)->Name("shared_set/numbers");
BENCHMARK(set<local_numbers, std::uint64_t, payload>)->Name("local_set/numbers");
BENCHMARK(get<shared_texts, std::string, std::string>)->Name("shared_get/texts");
BENCHMARK(get<local_texts, std::string, std::string>)->Name("local_get/texts");
BENCHMARK(set<shared_texts, std::string, std::string>)->Name("shared_set/texts");
BENCHMARK(set<local_texts, std::string, std::string>)->Name("local_set/texts");

}  // namespace

KIN_BENCH_MAIN()
