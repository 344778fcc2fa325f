// SPDX-License-Identifier: BSL-1.0
// error_categories: see the header.
#include "wire/error_categories.hpp"

#include <future>
#include <ios>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace kin::detail {
namespace {

// Of one category, so that who sends ever new numbers does not fill this process.
constexpr std::size_t most_messages = 1024;

class told_category final : public std::error_category {
 public:
  explicit told_category(std::string name) : name_(std::move(name)) {}

  void add(int value, std::string message) {
    const std::lock_guard hold(mutex_);
    if (messages_.size() < most_messages || messages_.contains(value)) messages_[value] = std::move(message);
  }
  [[nodiscard]] const char* name() const noexcept override { return name_.c_str(); }
  [[nodiscard]] std::string message(int value) const override {
    const std::lock_guard hold(mutex_);
    const auto found = messages_.find(value);
    return found != messages_.end() ? found->second : "error " + std::to_string(value);
  }

 private:
  std::string name_;
  mutable std::mutex mutex_;
  std::map<int, std::string> messages_;
};

struct categories {
  std::mutex mutex;
  std::map<std::string, std::unique_ptr<told_category>> by_name;
};
// Never destroyed: an error code may outlive every other object.
categories& all() {
  static auto& instance = *new categories;
  return instance;
}

}  // namespace

const std::error_category* standard_category(std::string_view name) noexcept {
  for (const auto* known :
       {&std::generic_category(), &std::system_category(), &std::iostream_category(), &std::future_category()})
    if (name == known->name()) return known;
  return nullptr;
}

const std::error_category& category_told(const std::string& name, int value, std::string message) {
  categories& known = all();
  const std::lock_guard hold(known.mutex);
  auto& category = known.by_name[name];
  if (!category) category = std::make_unique<told_category>(name);
  category->add(value, std::move(message));
  return *category;
}

}  // namespace kin::detail
