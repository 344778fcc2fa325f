// SPDX-License-Identifier: BSL-1.0
// wait_loop: the one way to sleep until another thread or process has done something. Who waits announces that it will
// sleep, in a place where ringers look after they have published; looks a last time; and sleeps until it is rung. The
// announcement comes before the look in everybody's eyes, by a barrier of the sleeper's or fences of the ringers'; so
// either the look finds what was published, or the ringer finds the announcement, and nothing is missed. No sleep ends
// by itself to look again.
//
// What is slept on differs, and is the `Sleeper`: a bell's word (memory/bell.hpp), for all that lies in a family's
// memory; a pipe's event and sockets (transport/ring_receiver.cpp, ring_sender.cpp), since only a descriptor tells of
// the other end's closing and can be polled. Before it sleeps, who waits spins: memory/spin.hpp.
#pragma once

#include <kin/core/deadline.hpp>

#include "memory/mutant.hpp"

namespace kin::detail {

/// How a wait came to its end. `seen`: what it is for is there. `rung`: look whether it is. `closed`: nobody is left to
/// ring.
enum class wait_end { seen, rung, deadline, closed };

/// One sleep. A Sleeper has
///   announce()         orders the announcement before what comes after it; may throw
///   until_rung(until)  rung, deadline or closed; rung at once if somebody has rung since announce()
///   skips_last_look()  its mutant that does
template <class Sleeper, class Look>
wait_end sleep_once(Sleeper& sleeper, const deadline& until, Look&& look) {
  sleeper.announce();
  if (!Sleeper::skips_last_look() && look()) return wait_end::seen;
  return sleeper.until_rung(until);
}

/// Sleeps until `look` says so: seen; or else deadline or closed. What happened before the deadline, or before the
/// other side ended, is seen. `look` changes the world only when it returns true, and may throw.
template <class Sleeper, class Look>
wait_end sleep_until(Sleeper& sleeper, const deadline& until, Look&& look) {
  for (;;) {
    const wait_end how = sleep_once(sleeper, until, look);
    if (how == wait_end::seen) return how;
    if (how == wait_end::closed && mutant("no look at the end of file")) return how;
    if (look()) return wait_end::seen;
    if (how != wait_end::rung) return how;
  }
}

}  // namespace kin::detail
