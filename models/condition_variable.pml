// SPDX-License-Identifier: BSL-1.0
// condition_variable: whom notify_one wakes (src/sync/condition_variable.cpp, on the bell of src/memory/bell.cpp).
// Checked by `ctest -R models`: spin -a, then the whole state space.
//
// Model: OLD waiters have counted the notifications, and let go of the mutex, before the notifier begins; a newcomer does
// at any time. A notification is counted, and then rings for one. Who is rung looks whether the count is another than
// it was, and goes back to sleep if not. The kernel wakes those who sleep in the order in which they came. Every access
// is in the order of all: what a store buffer may do is models/bell.pml's.
//
// Mutants, each of which must be found wrong: NO_HOLD_UP (a newcomer does not hold up those who are on the way to
// sleep), NO_LAST_LOOK, RUNG_FIRST (before the count).
//
// Claim: when nothing can move any more, as many have been let go as there were notifications, or all the old ones. Who
// has counted a notification before it waited is never let go by that one.

#ifndef OLD
#define OLD 2
#endif
#ifndef NOTIFICATIONS
#define NOTIFICATIONS 1
#endif
#define PEOPLE (OLD + 2)                  // waiters from 1 on; the last one is the newcomer
#define NEWCOMER (OLD + 1)

byte count, rings;                        // the notifications; the bell's word
bool asleep;
chan queue = [PEOPLE] of { byte };        // the kernel's, of those who sleep
bool woken[PEOPLE];
bool mutex_held;
byte waiting;                             // old ones
byte returned;                            // anybody: a newcomer may have come before the notification, too
bool notified;

inline wake_one(anybody) {
  if
  :: queue?sleeper -> woken[sleeper] = true; anybody = true
  :: empty(queue) -> anybody = false
  fi
}
inline wake_all() {
  do
  :: queue?sleeper -> woken[sleeper] = true
  :: empty(queue) -> break
  od
}
inline hold_up() {
  if
  :: atomic { !asleep -> skip }
  :: atomic { asleep -> skip };
     rings++
  fi
}

proctype waiter(byte me) {
  byte before, seen;
  atomic { !mutex_held -> mutex_held = true };
  before = count;
#ifndef NO_HOLD_UP
  hold_up();
#endif
  atomic { mutex_held = false; waiting = waiting + (me != NEWCOMER) };
  do
  :: atomic { asleep = true; seen = rings };
#ifndef NO_LAST_LOOK
     if
     :: atomic { count != before -> break }
     :: atomic { count == before -> skip }
     fi;
#endif
     atomic {
       if
       :: rings == seen -> woken[me] = false; queue!me
       :: else -> woken[me] = true        // somebody has rung meanwhile: no sleep
       fi
     };
end: woken[me];
     if
     :: atomic { count != before -> break }
     :: atomic { count == before -> skip }
     fi
  od;
  returned++
}

inline ring() {
  if
  :: atomic { !asleep -> skip }
  :: atomic { asleep -> rings++; mine = rings };
     atomic { wake_one(anybody) };
     if
     :: anybody
     :: else ->
        atomic {
          if
          :: rings == mine && asleep -> rings++; asleep = false; emptied = true
          :: else
          fi
        };
        if
        :: emptied -> atomic { wake_all() }
        :: else
        fi
     fi
  fi
}
proctype notifier() {
  byte n, mine, sleeper;
  bool anybody, emptied;
  waiting == OLD;
  do
  :: n == NOTIFICATIONS -> break
  :: else ->
     n++;
#ifdef RUNG_FIRST
     ring();
#endif
     count++;
#ifndef RUNG_FIRST
     ring();
#endif
     atomic { mine = 0; anybody = false; emptied = false; sleeper = 0 }
  od;
  notified = true
}

init {
  byte i = 1;
  atomic {
    do
    :: i > NEWCOMER -> break
    :: else -> run waiter(i); i++
    od;
    run notifier()
  };
  notified;
  timeout;                                // nobody can go on
  assert(returned >= NOTIFICATIONS || returned >= OLD)
}
