// SPDX-License-Identifier: BSL-1.0
// streak: what this thread has been doing without a wait in between. Whoever saves itself a look at the world "because
// I looked just now" must look again when the thread has waited for something: that is how it learns that another
// process has ended.
#pragma once

namespace kin::os {

/// Whatever the thread does again and again, by its address; null after every poll_until().
extern thread_local constinit const void* streak;

}  // namespace kin::os
