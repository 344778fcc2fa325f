// SPDX-License-Identifier: BSL-1.0
// range_claims: how the ranges of one map are shared out: whoever takes part claims them one by one in shared memory.
// Each begins in a section of its own, if it can where it was in the last map: what it read and wrote there is still in
// its processor's caches. Then it takes from the ends of the others' sections.
//
// Invariant: a range is free, or its word names who has claimed it, and says whether that is done with it. Nobody is
// needed to claim for another: what somebody who died had claimed is found by its name, what nobody has claimed is
// free, whoever's section it lies in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <vector>

#include <kin/core/export.hpp>
#include <kin/memory/object_ref.hpp>
#include <kin/wire/codec.hpp>

namespace kin::detail {

/// A handle: a copy is the same claims.
class KIN_EXPORT range_claims {
 public:
  using kin_handle = void;
  static constexpr std::size_t most_ranges = 8192;

  /// None are claimed. Nobody may take part in the last map that these were of. Throws os_error.
  static range_claims take(std::size_t ranges);
  /// For the next map in this process: everybody who took part has answered.
  void give_back() const;

  /// Ranges that are done.
  [[nodiscard]] std::size_t done() const noexcept;
  /// Ranges that nobody has claimed yet, of the first `ranges`.
  [[nodiscard]] std::size_t unclaimed(std::size_t ranges) const noexcept;
  /// The first range that this one has claimed and not done.
  [[nodiscard]] std::optional<std::size_t> left_by(std::uint32_t who, std::size_t ranges) const noexcept;

 private:
  friend struct codec<range_claims>;
  friend class claimant;
  struct words;
  explicit range_claims(const object_ref& ref) noexcept : ref_(ref) {}
  [[nodiscard]] words& shared() const noexcept;
  object_ref ref_;
};

/// One of those who take part, in its own thread: first what it left in an attempt before, then its section, then
/// whatever is free. Not a copy of its process that somebody forks: nobody waits for that one.
class KIN_EXPORT claimant {
 public:
  /// `who` > 0 is the only one of that name. `others`: about as many take part. Throws decode_error.
  claimant(const range_claims& claims, std::uint32_t who, std::size_t ranges, std::size_t others);
  claimant(const claimant&) = delete;
  claimant& operator=(const claimant&) = delete;
  ~claimant();
  /// Claims one; none when there are none left. The last one is done, unless fail() was called.
  std::optional<std::size_t> next();
  /// The last one is done, and no more are wanted for now.
  void finish() noexcept;
  /// Whether next() still has to give some of an attempt before.
  [[nodiscard]] bool has_left() const noexcept { return !left_.empty(); }
  /// The last one will not be done.
  void fail() noexcept { current_.reset(); }

 private:
  [[nodiscard]] bool in_copy() const noexcept;
  void take_section();
  void end_current() noexcept;
  std::optional<std::size_t> find_elsewhere() noexcept;
  void tell() noexcept;
  [[nodiscard]] std::size_t begin_of(std::size_t section) const noexcept { return section * ranges_ / sections_; }

  range_claims claims_;  // keeps the words
  range_claims::words& words_;
  std::uint32_t who_;
  int process_;
  std::size_t ranges_, sections_;
  std::vector<std::size_t> left_;  // claimed before, and not done
  std::optional<std::size_t> current_;
  std::optional<std::size_t> own_;      // section
  std::size_t at_ = 0, end_ = 0;        // of it
  std::size_t others_ = 0, sweep_ = 0;  // sections that were looked through, and how far the next one is, from its end
  std::size_t untold_ = 0;              // done, and not yet counted
};

/// In the process that takes part: these elements are likely to be worked on again soon, so they stay mapped.
KIN_EXPORT void keep_mapped(const void* data, std::shared_ptr<const void> handle);

}  // namespace kin::detail

namespace kin {
template <>
struct KIN_EXPORT codec<detail::range_claims> {
  static constexpr std::string_view structure = "range_claims";
  static void encode(writer& to, const detail::range_claims& value);
  static detail::range_claims decode(reader& from);
};
}  // namespace kin
