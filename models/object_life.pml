// SPDX-License-Identifier: BSL-1.0
// object_life: when a shared object may be freed (docs/decisions/0012-an-object-goes-with-its-last-holder.md;
// src/memory/object_ref.cpp, src/memory/supervisor.cpp). Checked by `ctest -R models`: spin -a, then the whole state space.
//
// Model: three members, of whom member 0 has a handle to begin with; each does up to STEPS (2) things in any order: sends the
// handle in a message that is decoded once, by anybody; lends it with a request, and keeps its own until that is answered;
// takes a message; takes a request; gives its handle up. The root looks whenever it likes, one word and one list at a
// time. With KILL one member is killed before any step: what it had counted stays counted, its list is forgotten. With LATE a
// lender does not wait for the answer, as a pool whose worker is being killed for its timeout: then a decoder may
// be refused, but must not get what is somebody else's by now; so may one whose lender has been killed.
//
// Mutants, each of which must be found wrong: NO_FIRST_LOOK (A: messages under way), NO_LISTS (B), NO_SECOND_LOOK (C),
// with LATE NO_LAST_LOOK (D) and NO_FENCE (the decoder reads the serial before its entry is seen), ENTERED_LATE (a
// decoder counts down before it has entered), GIVEN_UP_EARLY (a sender gives its own handle up before it has counted),
// NO_TRANSFERS (they are not counted, so that the second look sees nothing).
//
// Claim: whoever has a handle has the object: it has not ended (but for LATE), and its memory is not given out.
// Not in the model: that an object that nobody holds is freed; kept handles; forks, which count as messages do.

#define MEMBERS 3
#ifndef STEPS
#define STEPS 2
#endif
#define VICTIM 1

bool listed[MEMBERS], handle[MEMBERS], lends[MEMBERS];
bool dead[MEMBERS];
bool alive = true, given_out, late;
byte under_way, transfers;
chan once = [MEMBERS * STEPS] of { bit };
chan requests = [MEMBERS] of { byte };  // who lends

inline count_sent() {
#ifdef NO_TRANSFERS
  atomic { under_way++ }
#else
  atomic { under_way++; transfers++ }
#endif
}
inline count_arrived() {
  atomic {
    if
    :: under_way > 0 -> under_way--
    :: else -> transfers++
    fi
  }
}

proctype member(byte me) {
  byte steps = STEPS, lender;
  bool exists;
end_idle:
  do
  :: dead[me] -> break
  :: !dead[me] && handle[me] -> assert(dead[me] || (!given_out && (alive || late))); break
  // A message.
  :: !dead[me] && steps > 0 && handle[me] ->
    steps--;
#ifdef GIVEN_UP_EARLY
    handle[me] = false;
    listed[me] = false;
#endif
    count_sent();
    if
    :: dead[me] -> break
    :: else -> once!1
    fi
  :: atomic { !dead[me] && steps > 0 && nempty(once) -> once?_ };
    steps--;
    if
    :: handle[me] -> count_arrived()
    :: else ->
#ifdef ENTERED_LATE
      count_arrived();
#endif
      if
      :: dead[me] -> break
      :: else -> listed[me] = true
      fi;
      assert(alive || late || dead[me]);
#ifndef ENTERED_LATE
      if
      :: dead[me] -> break
      :: else -> count_arrived()
      fi;
#endif
      handle[me] = true
    fi
  // A request.
  :: atomic {
      !dead[me] && steps > 0 && handle[me] && !lends[me] ->
      steps--;
      lends[me] = true;
      requests!me
    }
#ifdef LATE
  :: !dead[me] && lends[me] -> atomic { lends[me] = false; late = true }
#endif
  :: atomic { !dead[me] && steps > 0 && nempty(requests) -> requests?lender };
    steps--;
    if
    :: handle[me] -> skip
    :: else ->
#ifdef NO_FENCE
      exists = alive;
      listed[me] = true;
#else
      listed[me] = true;
      if
      :: dead[me] -> break
      :: else -> exists = alive
      fi;
#endif
      assert(exists || late || dead[me]);
      if
      :: !exists -> listed[me] = false
      :: else ->
        atomic { transfers++ };
        handle[me] = true
      fi
    fi;
    if
    :: dead[me] -> break
    :: else -> lends[lender] = false
    fi
  // Given up.
  :: !dead[me] && steps > 0 && handle[me] && !lends[me] ->
    steps--;
    handle[me] = false;
    if
    :: dead[me] -> break
    :: else -> listed[me] = false
    fi
  od
}

proctype root() {
  byte seen_under_way, seen_transfers, i;
  bool held;
  do
  :: true ->
    atomic {  // A
      seen_under_way = under_way;
      seen_transfers = transfers
    };
#ifndef NO_FIRST_LOOK
    if
    :: seen_under_way > 0 -> goto again
    :: else
    fi;
#endif
    held = false;
#ifndef NO_LISTS
    i = 0;
    do  // B
    :: i < MEMBERS -> held = held || (listed[i] && !dead[i]); i++
    :: else -> break
    od;
#endif
#ifdef NO_SECOND_LOOK
    if
    :: held -> goto again
    :: else -> alive = false
    fi;
#else
    atomic {  // C
      if
      :: held || under_way != seen_under_way || transfers != seen_transfers -> goto again
      :: else
      fi
    };
    alive = false;
#endif
    do  // D
    :: true ->
      held = false;
#ifndef NO_LAST_LOOK
      i = 0;
      do
      :: i < MEMBERS -> held = held || (listed[i] && !dead[i]); i++
      :: else -> break
      od;
#endif
      if
      :: !held -> break
      :: else
      fi
    od;
    given_out = true;
    break;
again:
    skip
  :: break  // it need not look any more
  od
}

#ifdef KILL
proctype killer() {
  atomic {
    dead[VICTIM] = true;
    late = late || lends[VICTIM]
  }
}
#endif

init {
  atomic {
    listed[0] = true;
    handle[0] = true;
    run member(0);
    run member(1);
    run member(2);
    run root();
#ifdef KILL
    run killer()
#endif
  }
}
