// SPDX-License-Identifier: BSL-1.0
// turn: a lock of a queue with its bias (src/queue/turn.cpp), as memory with store buffers. Checked by `ctest -R models`:
// spin -a, then the whole state space.
//
// Model: a plain store stays in the storer's buffer, where only the storer sees it, until it drains by itself, by a
// locked instruction or system call of the storer, or by somebody's membarrier. Everybody has a seat. Who gives the
// word up may take the bias or not, whatever the streak. What the lock guards is a count. A killed process has done a
// part of its program; what it had stored drains; then it is marked as dead, then everybody who sleeps is roused.
// Person 1 and person 2 go in so often (FIRST, SECOND). With THIRD there is a third one, person 1 has the bias to begin
// with, and nobody takes it again. With KILL person 2 may be killed before any step.
//
// Mutants, each of which must be found wrong: NO_BARRIER, NO_SECOND_LOOK (at the bias, from the seat), SEAT_NOT_WAITED_FOR,
// SEAT_NOT_RUNG, ONE_RUNG (of those who sleep, when the seat is left), NOT_REVOKED, DEAD_SEAT_OCCUPIED,
// REVOKED_FORGOTTEN (the bias is taken away before the seat is known to be empty).
//
// Claim: never two are inside, who comes in sees what the last one has done, and nobody sleeps for ever: that is an
// invalid end state. Not in the model: seats that change owners, time-outs, spinning, how the bell saves membarriers
// (bell.pml).

#ifndef FIRST
#define FIRST 2
#endif
#ifndef SECOND
#define SECOND 2
#endif
#ifdef THIRD
#define LAST 3
#define may_take_bias false
#else
#define LAST 2
#define may_take_bias true
#endif
#define PEOPLE 4
#define VICTIM 2

// Places of the memory.
#define WORD 0
#define BIAS 1
#define DATA 2
#define INSIDE 2                          // + person
#define PLACES 6
#define REVOKED 8
byte memory[PLACES];
chan buffer[PEOPLE] = [6] of { byte, byte };
byte pending[24], newest[24];             // [person * PLACES + place]: what only the storer sees yet
hidden byte place, what;

byte rings, sleeps[PEOPLE];
bool asleep;

bool dead[PEOPLE];
bool dying, victim_ended;
byte finished, inside, expected;

inline drain_one(who) {
  buffer[who]?place, what;
  memory[place] = what;
  pending[who * PLACES + place]--;
  newest[who * PLACES + place] = (pending[who * PLACES + place] == 0 -> 0 : newest[who * PLACES + place])
}
inline drain(who) {
  do
  :: nempty(buffer[who]) -> drain_one(who)
  :: empty(buffer[who]) -> break
  od
}
inline drain_all() { drain(1); drain(2); drain(3) }
inline store(where, new) {
  buffer[me]!where, new;
  pending[me * PLACES + where]++;
  newest[me * PLACES + where] = new
}
#define load(where) (pending[me * PLACES + where] != 0 -> newest[me * PLACES + where] : memory[where])

inline wake_all() { sleeps[1] = 0; sleeps[2] = 0; sleeps[3] = 0 }
inline ring_all() {
  if
  :: atomic { !asleep -> skip }
  :: atomic { asleep -> drain(me); rings = (rings + 1) % 8; asleep = false }; atomic { wake_all() }
  fi
}
inline ring_one() {
  if
  :: atomic { !asleep -> skip }
  :: atomic { asleep -> drain(me); rings = (rings + 1) % 8; mine = rings };
     atomic {
       if
       :: sleeps[1] == 1 -> sleeps[1] = 0; mine = 9
       :: sleeps[2] == 1 -> sleeps[2] = 0; mine = 9
       :: sleeps[3] == 1 -> sleeps[3] = 0; mine = 9
       :: else
       fi
     };
     if
     :: mine == 9 -> skip
     :: else ->
        atomic { if
        :: rings == mine -> rings = (rings + 1) % 8; asleep = false
        :: else -> mine = 9
        fi };
        if
        :: mine != 9 -> atomic { wake_all() }
        :: else
        fi
     fi;
     mine = 0
  fi
}
inline announce() { atomic { drain(me); asleep = true; mine = rings; drain_all() } }
inline sleep_on_it() {
  atomic { if
  :: rings == mine -> sleeps[me] = 1
  :: else
  fi; mine = 0 };
  sleeps[me] == 0
}

inline try_take() {
  atomic {
    drain(me);
    if
    :: memory[WORD] == 0 || dead[memory[WORD]] -> memory[WORD] = me; held = true
    :: else
    fi
  }
}
#ifdef DEAD_SEAT_OCCUPIED
#define is_empty(who) (load(INSIDE + who) == 0)
#else
#define is_empty(who) (load(INSIDE + who) == 0 || dead[who])
#endif

inline take() {
  now = load(BIAS);
  if
  :: now == me ->
     store(INSIDE + me, 1);
#ifndef NO_SECOND_LOOK
     now = load(BIAS);
#endif
     if
     :: now == me -> seated = true
     :: else -> store(INSIDE + me, 0); ring_all()
     fi
  :: else
  fi;
  if
  :: seated -> skip
  :: else ->
     try_take();
     do
     :: held -> break
     :: else ->
        announce();
        try_take();
        if
        :: held -> mine = 0
        :: else -> sleep_on_it()
        fi
     od;
#ifndef NOT_REVOKED
     now = load(BIAS) & 7;
     if
     :: now != 0 && now != me ->
#ifdef REVOKED_FORGOTTEN
        store(BIAS, 0);
#else
        store(BIAS, now | REVOKED);
#endif
#ifndef NO_BARRIER
        atomic { drain_all() };
#endif
#ifndef SEAT_NOT_WAITED_FOR
        do
        :: atomic { is_empty(now) -> break }
        :: atomic { !is_empty(now) -> skip };
           announce();
           if
           :: atomic { is_empty(now) -> mine = 0; break }
           :: atomic { !is_empty(now) -> skip }
           fi;
           sleep_on_it()
        od
#endif
     :: else
     fi;
     store(BIAS, 0)
#endif
  fi;
  now = 0
}

inline give_up() {
  if
  :: seated ->
     atomic { inside = 0; expected++; store(DATA, expected); seated = false };
     store(INSIDE + me, 0);
#ifndef SEAT_NOT_RUNG
#ifdef ONE_RUNG
     ring_one()
#else
     ring_all()
#endif
#endif
  :: else ->
     atomic { inside = 0; expected++; store(DATA, expected); held = false };
     if
     :: may_take_bias -> store(BIAS, me)
     :: skip
     fi;
     store(WORD, 0);
     ring_one()
  fi
}

proctype person(byte me; byte times) {
  byte now, mine;
  bool held, seated;
  {
    do
    :: times == 0 -> break
    :: else ->
       take();
       atomic { assert(inside == 0); inside = me; assert(load(DATA) == expected) };
       give_up();
       times--
    od;
    atomic { drain(me); finished++; victim_ended = victim_ended || me == VICTIM }
  } unless { dying && me == VICTIM }
}

proctype buffers() {                      // stores drain at any time
end:
  do
  :: atomic { nempty(buffer[1]) -> drain_one(1) }
  :: atomic { nempty(buffer[2]) -> drain_one(2) }
  :: atomic { nempty(buffer[3]) -> drain_one(3) }
  od
}

proctype supervisor() {                   // one death, at any time
  if
  :: atomic { !victim_ended -> dying = true; drain(VICTIM); sleeps[VICTIM] = 0;
              inside = (inside == VICTIM -> 0 : inside) };
     dead[VICTIM] = true;
     atomic { rings = (rings + 1) % 8; wake_all() }
  :: victim_ended
  fi
}

init {
  atomic {
#ifdef THIRD
    memory[BIAS] = 1;                     // to begin with, or the search does not end within minutes
#endif
    run buffers();
    run person(1, FIRST);
    run person(2, SECOND);
#ifdef THIRD
    run person(3, THIRD);
#endif
#ifdef KILL
    run supervisor()
#endif
  };
  finished + dead[VICTIM] >= LAST
}
