// SPDX-License-Identifier: BSL-1.0
// error_categories: see the header.
#include "wire/error_categories.hpp"

#include <future>
#include <ios>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "os/fork_hooks.hpp"

namespace kin::detail {
namespace {

// Of one category, so that who sends ever new numbers does not fill this process.
constexpr std::size_t most_messages = 1024;

class told_category final : public std::error_category {
 public:
  explicit told_category(std::string name) : name_(std::move(name)) {}

  /// Under the lock.
  void add(int value, std::string message) {
    if (messages_.size() < most_messages || messages_.contains(value)) messages_[value] = std::move(message);
  }
  [[nodiscard]] const char* name() const noexcept override { return name_.c_str(); }
  [[nodiscard]] std::string message(int value) const override {
    const std::lock_guard hold(os::whole_over_fork);
    const auto found = messages_.find(value);
    return found != messages_.end() ? found->second : "error " + std::to_string(value);
  }

 private:
  std::string name_;
  std::map<int, std::string> messages_;
};

// Never destroyed: an error code may outlive every other object.
auto& all_categories() {
  static auto& instance = *new std::map<std::string, std::unique_ptr<told_category>>;
  return instance;
}

}  // namespace

const std::error_category* standard_category(std::string_view name) noexcept {
  for (const auto* known :
       {&std::generic_category(), &std::system_category(), &std::iostream_category(), &std::future_category()})
    if (name == known->name()) return known;
  return nullptr;
}

void prepare_error_categories_for_fork() { (void)all_categories(); }

const std::error_category& category_told(const std::string& name, int value, std::string message) {
  const std::lock_guard hold(os::whole_over_fork);
  auto& category = all_categories()[name];
  if (!category) category = std::make_unique<told_category>(name);
  category->add(value, std::move(message));
  return *category;
}

}  // namespace kin::detail
