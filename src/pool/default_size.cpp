// SPDX-License-Identifier: BSL-1.0
// default_size: see the header. With pools inside of pools each of the size of the machine, three levels on 16
// processors would be 4096 processes.
#include "pool/default_size.hpp"

#include <algorithm>

#include <kin/process/process_view.hpp>

#include "process/processor_sharers.hpp"

namespace kin::detail {

std::size_t default_pool_size() { return std::max(1U, cpu_count() / processor_sharers()); }

}  // namespace kin::detail
