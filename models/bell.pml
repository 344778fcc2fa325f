// SPDX-License-Identifier: BSL-1.0
// bell: the one wait where ringers publish by plain stores (src/memory/bell.cpp), with store buffers. Checked by
// `ctest -R models`: spin -a, then the whole state space.
//
// Model: two ringers publish items, each by a plain store to a place of its own, which stays in its buffer until it
// drains by itself, by a locked instruction or system call of the ringer, or by a sleeper's membarrier. Two sleepers take
// items, one at a time, until they have had as many as were put. A ringer that has fenced in vain may end the care at
// any time. With KILL sleeper 4 may be killed before any step; then everybody who sleeps is roused.
//
// Mutants, each of which must be found wrong: NO_BARRIER, NO_FENCE (of ringers, while there is to be care),
// SETTLED_EARLY (before the barrier; found with KILL), SETTLED_KEPT (when the care ends), NO_LAST_LOOK.
//
// Claim: nobody sleeps while there is an item for it: that is an invalid end state.

#define PEOPLE 5                          // 1 and 2: ringers; 3 and 4: sleepers
#define VICTIM 4
#ifndef FIRST
#define FIRST 2                           // items of the ringers
#define SECOND 0                          // with three items the search takes minutes
#endif
#define ALL (FIRST + SECOND)

byte memory[3];
chan buffer[3] = [3] of { byte };         // what ringer 1 and 2 have stored in their places
byte taken;

byte rings;                               // the word
bool asleep, careful, settled;
bool sleeps[PEOPLE];
bool dying, dead, victim_ended;
byte finished;

inline drain(who) {
  do
  :: buffer[who]?memory[who]
  :: empty(buffer[who]) -> break
  od
}
inline wake_all() { sleeps[3] = false; sleeps[4] = false }
#define there_is_one (memory[1] + memory[2] > taken)

inline end_care() {
  atomic {
    drain(me);
    if
    :: !asleep ->
       careful = false;
#ifndef SETTLED_KEPT
       settled = false
#endif
    :: else
    fi
  }
}
proctype ringer(byte me; byte items) {
  byte n, seen;
  bool woken;
  do
  :: n == items -> break
  :: else ->
     if
     :: skip
     :: end_care()
     fi;
     n++;
     buffer[me]!n;
     if
     :: atomic { !asleep && !careful -> skip }
     :: atomic { asleep || careful -> skip };
#ifndef NO_FENCE
        atomic { drain(me) };
#endif
        if
        :: atomic { !asleep -> skip };
           if
           :: skip
           :: end_care()
           fi
        :: atomic { asleep -> drain(me); rings = (rings + 1) % 8; seen = rings };
           atomic {
             woken = true;
             if
             :: sleeps[3] -> sleeps[3] = false
             :: sleeps[4] -> sleeps[4] = false
             :: else -> woken = false
             fi
           };
           if
           :: woken
           :: else ->                     // nobody slept: take the bit away, unless the word has changed since
              atomic { if
              :: rings == seen && asleep -> rings = (rings + 1) % 8; asleep = false; woken = true
              :: else
              fi };
              if
              :: woken -> atomic { wake_all() }
              :: else
              fi
           fi;
           woken = false
        fi
     fi;
     seen = 0
  od;
  atomic { drain(me); finished++ }
}

inline settle() {
  atomic {
    if
    :: rings == seen && asleep && careful && settled == was_settled -> settled = true; was_settled = true
    :: else
    fi
  }
}
inline look() {
  atomic {
    if
    :: there_is_one -> taken++; done = true
    :: else
    fi
  }
}
proctype sleeper(byte me) {
  byte seen;
  bool was_settled, done;
  {
    do
    :: taken == ALL -> break
    :: else ->
       atomic { asleep = true; careful = true; seen = rings; was_settled = settled };
       if
       :: was_settled
       :: else ->
#ifdef SETTLED_EARLY
          settle();
#endif
#ifndef NO_BARRIER
          atomic { drain(1); drain(2) };
#endif
          settle()
       fi;
#ifndef NO_LAST_LOOK
       look();
#endif
       if
       :: done
       :: else ->
          atomic { if
          :: rings == seen && asleep && careful && settled == was_settled -> sleeps[me] = true
          :: else
          fi };
          !sleeps[me] || taken == ALL;
          sleeps[me] = false;
          look()
       fi;
       atomic { done = false; seen = 0; was_settled = false }
    od;
    atomic { finished++; victim_ended = victim_ended || me == VICTIM }
  } unless { dying && me == VICTIM }
}

proctype buffers() {                      // stores drain at any time
end:
  do
  :: buffer[1]?memory[1]
  :: buffer[2]?memory[2]
  od
}

proctype supervisor() {                   // one death, at any time
  if
  :: atomic { !victim_ended -> dying = true; sleeps[VICTIM] = false };
     atomic { dead = true; rings = (rings + 1) % 8; wake_all() }
  :: victim_ended
  fi
}

init {
  atomic {
    run buffers();
    run ringer(1, FIRST);
    run ringer(2, SECOND);
    run sleeper(3);
    run sleeper(4);
#ifdef KILL
    run supervisor()
#endif
  };
  finished + dead == 4
}
