// SPDX-License-Identifier: BSL-1.0
// missing_element: what a list or dict in a manager says when what was asked for is not there.
#include <stdexcept>
#include <string>

#include <kin/manager/dict_object.hpp>
#include <kin/manager/list_object.hpp>

namespace kin::detail {

void no_such_index(std::size_t index, std::size_t size) {
  throw std::out_of_range("kin: list index " + std::to_string(index) + " is out of range (size " +
                          std::to_string(size) + ")");
}
void list_is_empty() { throw std::out_of_range("kin: pop from an empty list"); }
void no_such_key(const std::string& key) {
  throw std::out_of_range(key.empty() ? "kin: no such key in the dict" : "kin: no such key in the dict: " + key);
}

}  // namespace kin::detail
