// SPDX-License-Identifier: BSL-1.0
// no_fourteen: an element that can be put into a shared container, but cannot always be taken out of it.
#pragma once

#include <stdexcept>

namespace kin_test {

struct no_fourteen {
  int n = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(n);
    if (Archive::is_loading && n == 14) throw std::runtime_error("no 14 here");
  }
};

}  // namespace kin_test
